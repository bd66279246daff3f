"""Archives over DICOMweb: one that works, and those that answer wrongly, in part, or not at all."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pydicom
import pytest

from fibrostage.dicom import web
from fibrostage.dicom.multipart import CutShortError, OtherAnswerError, keep_only_part
from fibrostage.dicom.web import PASSWORD, TOKEN, USER, WebArchive, fetch_study, instances, parse_archive, push, studies
from fibrostage.ground.errors import ArchiveError, RunError
from tests.intake.hospital import put
from tests.services import Orthanc

Respond = Callable[[BaseHTTPRequestHandler], None]
JSON = "application/dicom+json"


@contextmanager
def serving(respond: Respond, tries: int = 1, patience: float = 5.0) -> Iterator[WebArchive]:
    """An archive whose answers are made by a function."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            respond(self)

        def do_POST(self) -> None:
            respond(self)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield WebArchive(f"http://127.0.0.1:{server.server_address[1]}/dicom-web", patience, tries, 0.0)
    finally:
        server.shutdown()
        server.server_close()


def answers(status: int, kind: str = JSON, body: bytes = b"", length: bool = True) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        if length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return respond


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def listed(*uids: str) -> bytes:
    tags = ("0020000D", "0020000E", "00080018")
    return json.dumps([{tag: {"vr": "UI", "Value": [uid]} for tag in tags} for uid in uids]).encode()


@pytest.mark.parametrize(
    ("respond", "words"),
    [
        (answers(500, "text/html", b"<h1>oops</h1>"), r"answers with an error \(500\)"),
        (answers(401), f"does not let us in .401.: set {TOKEN}, or {USER}"),
        (answers(404), "no such thing"),
        (answers(200, "text/html", b"<html>Log in, please</html>"), "answers with text/html, which is no DICOM"),
        (answers(200, JSON, b"<html>"), "no DICOM JSON"),
        (answers(200, JSON, b'["x"]'), "no DICOMweb"),
        (answers(200, JSON, b'[{"0020000D": {"Value": 3}}]'), "no DICOMweb"),
        (answers(200, JSON, b""), "answers with nothing"),
        (answers(200, JSON, listed("../../etc")), "without a valid UID"),
        (answers(200, JSON, b'[{"0020000D": {"vr": "UI"}}]'), "without a valid UID"),
        (hangs_up, "hung up without an answer"),
    ],
)
def test_an_archive_that_answers_wrongly_is_told_in_words(respond: Respond, words: str) -> None:
    with serving(respond) as archive, pytest.raises(ArchiveError, match=words) as caught:
        studies(archive, "PatientID=SECRET-ID")
    assert "SECRET" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__, "nor does a traceback quote it"


def test_silence_and_a_closed_port_are_told_in_words() -> None:
    released = threading.Event()
    with serving(lambda handler: released.wait(5) and None, patience=0.2) as archive:  # type: ignore[arg-type,func-returns-value]
        with pytest.raises(ArchiveError, match="fell silent"):
            studies(archive)
        released.set()
    with pytest.raises(ArchiveError, match="cannot be reached"):
        studies(archive)


def test_what_may_be_better_next_time_is_tried_again() -> None:
    asked = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        (answers(503) if len(asked) == 1 else answers(200, JSON, listed("1.2.3") if len(asked) == 2 else b"[]"))(
            handler
        )

    with serving(respond, tries=3) as archive:
        assert studies(archive, "StudyDate=20250101-20251231&ModalitiesInStudy=US&ModalitiesInStudy=SR") == ["1.2.3"]
    assert "ModalitiesInStudy=US&ModalitiesInStudy=SR" in asked[0]
    assert asked[0].startswith("/dicom-web/studies?")
    assert len(asked) == 3


def test_an_archive_that_knows_no_pages_ends_and_one_that_gives_few_is_asked_on() -> None:
    with serving(answers(200, JSON, listed("1.2.3", "1.2.4"))) as archive:
        assert studies(archive) == ["1.2.3", "1.2.4"]
        assert studies(archive, "limit=1") == ["1.2.3"]

    def few(handler: BaseHTTPRequestHandler) -> None:
        offset = int(handler.path.partition("offset=")[2].partition("&")[0])
        answers(200, JSON, listed(f"1.2.{offset}") if offset < 5 else b"[]")(handler)

    with serving(few) as archive:
        assert len(studies(archive)) == 5


