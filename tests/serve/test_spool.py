"""The spool: whatever a process leaves behind, the next one finds every study where it was."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from fibrostage.ground.errors import RunError, UnreadableImageError
from fibrostage.serve.spool import GONE, INSTANCES, STATE, Spool
from fibrostage.serve.waiting import WaitingStudy
from tests.intake.hospital import put


def taken(spool: Spool, path: Path) -> str:
    """Puts a file into the spool; returns its study."""
    with spool.arriving([path.read_bytes()]) as arrived:
        spool.keep(arrived)
    return arrived.study


@pytest.fixture
def file(tmp_path: Path) -> Path:
    put(tmp_path, "file.dcm", "P1", 1)
    return tmp_path / "file.dcm"


def reopened(spool: Spool) -> Spool:
    """The spool as the next process finds it."""
    spool.close()
    return Spool(spool.folder)


def test_states_outlive_the_process(tmp_path: Path, file: Path) -> None:
    spool = Spool(tmp_path / "spool")
    study = taken(spool, file)
    spool = reopened(spool)
    assert spool.counts() == {"arriving": 1}
    assert spool.complete(1e6) == []
    assert spool.complete(0.0) == [study]
    spool = reopened(spool)
    assert spool.due("complete", time.time(), 60) == study
    state, changes = spool.begin(study, 5.0, 600.0)
    assert spool.put(study, changes, state.later(50.0, 600.0, "the archive is away"))
    spool = reopened(spool)
    assert spool.due("complete", time.time(), 600) is None
    assert spool.due("complete", time.time() + 51, 600) == study
    assert spool.due("complete", time.time() - 1e6, 600) == study, "the clock was wrong when it was put off"
    state, changes = spool.begin(study, 5.0, 600.0)
    assert (state.tries, state.reason) == (2, "the archive is away")
    assert [state.later(5.0, 600.0, "").due - time.time() for _ in "x"] == [pytest.approx(10, abs=1)]
    assert spool.put(study, changes, state.failed("no picture"))
    spool = reopened(spool)
    assert spool.counts() == {"failed": 1}
    spool.sweep(3600, time.time())
    assert spool.counts() == {"failed": 1}
    spool.sweep(3600, time.time() + 3601)
    assert spool.counts() == {}
    assert json.loads((spool.folder / "records" / f"{study}.json").read_text())["reason"] == "no picture"
    assert list((spool.folder / "studies").iterdir()) == []


def test_what_comes_while_a_study_is_answered_wins(tmp_path: Path, file: Path) -> None:
    spool = Spool(tmp_path / "spool")
    study = taken(spool, file)
    spool.complete(0.0)
    state, changes = spool.begin(study, 5.0, 600.0)
    taken(spool, file)
    assert not spool.put(study, changes, state.answered(0))
    assert spool.counts() == {"arriving": 1}
    assert len(spool.files(study)) == 1, "the same file twice is one"


def test_a_removal_that_was_cut_is_finished(tmp_path: Path, file: Path) -> None:
    spool = Spool(tmp_path / "spool")
    study = taken(spool, file)
    spool.complete(0.0)
    state, changes = spool.begin(study, 5.0, 600.0)
    spool.put(study, changes, state.sent())
    folder = spool.study_folder(study)
    (folder / INSTANCES).rename(folder / GONE)
    spool = reopened(spool)
    assert spool.counts() == {}
    assert not folder.exists()
    assert (spool.folder / "records" / f"{study}.json").is_file()
    taken(spool, file)
    spool.complete(0.0)
    assert spool.missing(study) == 0


def test_what_cannot_be_known_is_answered_again(tmp_path: Path, file: Path) -> None:
    spool = Spool(tmp_path / "spool")
    study = taken(spool, file)
    spool.complete(0.0)
    for damaged in ("{", "[]", '{"name": "sent"}', '{"files": [], "name": "elsewhere"}', '{"files": [], "nam": 1}'):
        (spool.study_folder(study) / STATE).write_text(damaged)
        spool = reopened(spool)
        assert spool.counts() == {"arriving": 1}
    spool.complete(0.0)
    spool.set(study, WaitingStudy("sent", ()))  # a file that this state does not know of: power was lost between
    assert reopened(spool).counts() == {"arriving": 1}


def test_what_was_under_way_is_swept_away(tmp_path: Path, file: Path) -> None:
    spool = Spool(tmp_path / "spool")
    (spool.folder / "arriving" / "half").write_bytes(file.read_bytes()[:100])
    (spool.folder / "studies" / "0123" / INSTANCES).mkdir(parents=True)
    spool = reopened(spool)
    assert list((spool.folder / "arriving").iterdir()) == []
    assert list((spool.folder / "studies").iterdir()) == []
    for content in (b"", b"no DICOM", file.read_bytes()[:140]):
        with pytest.raises(UnreadableImageError), spool.arriving([content]):
            pass
    with spool.arriving([file.read_bytes()]):
        pass  # not kept
    assert list((spool.folder / "arriving").iterdir()) == []
    assert spool.counts() == {}


def test_a_spool_has_its_folder_and_its_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "deep" / "spool")
    for folder in ("", "studies", "arriving", "records"):
        assert (spool.folder / folder).stat().st_mode & 0o777 == 0o700
    assert (spool.folder / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(RunError, match="another process works on"):
        Spool(spool.folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("")
    with pytest.raises(RunError, match="holds something else than a spool"):
        Spool(tmp_path / "mine")
    with pytest.raises(RunError, match="cannot use"):
        Spool(tmp_path / "mine" / "letter.txt")
