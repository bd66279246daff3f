"""A DICOM node among its peers: who may send, what is taken, when a study is complete, how its report gets back."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import generate_uid

from fibrostage.deploy.answers import Wanted
from fibrostage.deploy.station import ExamAnswer, Station
from fibrostage.dicom.stage_report import save_dicom
from fibrostage.dicom.web import TOKEN
from fibrostage.ground.errors import ArchiveError, IntakeError, PlanError, Problems, RunError
from fibrostage.learn.predict_files import Exams
from fibrostage.serve.associations import parse_caller
from fibrostage.serve.node import NodeSettings, open_node, run_node
from fibrostage.serve.send import Peer
from tests.intake.hospital import put
from tests.serve.pacs import (
    NOBODY,
    Receiver,
    calling,
    evidence,
    in_thread,
    listens,
    says_f2,
    send,
    send_bytes,
    settings,
    until,
)
from tests.services import free_port


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


@pytest.fixture
def exam(tmp_path: Path) -> list[Path]:
    """Three pictures of one patient."""
    for number in range(3):
        put(tmp_path / "exam", f"{number}.dcm", "P7-SECRET", number)
    return sorted((tmp_path / "exam").iterdir())


def state_of(spool: Path) -> dict[str, Any]:
    """What the spool says of its only study; nothing while it arrives."""
    found: dict[str, Any] = {"name": "arriving", "tries": 0}
    for path in spool.glob("studies/*/state.json"):
        found = json.loads(path.read_text())
    return found


def test_a_study_comes_is_answered_and_its_report_goes_back(
    tmp_path: Path, receiver: Receiver, exam: list[Path], caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []
    asked = settings(tmp_path / "spool", receiver.peer, keep=0.0)
    with open_node(NOBODY, asked, heard.append, says_f2) as node:
        assert send(node.port, exam) == [0, 0, 0]
        until(lambda: list(tmp_path.glob("spool/records/*.json")))
    (report,) = receiver.reports
    pictures = [pydicom.dcmread(path) for path in exam]
    assert evidence(report) == {str(one.SOPInstanceUID) for one in pictures}
    assert report.StudyInstanceUID == pictures[0].StudyInstanceUID
    assert report.PatientID == "P7-SECRET"
    assert list(tmp_path.glob("spool/studies/*")) == [], "the pictures are gone"
    assert list(tmp_path.glob("spool/arriving/*")) == []
    kept = "".join(path.read_text() for path in tmp_path.glob("spool/records/*.json"))
    out, err = capfd.readouterr()
    told = "\n".join([*heard, kept, caplog.text, out, err])
    for secret in ("SECRET", "INVENTED", *(str(one.SOPInstanceUID) for one in pictures), report.StudyInstanceUID):
        assert secret not in told
    assert [line.partition(": ")[2] for line in heard] == ["complete, 3 files", "answered", "report sent"]
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_who_may_call_and_whom(tmp_path: Path, receiver: Receiver, exam: list[Path]) -> None:
    allow = tuple(map(parse_caller, ("SCANNER@localhost", "OTHER@10.9.8.0/24", "ANYWHERE", "LOOP@127.0.0.0/8")))
    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer, allow=allow), answering=says_f2) as node:
        for title, called, reason in (
            ("SCANNER", "FIBROSTAGE", None),
            ("ANYWHERE", "FIBROSTAGE", None),
            ("LOOP", "FIBROSTAGE", None),
            ("OTHER", "FIBROSTAGE", 3),  # calling AE title not recognised: from elsewhere than it may be
            ("STRANGER", "FIBROSTAGE", 3),
            ("SCANNER", "SOMEBODY", 7),  # called AE title not recognised
        ):
            with calling(node.port, [], title, called) as association:
                assert association.is_established == (reason is None)
                if reason is None:
                    assert association.send_c_echo().Status == 0
                else:
                    answer = association.acceptor.primitive
                    assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, reason)
        with calling(node.port, exam, "STRANGER") as association:
            assert not association.is_established
    assert list(tmp_path.glob("spool/studies/*")) == []


def test_no_more_associations_than_are_allowed_and_silent_ones_are_closed(
    tmp_path: Path, receiver: Receiver, exam: list[Path]
) -> None:
    asked = settings(tmp_path / "spool", receiver.peer, associations=1, idle=0.5)
    with open_node(NOBODY, asked, answering=says_f2) as node:
        with calling(node.port, exam) as first:
            with calling(node.port, exam) as second:
                assert second.is_rejected
                refusal = second.acceptor.primitive
                assert (refusal.result, refusal.result_source, refusal.diagnostic) == (2, 3, 2)  # local limit exceeded
            until(lambda: first.is_aborted)
        until(lambda: is_let_in(node.port, exam))


def is_let_in(port: int, paths: list[Path]) -> bool:
    with calling(port, paths) as association:
        return bool(association.is_established)


def test_a_node_lets_in_nobody_unknown_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = NodeSettings(tmp_path / "spool", 0, send_to=Peer("A", "b", 1))
    for wrong, words in (
        (replace(asked, host="0.0.0.0"), "must know who may send to it"),
        (replace(asked, host="pacs.example.org"), "must know who may send to it"),
        (replace(asked, send_to=None), "need a way back"),
        (replace(asked, title="A\\B"), "AE title"),
        (replace(asked, title=""), "AE title"),
        (replace(asked, quiet=-1), "--quiet"),
        (replace(asked, dicomweb="dicomweb://a/b?PatientID=7"), "without a query"),
    ):
        with pytest.raises(PlanError, match=words):
            run_node(NOBODY, wrong)
    monkeypatch.setenv(TOKEN, "abc")
    with pytest.raises(ArchiveError, match="plain HTTP"):
        run_node(NOBODY, replace(asked, dicomweb="dicomweb://pacs.example.org/dicom-web"))
    with pytest.raises(RunError, match="no such port"):
        run_node(NOBODY, replace(asked, port=70_000))
    for text in ("", "A@", "@b", "A B C D E F G H I J K", "A@b c"):
        with pytest.raises(PlanError, match="--allow"):
            parse_caller(text)


def test_a_node_can_be_stopped_and_a_port_that_is_taken_is_told(tmp_path: Path, receiver: Receiver) -> None:
    stop, port = threading.Event(), free_port()
    asked = settings(tmp_path / "spool", receiver.peer, port=port)
    thread = in_thread(lambda: run_node(NOBODY, asked, stop, answering=says_f2))
    until(lambda: listens(port))
    with pytest.raises(RunError, match="another process works on"):
        run_node(NOBODY, asked)
    with pytest.raises(RunError, match=f"cannot listen on 127.0.0.1 port {port}"):
        run_node(NOBODY, replace(asked, spool=tmp_path / "other"))
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    with open_node(NOBODY, asked, answering=says_f2) as node:
        assert node.port == port


def test_a_study_waits_for_the_association_that_brings_it(tmp_path: Path, receiver: Receiver, exam: list[Path]) -> None:
    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer, quiet=0.05), answering=says_f2) as node:
        with calling(node.port, exam) as association:
            assert association.send_c_store(exam[0]).Status == 0
            time.sleep(0.5)
            assert node.counts() == {"arriving": 1}
            assert association.send_c_store(exam[1]).Status == 0
        until(lambda: receiver.reports)
    assert len(evidence(receiver.reports[0])) == 2


@pytest.mark.parametrize("politely", [True, False])
def test_a_sender_that_is_cut_may_come_again(
    tmp_path: Path, receiver: Receiver, exam: list[Path], politely: bool
) -> None:
    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer, quiet=3.0), answering=says_f2) as node:
        with calling(node.port, exam) as association:
            assert association.send_c_store(exam[0]).Status == 0
            if politely:
                association.abort()
            else:
                association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        assert send(node.port, exam[1:]) == [0, 0]
        until(lambda: receiver.reports)
    assert len(evidence(receiver.reports[0])) == 3


def test_what_comes_later_opens_an_answered_study_again(tmp_path: Path, receiver: Receiver, exam: list[Path]) -> None:
    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer), answering=says_f2) as node:
        send(node.port, exam[:2])
        until(lambda: node.counts() == {"sent": 1})
        send(node.port, exam[2:])
        until(lambda: len(receiver.reports) == 2)
        until(lambda: node.counts() == {"sent": 1})
        send(node.port, exam)  # all of it again, as an archive does whose operator says so
        until(lambda: len(receiver.reports) == 3)
    first, second, third = receiver.reports
    assert len(evidence(first)) == 2
    assert len(evidence(second)) == 3
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert second.SOPInstanceUID == third.SOPInstanceUID


def test_a_report_that_is_sent_round_goes_round_once(tmp_path: Path, receiver: Receiver, exam: list[Path]) -> None:
    heard: list[str] = []
    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer), heard.append, says_f2) as node:
        send(node.port, exam)
        until(lambda: node.counts() == {"sent": 1})
        save_dicom(with_meta(receiver.reports[0]), tmp_path / "own.dcm")
        assert send(node.port, [tmp_path / "own.dcm"]) == [0]
        assert node.counts() == {"sent": 1}, "it is no part of its study"
        assert send(node.port, [tmp_path / "own.dcm", *exam]) == [0] * 4
        until(lambda: any("not sent again" in line for line in heard))
        assert node.counts() == {"sent": 1}
        assert len(receiver.reports) == 1
        send(node.port, exam)  # without it: it may be lost
        until(lambda: len(receiver.reports) == 2)


def with_meta(report: pydicom.Dataset) -> pydicom.Dataset:
    report.file_meta = pydicom.dataset.FileMetaDataset()
    report.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    return report


def test_late_pictures_of_an_exam_that_is_gone_are_not_taken_for_the_exam(
    tmp_path: Path, receiver: Receiver, exam: list[Path]
) -> None:
    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer, keep=0.0), answering=says_f2) as node:
        send(node.port, exam[:2])
        until(lambda: not node.counts())
        assert len(receiver.reports) == 1
    asked = settings(tmp_path / "spool", receiver.peer)
    with open_node(NOBODY, asked, answering=says_f2) as node:
        send(node.port, exam[2:])
        until(lambda: node.counts() == {"failed": 1})
        (path,) = tmp_path.glob("spool/studies/*/state.json")
        assert "send the whole study again" in json.loads(path.read_text())["reason"]
    with open_node(NOBODY, asked, answering=says_f2) as node:
        assert node.counts() == {"failed": 1}
        send(node.port, exam[:2])
        until(lambda: node.counts() == {"sent": 1})
    assert len(evidence(receiver.reports[-1])) == 3


@pytest.mark.parametrize("said", [["abort"], [0xA700, 0xC000], [0xB000]])
def test_a_peer_that_hangs_up_or_fails_gets_the_report_again(
    tmp_path: Path, exam: list[Path], said: list[int | str]
) -> None:
    count = len(said) + (said != [0xB000])  # a warning is a success
    with (
        Receiver(said=said).running() as receiver,
        open_node(NOBODY, settings(tmp_path / "spool", receiver.peer), answering=says_f2) as node,
    ):
        send(node.port, exam)
        until(lambda: node.counts() == {"sent": 1})
    assert len(receiver.reports) == count
    assert len(set(receiver.uids())) == 1


def test_a_peer_that_is_down_or_refuses_gets_it_once_it_is_back_also_after_a_restart(
    tmp_path: Path, exam: list[Path]
) -> None:
    receiver, heard = Receiver(), list[str]()
    asked = settings(tmp_path / "spool", receiver.peer, first_wait=0.05)
    with open_node(NOBODY, asked, heard.append, says_f2) as node:
        send(node.port, exam)
        until(lambda: state_of(tmp_path / "spool")["tries"] >= 3)
    tries = state_of(tmp_path / "spool")
    assert tries["name"] == "answered"
    assert "cannot be reached" in tries["reason"]
    assert any("cannot be reached" in line for line in heard)
    with open_node(NOBODY, asked, answering=says_f2) as node:
        until(lambda: state_of(tmp_path / "spool")["tries"] > tries["tries"])  # it counts on
        with receiver.running():
            until(lambda: node.counts() == {"sent": 1})
    assert len(receiver.reports) == 1


def test_what_cannot_be_staged_stands_in_nobodys_way(tmp_path: Path, receiver: Receiver, exam: list[Path]) -> None:
    put(tmp_path, "mixed/a.dcm", "A1", 1)
    put(tmp_path, "mixed/b.dcm", "B2", 2)
    other = pydicom.dcmread(tmp_path / "mixed" / "b.dcm")
    other.StudyInstanceUID = pydicom.dcmread(tmp_path / "mixed" / "a.dcm").StudyInstanceUID
    other.save_as(tmp_path / "mixed" / "b.dcm")
    put(tmp_path, "odd/c.dcm", "C3", 3)
    put(tmp_path, "broken/d.dcm", "D4", 4)

    def particular(station: Station, exams: Exams, wanted: Wanted) -> ExamAnswer:
        patient = pydicom.dcmread(exams.sources[0], stop_before_pixels=True).PatientID
        if patient == "C3":
            problems = Problems()
            problems.add("files", "'x.dcm': says 'HANNAH' and P0123456789abcdef, no rule says what it is", file="x.dcm")
            raise IntakeError("no picture could be taken in", problems)
        if patient == "D4":
            raise ValueError("a fault of ours that quotes D4")
        return says_f2(station, exams, wanted)

    heard: list[str] = []
    asked = settings(tmp_path / "spool", receiver.peer, tries=2)
    with open_node(NOBODY, asked, heard.append, particular) as node:
        for name in ("mixed", "odd", "broken"):
            assert set(send(node.port, sorted((tmp_path / name).iterdir()))) == {0}
        send(node.port, exam)
        until(lambda: node.counts() == {"failed": 3, "sent": 1})
    told = "\n".join(heard)
    assert "the pictures are of several patients (their ids differ)" in told
    assert "no picture can be used: …: says … and a patient, no rule says what it is" in told
    assert "could not be answered in 2 tries" in told
    for secret in ("A1", "B2", "C3", "D4", "HANNAH", "x.dcm"):
        assert secret not in told


def test_trouble_here_is_no_fault_of_the_study(tmp_path: Path, receiver: Receiver, exam: list[Path]) -> None:
    left = [OSError(errno.ENOSPC, "full"), MemoryError(), RunError("no"), OSError(errno.EIO, "")]

    def in_trouble(station: Station, exams: Exams, wanted: Wanted) -> ExamAnswer:
        if left:
            raise left.pop()
        return says_f2(station, exams, wanted)

    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer, tries=2), answering=in_trouble) as node:
        send(node.port, exam)
        until(lambda: node.counts() == {"sent": 1})


def test_whoever_does_not_listen_any_more_stops_nothing(tmp_path: Path, receiver: Receiver, exam: list[Path]) -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer), gone, says_f2) as node:
        send(node.port, exam)
        until(lambda: node.counts() == {"sent": 1})


def test_no_room_is_said_as_such_and_leaves_nothing(
    tmp_path: Path, receiver: Receiver, exam: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = os.fsync

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer), answering=says_f2) as node:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            assert send(node.port, exam) == [0xA700] * 3
        assert os.fsync is synced
        assert list((tmp_path / "spool").rglob("*.dcm")) == []
        assert list(tmp_path.glob("spool/studies/*")) == list(tmp_path.glob("spool/arriving/*")) == []
        assert send(node.port, exam) == [0] * 3
        until(lambda: node.counts() == {"sent": 1})


def test_what_is_no_file_of_a_study_or_another_than_said_is_refused(
    tmp_path: Path, receiver: Receiver, exam: list[Path]
) -> None:
    with open_node(NOBODY, settings(tmp_path / "spool", receiver.peer), answering=says_f2) as node:
        for keyword, value, status in (
            ("StudyInstanceUID", None, 0xC000),
            ("StudyInstanceUID", "no uid", 0xC000),
            ("SOPInstanceUID", generate_uid(), 0xA900),
        ):
            data = pydicom.dcmread(exam[0])
            if value is None:
                del data[keyword]
            else:
                data[keyword].value = value
            content = DicomBytesIO()
            content.is_little_endian, content.is_implicit_VR = True, False
            write_dataset(content, data)
            assert send_bytes(node.port, exam[0], content.getvalue()) == status
        assert send_bytes(node.port, exam[0], b"\xff" * 400) == 0xC000
        assert node.counts() == {}
    assert list(tmp_path.glob("spool/*/*")) == []
