"""Objects become the files that they hold, once each; whatever goes wrong is one sentence without a secret."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from obstore.exceptions import GenericError

from fibrostage.ground import bucket_access, buckets
from fibrostage.ground.bucket_access import open_store, told
from fibrostage.ground.buckets import BucketPlace, OpenBucket, StoredObject, is_bucket, open_bucket, parse_place
from fibrostage.ground.errors import ArchiveError, RunError
from tests.services import KEY_ID, SECRET, BucketOfTests, ObjectStore

NAMES = ("one.dcm", "a b/ü%20.dcm", "a b/deep/x+y&[1]#.dcm")


def at(bucket: BucketOfTests, prefix: str = "exams") -> OpenBucket:
    return open_bucket(BucketPlace(bucket.name, prefix))


def fetch_all(place: BucketPlace, folder: Path) -> None:
    there = open_bucket(place)
    there.fetch(there.listed(), folder)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were fetched."""
    names: list[str] = []
    real = OpenBucket._fetch_one

    def counted(self: OpenBucket, one: StoredObject, target: Path, stop: threading.Event) -> None:
        real(self, one, target, stop)
        names.append(one.name)

    monkeypatch.setattr(OpenBucket, "_fetch_one", counted)
    return names


def test_objects_become_files_once_and_as_they_are_now(
    bucket: BucketOfTests, tmp_path: Path, fetched: list[str]
) -> None:
    for name in NAMES:
        bucket.put(f"exams/{name}", name.encode())
    for other in ("exams/", "exams/empty/", "exams2/other.dcm"):
        bucket.put(other, b"")
    folder = tmp_path / "here"
    place = at(bucket)
    place.fetch(place.listed(), folder)
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        name: name.encode() for name in NAMES
    }
    assert folder.stat().st_mode & 0o77 == 0
    bucket.put("exams/one.dcm", b"longer than it was")
    bucket.client.delete_object(Bucket=bucket.name, Key=f"exams/{NAMES[2]}")
    (folder / ".left.partial").write_text("of a killed process")
    place.fetch(place.listed(), folder)
    assert sorted(fetched) == sorted([*NAMES, "one.dcm"])
    assert sorted(p.name for p in folder.rglob("*")) == ["a b", "one.dcm", "ü%20.dcm"]
    assert (folder / "one.dcm").read_bytes() == b"longer than it was"
    place = at(bucket, "exams/one.dcm")
    assert [(one.name, one.key) for one in place.listed()] == [("one.dcm", "exams/one.dcm")]


def test_an_object_that_changes_meanwhile_is_not_taken_and_the_next_call_goes_on(
    bucket: BucketOfTests, tmp_path: Path, fetched: list[str]
) -> None:
    for name in ("a", "b", "c"):
        bucket.put(f"exams/{name}", name.encode())
    place = at(bucket)
    listed = place.listed()
    bucket.put("exams/b", b"B")
    with pytest.raises(ArchiveError, match=r"an object changed while it was read \('b'\)"):
        place.fetch(listed, tmp_path / "here")
    assert not (tmp_path / "here" / "b").exists()
    place.fetch(place.listed(), tmp_path / "here")
    assert (tmp_path / "here" / "b").read_bytes() == b"B"
    assert sorted(fetched) == ["a", "b", "c"]


def test_files_are_sent_once_and_nothing_is_overwritten(bucket: BucketOfTests, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 9_000_000)  # in parts
    (tmp_path / "b").write_bytes(b"b")
    files = [(name, tmp_path / name) for name in ("a", "b")]
    place = at(bucket)
    place.send(files[:1])
    before = bucket.client.head_object(Bucket=bucket.name, Key="exams/a")["LastModified"]
    place.send(files)
    assert bucket.keys() == ["exams/a", "exams/b"]
    assert bucket.client.head_object(Bucket=bucket.name, Key="exams/a")["LastModified"] == before
    place.fetch(place.listed(), tmp_path / "back")
    assert (tmp_path / "back" / "a").read_bytes() == (tmp_path / "a").read_bytes()
    (tmp_path / "b").write_bytes(b"c")
    with pytest.raises(ArchiveError, match="has another b; nothing is overwritten"):
        place.send(files)
    bucket.put("exams/mine")
    with pytest.raises(ArchiveError, match="is not empty"):
        place.send(files)


