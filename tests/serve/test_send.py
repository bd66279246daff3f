"""A report on its way by C-STORE: peers that take it, refuse it, or are not there."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE

from fibrostage.deploy.answers import Wanted
from fibrostage.dicom.stage_report import save_dicom
from fibrostage.ground.errors import ArchiveError, PlanError, RunError
from fibrostage.learn.predict_files import Exams
from fibrostage.serve.send import Peer, parse_peer, send_report
from tests.intake.hospital import put
from tests.serve.pacs import NOBODY, Receiver, says_f2
from tests.services import free_port


@pytest.fixture
def report(tmp_path: Path) -> Path:
    put(tmp_path, "one.dcm", "P1", 1)
    (made,) = says_f2(NOBODY, Exams((tmp_path / "one.dcm",)), Wanted(reports=True)).reports.values()
    save_dicom(made, tmp_path / "report.dcm")
    return tmp_path / "report.dcm"


def test_a_report_arrives_as_it_was_written(report: Path) -> None:
    with Receiver().running() as receiver:
        send_report(report, receiver.peer, "FIBROSTAGE")
    assert receiver.reports == [pydicom.dcmread(report)]


def test_peers_that_do_not_take_it_are_told_in_words(report: Path, tmp_path: Path) -> None:
    nowhere = Peer("ARCHIVE", "127.0.0.1", free_port())
    with pytest.raises(ArchiveError, match=r"ARCHIVE@127.0.0.1:\d+ cannot be reached"):
        send_report(report, nowhere, "FIBROSTAGE", 2.0)
    with pytest.raises(ArchiveError, match="cannot be reached"):
        send_report(report, Peer("ARCHIVE", "nowhere.invalid", 104), "FIBROSTAGE", 2.0)
    strict = AE("ARCHIVE")
    strict.require_called_aet = True
    strict.add_supported_context("1.2.840.10008.1.1")
    strict.start_server(("127.0.0.1", nowhere.port), block=False)
    try:
        with pytest.raises(ArchiveError, match="takes no structured reports"):
            send_report(report, nowhere, "FIBROSTAGE")
        with pytest.raises(ArchiveError, match="refuses: called ae title not recognised"):
            send_report(report, Peer("ANOTHER", "127.0.0.1", nowhere.port), "FIBROSTAGE")
    finally:
        strict.shutdown()
    with Receiver(said=["abort", 0xA700]).running() as receiver:
        with pytest.raises(ArchiveError, match="hung up before it said"):
            send_report(report, receiver.peer, "FIBROSTAGE")
        with pytest.raises(ArchiveError, match="did not store the report: status 0xa700"):
            send_report(report, receiver.peer, "FIBROSTAGE")
    (tmp_path / "bad").write_text("no")
    with pytest.raises(RunError, match="cannot read"):
        send_report(tmp_path / "bad", nowhere, "FIBROSTAGE")


def test_peers_are_written_as_they_are_read() -> None:
    assert parse_peer("PACS 1@pacs.example.org:104") == Peer("PACS 1", "pacs.example.org", 104)
    assert parse_peer("A@[::1]:11112") == Peer("A", "::1", 11112)
    for bad in ("", "A@b", "A@b:0", "A@b:65536", "@b:1", "A@:1", "A@b@c:1", "A@b:x"):
        with pytest.raises(PlanError, match="--send-to must be AET@HOST:PORT"):
            parse_peer(bad)
    for bad in ("SEVENTEEN-LETTERS@b:1", "A\\B@b:1", "  @b:1", "Ä@b:1"):
        with pytest.raises(PlanError, match="AE title"):
            parse_peer(bad)
