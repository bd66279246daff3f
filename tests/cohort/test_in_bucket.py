"""A cohort in a bucket is the one that was sent: whole there or none, and copied here once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fibrostage.api.data import open_cohort as open_anywhere
from fibrostage.cli.app import app
from fibrostage.cohort.in_bucket import folder_here, is_cohort_given, open_given, send_cohort
from fibrostage.cohort.store import MARKER, Cohort
from fibrostage.ground import buckets
from fibrostage.ground.buckets import OpenBucket, parse_place
from fibrostage.ground.errors import ArchiveError, CohortError, RunError
from tests.conftest import Cut
from tests.services import BucketOfTests


@pytest.fixture
def small(cut: Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cohort:
    monkeypatch.setenv("FIBROSTAGE_CACHE", str(tmp_path / "cache"))
    return cut("small", range(4), range(4))


def test_a_cohort_comes_back_as_it_was_sent_and_is_fetched_once(
    bucket: BucketOfTests, small: Cohort, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = f"{bucket.address}/mine/small"
    assert not is_cohort_given(there)
    app(["cohort", "send", str(small.path), there], standalone_mode=False)
    assert f"files at {there}" in capsys.readouterr().err
    assert is_cohort_given(there)
    back = open_given(there)
    assert back.fingerprint == small.fingerprint
    assert all(np.array_equal(back.pixels(name), small.pixels(name)) for name in small.modality_names)
    files = {path.relative_to(small.path): path.read_bytes() for path in small.path.rglob("*") if path.is_file()}
    assert {path.relative_to(back.path): path.read_bytes() for path in back.path.rglob("*") if path.is_file()} == files
    monkeypatch.setattr(OpenBucket, "listed", lambda *_: pytest.fail("it is here"))
    assert open_anywhere(there).path == folder_here(Path(there)) == back.path
    app(["describe", there, "--json"], standalone_mode=False)
    assert small.fingerprint in capsys.readouterr().out
    with pytest.raises(CohortError, match="a cohort is never overwritten"):
        send_cohort(small, parse_place(there))


def test_a_cohort_that_was_cut_on_its_way_is_none_until_it_is_whole(
    bucket: BucketOfTests, small: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "AT_ONCE", 1)
    place, sent, real = parse_place(f"{bucket.address}/small"), [], OpenBucket._send_one
    broken = ArchiveError("the line is cut")

    def cut_off(self: OpenBucket, name: str, *rest: object) -> None:
        if len(sent) == 2:
            raise broken
        real(self, name, *rest)  # type: ignore[arg-type]
        sent.append(name)

    with monkeypatch.context() as patch:
        patch.setattr(OpenBucket, "_send_one", cut_off)
        with pytest.raises(ArchiveError, match="cut"):
            send_cohort(small, place)
    assert len(bucket.keys("small")) == 2
    with pytest.raises(CohortError, match=rf"is not a cohort \(no {MARKER} in it\)"):
        open_given(str(place))
    assert send_cohort(small, place) == len(bucket.keys("small"))
    real_fetch, fetched = OpenBucket._fetch_one, []

    def cut_fetch(self: OpenBucket, one: buckets.StoredObject, *rest: object) -> None:
        if len(fetched) == 2:
            raise broken
        real_fetch(self, one, *rest)  # type: ignore[arg-type]
        fetched.append(one.name)

    with monkeypatch.context() as patch:
        patch.setattr(OpenBucket, "_fetch_one", cut_fetch)
        with pytest.raises(ArchiveError, match="cut"):
            open_given(str(place))
    assert open_given(str(place)).fingerprint == small.fingerprint


def test_a_cohort_that_was_changed_there_is_refused(bucket: BucketOfTests, small: Cohort) -> None:
    there = f"{bucket.address}/small"
    send_cohort(small, parse_place(there))
    pixels = (small.path / "pixels" / "LUS.npy").read_bytes()
    bucket.put("small/pixels/LUS.npy", pixels[:-1] + bytes([pixels[-1] ^ 1]))
    with pytest.raises(CohortError, match="no whole cohort: LUS: pixels of image .* were changed after intake"):
        open_given(there)
    bucket.put("small/pixels/LUS.npy", pixels)
    assert open_given(there).fingerprint == small.fingerprint
    bucket.put(f"small/{MARKER}", b"{}")
    with pytest.raises(CohortError, match="says no fingerprint"):
        open_given(there)


def test_what_is_made_is_made_here(small: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address for --out would otherwise be a folder called "s3:"."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.toml").write_text('[[modality]]\nname = "LUS"\nkind = "bmode"\nsize = 32\n')
    for words in (
        ["cohort", "filter", str(small.path), "--labelled", "--out", "s3://tests/narrow"],
        ["train", str(small.path), "--out", "s3://tests/run", "--set", 'split.scheme="column"'],
        ["intake", ".", "--plan", "plan.toml", "--out", "s3://tests/cohort"],
        ["loop", "new", str(small.path), "--out", "s3://tests/loop"],
    ):
        with pytest.raises(RunError, match="written to a folder of this machine"):
            app(words, standalone_mode=False)
    with pytest.raises(CohortError, match="cohort filter s3://BUCKET/PREFIX --out COHORT"):
        app(["loop", "new", "s3://tests/small", "--out", "loop"], standalone_mode=False)
    assert not (tmp_path / "s3:").exists()