def forbidden(bucket: BucketOfTests, _: pytest.MonkeyPatch) -> BucketPlace:
    bucket.put("exams/a")
    bucket.forbid("s3:GetObject")
    return BucketPlace(bucket.name, "exams")


def with_setting(name: str, value: str | None) -> Callable[[BucketOfTests, pytest.MonkeyPatch], BucketPlace]:
    def arrange(bucket: BucketOfTests, patch: pytest.MonkeyPatch) -> BucketPlace:
        patch.delenv(name, raising=False)
        if value is not None:
            patch.setenv(name, value)
        return BucketPlace(bucket.name, "exams")

    return arrange


def with_object(key: str) -> Callable[[BucketOfTests, pytest.MonkeyPatch], BucketPlace]:
    def arrange(bucket: BucketOfTests, _: pytest.MonkeyPatch) -> BucketPlace:
        bucket.put("exams/a")
        bucket.put(key)
        return BucketPlace(bucket.name, "exams")

    return arrange


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        (lambda bucket, patch: BucketPlace("no-such-bucket", ""), "there is no bucket 'no-such-bucket'"),
        (forbidden, r"may not read what is at s3://tests-\w+/exams \((AccessDenied|403)\)"),
        (with_setting("AWS_ACCESS_KEY_ID", None), "needs credentials, and there are none: set AWS_ACCESS_KEY_ID"),
        (with_setting("AWS_PROFILE", "nobody"), "there is no profile 'nobody'"),
        (with_setting("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), "cannot be reached, or broke off; call"),
        (with_setting("AWS_ENDPOINT_URL", "not-to-be-shown"), "AWS_ENDPOINT_URL is not the address of a store"),
        (with_object("exams/../e"), "cannot be a file here, with '//' or '..'"),
        (with_object("exams//e"), "cannot be a file here, with '//' or '..'"),
        (with_object("exams/a/b"), "cannot be a file here: 'a/b'"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    bucket: BucketOfTests,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arrange: Callable[[BucketOfTests, pytest.MonkeyPatch], BucketPlace],
    said: str,
) -> None:
    place = arrange(bucket, monkeypatch)
    monkeypatch.setattr(bucket_access, "TRIES", 1)
    monkeypatch.setattr(buckets, "TRIES", 1)
    with pytest.raises(ArchiveError, match=said) as caught:
        fetch_all(place, tmp_path / "here")
    assert SECRET not in str(caught.value)
    assert KEY_ID not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_place_without_room_is_said_before_anything_is_fetched(bucket: BucketOfTests, tmp_path: Path) -> None:
    bucket.put("exams/a")
    place = at(bucket)
    vast = [StoredObject(one.name, one.key, 2**60, one.tag, one.written) for one in place.listed()]
    with pytest.raises(RunError, match=r"1,152,921,504,606,846,976 bytes that are not here"):
        place.fetch(vast, tmp_path / "here")


def test_addresses() -> None:
    assert parse_place("s3://bucket/a/b/") == parse_place(Path("s3://bucket/a/b")) == BucketPlace("bucket", "a/b")
    assert str(parse_place("s3://bucket")) == "s3://bucket"
    assert is_bucket(Path("s3://bucket/a"))
    assert not any(is_bucket(one) for one in ("bucket", Path("a/s3:"), "dicomweb://x"))
    for wrong in (
        "s3://KEY:SECRET@bucket/a",
        "s3://",
        "s3://UPPER/x",
        "s3://b/x",
        "s3:bucket",
        "s3://bucket/a/../b",
        "s3://bucket/a//b",
        "s3://bucket/a\nb",
    ):
        with pytest.raises(ArchiveError, match="s3://BUCKET/PREFIX") as caught:
            parse_place(wrong)
        assert "KEY:SECRET" not in str(caught.value)


@pytest.mark.parametrize("named", [True, False])
def test_keys_of_a_profile_are_read_and_others_say_how(
    bucket: BucketOfTests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    bucket.put("exams/a")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    (tmp_path / "keys").write_text(f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n")
    (tmp_path / "config").write_text(
        f"[default]\nendpoint_url = {bucket.client.meta.endpoint_url}\n[profile far]\nsso_session = elsewhere\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    if named:
        monkeypatch.setenv("AWS_PROFILE", "far")
        with pytest.raises(ArchiveError, match="'far' has no keys of its own: 'aws configure export-credentials"):
            open_store(bucket.name)
    else:
        place = at(bucket)
        assert [one.name for one in place.listed()] == ["a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "status code: 403 <Code>InvalidAccessKeyId</Code> AKIATESTER",
            r"accept the credentials \(InvalidAcc",
        ),
        ("PUT http://169.254.169.254/latest/api/token AKIATESTER", "needs credentials, and there are none"),
        ("status code: 301 AKIATESTER", "in another region"),
        ("status code: 503 <Code>SlowDown</Code> AKIATESTER", r"answers with an error \(SlowDown\)"),
    ],
)
def test_of_an_answer_nothing_but_its_code_is_repeated(text: str, said: str) -> None:
    with pytest.raises(ArchiveError, match=said) as caught, told("s3://b/x", "b", "read"):
        raise GenericError(text)
    assert KEY_ID not in str(caught.value)


def test_without_the_extra(bucket: BucketOfTests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ArchiveError, match=r'pip install "fibrostage\[s3\]"'):
        at(bucket)


@contextmanager
def cutting(store: str, cuts: int, after: int = 40_000) -> Iterator[str]:
    """A way to the store that cuts the connection in the middle of a large answer, so many times."""
    host, port = urlsplit(store).hostname, urlsplit(store).port
    left = [cuts]
    server = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, target: socket.socket, limited: bool) -> None:
        carried = 0
        try:
            while data := source.recv(8192):
                carried += len(data)
                if limited and left[0] > 0 and carried > after:
                    left[0] -= 1
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            there = socket.create_connection((host, port))
            threading.Thread(target=carry, args=(client, there, False), daemon=True).start()
            threading.Thread(target=carry, args=(there, client, True), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()


@pytest.mark.parametrize("cuts", [1, 1000])
def test_a_connection_that_is_cut(
    bucket: BucketOfTests,
    object_store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fetched: list[str],
    cuts: int,
) -> None:
    """One cut is got over; of a line that is always cut what was whole is kept, and the next call goes on from it."""
    monkeypatch.setattr(buckets, "PAUSE", 0.0)
    content = {"a": b"small", "b": bytes(200_000), "c": b"small too"}
    for name, each in content.items():
        bucket.put(f"exams/{name}", each)
    with cutting(object_store.address, cuts) as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL", way)
        place = at(bucket)
        if cuts > 1:
            with pytest.raises(ArchiveError, match="cannot be reached, or broke off; call the same again"):
                place.fetch(place.listed(), tmp_path / "here")
            assert [path.name for path in (tmp_path / "here").iterdir() if path.name not in "ac"] == []
        else:
            place.fetch(place.listed(), tmp_path / "here")
    if cuts > 1:
        monkeypatch.setenv("AWS_ENDPOINT_URL", object_store.address)
        place = at(bucket)
        place.fetch(place.listed(), tmp_path / "here")
    assert {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()} == content
    assert len(fetched) == len(set(fetched)) == 3
