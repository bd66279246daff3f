"""A node that is killed, wherever it is: the next one loses no study, and sends the same report."""

from __future__ import annotations

import threading
from pathlib import Path

import pydicom
import pytest

from tests.intake.hospital import put
from tests.serve.node_process import node_process
from tests.serve.pacs import Receiver, calling, evidence, send, settings, until
from tests.services import free_port


@pytest.fixture
def exam(tmp_path: Path) -> list[Path]:
    for number in range(4):
        put(tmp_path / "exam", f"{number}.dcm", "P7", number)
    return sorted((tmp_path / "exam").iterdir())


def uids_of(paths: list[Path]) -> set[str]:
    return {str(pydicom.dcmread(path).SOPInstanceUID) for path in paths}


def test_killed_in_the_middle_of_receiving(tmp_path: Path, exam: list[Path]) -> None:
    with Receiver().running() as receiver:
        asked = settings(tmp_path / "spool", receiver.peer, port=free_port(), quiet=1.0)
        with node_process(asked) as node, calling(asked.port, exam) as association:
            assert [association.send_c_store(path).Status for path in exam[:3]] == [0, 0, 0]
            node.kill()
            node.join(30)
            (tmp_path / "spool" / "arriving" / "half").write_bytes(exam[3].read_bytes()[:1000])
        with node_process(asked):
            assert send(asked.port, exam[3:]) == [0]
            until(lambda: receiver.reports)
    assert evidence(receiver.reports[0]) == uids_of(exam), "what it said it had, it has"
    assert not (tmp_path / "spool" / "arriving" / "half").exists()


def test_killed_in_the_middle_of_answering_and_of_sending(tmp_path: Path, exam: list[Path]) -> None:
    came, killed = threading.Event(), threading.Event()

    def wait() -> None:
        came.set()
        killed.wait(30)

    begun = tmp_path / "begun"
    begun.write_text("")
    with Receiver(before=wait).running() as receiver:
        asked = settings(tmp_path / "spool", receiver.peer, port=free_port())
        with node_process(asked, begun):
            send(asked.port, exam)
            until(lambda: begun.read_text() == "begun")
        begun.unlink()
        with node_process(asked, begun):
            assert came.wait(60), "it was answered without being sent again"
        killed.set()
        with node_process(asked):
            until(lambda: len(receiver.reports) == 2)
            until(lambda: '"sent"' in "".join(path.read_text() for path in tmp_path.rglob("state.json")))
    assert len(set(receiver.uids())) == 1
    assert evidence(receiver.reports[0]) == uids_of(exam)


def test_a_study_that_ends_the_process_every_time_is_put_aside(tmp_path: Path, exam: list[Path]) -> None:
    begun = tmp_path / "begun"
    with Receiver().running() as receiver:
        asked = settings(tmp_path / "spool", receiver.peer, port=free_port(), tries=1)
        begun.write_text("")
        with node_process(asked, begun):
            send(asked.port, exam[:1])
            until(lambda: begun.read_text() == "begun")
        put(tmp_path, "other.dcm", "P8", 8)
        with node_process(asked):
            until(lambda: "the process ended 1 times" in "".join(p.read_text() for p in tmp_path.rglob("state.json")))
            send(asked.port, [tmp_path / "other.dcm"])
            until(lambda: receiver.reports)
    assert receiver.reports[0].PatientID == "P8"


def test_a_disk_that_is_full_is_said_and_what_fits_is_taken(tmp_path: Path, exam: list[Path]) -> None:
    """No file may be larger than half a picture, so that writing it fails in the middle."""
    size = exam[0].stat().st_size
    put(tmp_path, "small.dcm", "P7", 9, syntax="jpeg")
    assert (tmp_path / "small.dcm").stat().st_size < size // 2
    with Receiver().running() as receiver:
        asked = settings(tmp_path / "spool", receiver.peer, port=free_port())
        with node_process(asked, largest=size // 2):
            assert send(asked.port, exam) == [0xA700] * 4
            assert list((tmp_path / "spool").rglob("*.dcm")) == list((tmp_path / "spool/arriving").iterdir()) == []
            assert send(asked.port, [tmp_path / "small.dcm"]) == [0]
            until(lambda: receiver.reports)