def wado(file: bytes, cut: int | None = None, end: bytes = b"\r\n--b--") -> Respond:
    """An archive with one file in a study, whose bytes may be cut; only the boundary tells, as there is no length."""
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + file + end
    whole = answers(200, kind, body[:cut], length=False)

    def respond(handler: BaseHTTPRequestHandler) -> None:
        found = pydicom.dcmread(pydicom.filebase.DicomBytesIO(file)) if file.startswith(b"\0") else None
        uid = str(found.SOPInstanceUID) if found else "1.2.3"
        series = str(found.SeriesInstanceUID) if found else "1.2.3"
        tags = {"0020000E": series, "00080018": uid}
        one = [{tag: {"vr": "UI", "Value": [value]} for tag, value in tags.items()}]
        (answers(200, JSON, json.dumps(one).encode()) if "/instances?" in handler.path else whole)(handler)

    return respond


def test_half_a_file_is_none_and_a_whole_one_is_as_it_was_sent(tmp_path: Path) -> None:
    stored = put(tmp_path, "one.dcm", "P1", 1)
    file = (tmp_path / "one.dcm").read_bytes()
    out = tmp_path / "out"
    for cut in (0, 20, 1000, -1, -6):
        with serving(wado(file, cut), tries=2) as archive, pytest.raises(ArchiveError, match="in the middle|nothing"):
            fetch_study(archive, stored.study, out)
        assert list(out.iterdir()) == []
    with serving(wado(file)) as archive:
        fetch_study(archive, stored.study, out)
    assert (out / f"{stored.instance}.dcm").read_bytes() == file
    assert out.stat().st_mode & 0o777 == 0o700


def test_what_is_not_the_file_that_was_asked_for_is_refused(tmp_path: Path) -> None:
    stored = put(tmp_path, "one.dcm", "P1", 1)
    file = (tmp_path / "one.dcm").read_bytes()
    with serving(wado(file)) as archive, pytest.raises(ArchiveError, match="another file than it was asked for"):
        fetch_study(archive, "1.2.3.4", tmp_path / "out")
    with serving(wado(b"nothing of the kind")) as archive, pytest.raises(ArchiveError, match="that is no DICOM"):
        fetch_study(archive, stored.study, tmp_path / "out")
    twice = wado(file, end=b"\r\n--b\r\n\r\nmore\r\n--b--")
    with serving(twice) as archive, pytest.raises(ArchiveError, match="several files"):
        fetch_study(archive, stored.study, tmp_path / "out")
    (tmp_path / "file").write_text("")
    with serving(wado(file)) as archive, pytest.raises(RunError, match="cannot make"):
        fetch_study(archive, stored.study, tmp_path / "file" / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_parts_are_cut_out_of_messages(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"preamble\r\n--x y\r\nA: b\r\nC: d\r\n\r\n1\r\n2--x\r\n--x y--\r\n")
    keep_only_part(path, 'Multipart/Related; Boundary="x y"')
    assert path.read_bytes() == b"1\r\n2--x"
    keep_only_part(path, "application/dicom")  # as it is
    assert path.read_bytes() == b"1\r\n2--x"
    for kind in ("", "multipart/related", "image/png"):
        with pytest.raises(OtherAnswerError):
            keep_only_part(path, kind)
    with pytest.raises(CutShortError):
        keep_only_part(path, "multipart/related; boundary=b")


def test_addresses() -> None:
    assert parse_archive("dicomweb://10.0.0.1:8042/dicom-web?PatientID=7") == (
        WebArchive("http://10.0.0.1:8042/dicom-web"),
        "PatientID=7",
    )
    assert parse_archive("dicomwebs://pacs.example.org/a/b/")[0].url == "https://pacs.example.org/a/b"
    for bad in ("dicomweb://", "ftp://a/b", "dicomweb:a", "dicomweb://a:99999/b", "dicomweb://a/b c"):
        with pytest.raises(ArchiveError, match="an archive's address is"):
            parse_archive(bad)
    with pytest.raises(ArchiveError, match="must not hold a password") as caught:
        parse_archive("dicomwebs://me:hunter2@a/b")
    assert "hunter2" not in str(caught.value)


def test_the_environment_lets_us_in_and_nothing_is_sent_in_the_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[str | None] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers["Authorization"])
        answers(200, JSON, b"[]")(handler)

    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(respond) as archive:
        studies(archive)
        monkeypatch.setenv(USER, "us")
        monkeypatch.setenv(PASSWORD, "hunter2")
        studies(archive)
        monkeypatch.setenv(TOKEN, "abc")
        studies(archive)
        elsewhere = WebArchive("http://pacs.example.org/dicom-web")
        with pytest.raises(ArchiveError, match="anybody on the way could read the password") as caught:
            studies(elsewhere)
    assert seen == [None, "Basic " + base64.b64encode(b"us:hunter2").decode(), "Bearer abc"]
    assert "hunter2" not in str(caught.value)


