"""What this package wrote itself, as the reader meets it again."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("highdicom", reason="highdicom is not installed: pip install fibrostage[dicom]")
import pydicom

from fibrostage.dicom.file import Report, open_dicom
from fibrostage.dicom.sr_read import measurements_of
from fibrostage.dicom.stage_report import save_dicom, secondary_capture, stage_report
from fibrostage.ground.stage import METAVIR
from tests.dicom.staged_exam import STAGED, exam
from tests.intake.hospital import screen


def test_nothing_in_a_report_or_page_of_our_own_counts_as_measured(tmp_path: Path) -> None:
    stored, sources = exam(tmp_path)
    report = stage_report(sources, STAGED, METAVIR, "m", {stored[0].instance: 12.5})
    assert [one.kpa for one in measurements_of(report)] == [12.5]  # if it were a scanner's
    save_dicom(report, tmp_path / "sr")
    save_dicom(secondary_capture(sources, screen(1), STAGED, "m"), tmp_path / "sc")
    for name in ("sr", "sc"):
        for erased in ((), ("Manufacturer",), ("CodingSchemeIdentificationSequence",)):
            if name == "sc" and erased == ("Manufacturer",):
                continue  # a page has no codes
            data = pydicom.dcmread(tmp_path / name)
            for keyword in erased:
                data.pop(keyword, None)
            data.save_as(tmp_path / "back")
            found = open_dicom(tmp_path / "back", ("US", "OT"))
            assert isinstance(found, Report)
            assert found.own
            assert found.measured == ()