def test_an_archive_gives_what_it_was_given(orthanc: Orthanc, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Against Orthanc, in every transfer syntax that the phantom writes."""
    caplog.set_level(logging.DEBUG)
    archive = parse_archive(orthanc.web)[0]
    source = tmp_path / "source"
    syntaxes = ("explicit", "implicit", "deflated", "rle", "jpeg", "jpeg2000")
    stored = [put(source, f"{n}.dcm", "P1", n, syntax=syntax) for n, syntax in enumerate(syntaxes)]
    other = put(source, "other.dcm", "P2", 9)
    paths = sorted(source.iterdir())
    push(archive, paths)
    push(archive, paths[:1])  # storing it twice is no error
    study = stored[0].study
    assert set(studies(archive)) == {study, other.study}
    assert studies(archive, "PatientID=P2") == [other.study]
    assert studies(archive, "PatientID=P9") == []
    assert {one.instance for one in instances(archive, study)} == {one.instance for one in stored}
    fetch_study(archive, study, tmp_path / "out", modalities=("US",))
    for one, path in zip(stored, paths, strict=False):
        fetched, given = pydicom.dcmread(tmp_path / "out" / f"{one.instance}.dcm"), pydicom.dcmread(path)
        assert fetched.file_meta.TransferSyntaxUID == given.file_meta.TransferSyntaxUID
        assert fetched.PixelData == given.PixelData
    assert fetch_study(archive, study, tmp_path / "none", modalities=("CT",)).is_dir()
    assert list((tmp_path / "none").iterdir()) == []
    told = caplog.text
    assert study not in told
    assert "P2" not in told


def test_what_was_fetched_before_a_cut_is_not_fetched_again(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = parse_archive(orthanc.web)[0]
    stored = [put(tmp_path / "source", f"{n}.dcm", "P1", n) for n in range(4)]
    push(archive, sorted((tmp_path / "source").iterdir()))
    fetched: list[str] = []
    real = web.fetch_instance

    def counted(open_archive: web.OpenArchive, one: web.WebInstance, target: Path) -> None:
        if len(fetched) == 3:
            orthanc.kill()
        real(open_archive, one, target)
        fetched.append(one.instance)

    monkeypatch.setattr(web, "fetch_instance", counted)
    quick = WebArchive(archive.url, tries=2, pause=0.0)
    with pytest.raises(ArchiveError, match="cannot be reached"):
        fetch_study(quick, stored[0].study, tmp_path / "out")
    orthanc.start()
    monkeypatch.setattr(web, "fetch_instance", lambda *given: (real(*given), fetched.append(given[1].instance)))
    fetch_study(quick, stored[0].study, tmp_path / "out")
    assert sorted(fetched) == sorted(one.instance for one in stored)


def test_an_archive_that_does_not_store_is_found_out(tmp_path: Path) -> None:
    put(tmp_path, "one.dcm", "P1", 1)
    paths = [tmp_path / "one.dcm"]

    def forgets(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        answers(200, JSON, b"{}" if handler.command == "POST" else b"[]")(handler)

    with serving(forgets) as archive, pytest.raises(ArchiveError, match="took a file and does not have it"):
        push(archive, paths)
    failed = json.dumps({"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xA700]}}]}}).encode()
    with (
        serving(answers(200, JSON, failed)) as archive,
        pytest.raises(ArchiveError, match="did not store a file: 0xa700"),
    ):
        push(archive, paths)
    with serving(answers(200, "text/html", b"<html>")) as archive, pytest.raises(ArchiveError, match="text/html"):
        push(archive, paths)
    (tmp_path / "bad").write_text("no")
    with serving(forgets) as archive, pytest.raises(RunError, match="as DICOM"):
        push(archive, [tmp_path / "bad"])
