"""Exams that come back from the archive with the report and the page that were sent about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="highdicom is not installed: pip install fibrostage[dicom]")
import pydicom

from fibrostage.cohort.store import Cohort
from fibrostage.dicom.sr_write import Measurement
from fibrostage.dicom.stage_report import save_dicom, secondary_capture, stage_report
from fibrostage.ground.errors import IntakeError
from fibrostage.ground.stage import METAVIR
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import look_at, take_in
from fibrostage.phantom.dicom_reports import write_measurements
from fibrostage.results.staged import Staged
from tests.conftest import write_rows
from tests.intake.hospital import minimal_report, plan_with, put, screen, table

pytestmark = pytest.mark.usefixtures("key")

PLAN = plan_with(dicom={"modalities": ["US", "OT"]}, rule=[{"modality": "SWE", "series": "^elasto"}, {"modality": "B"}])


def send_back(source: Path) -> None:
    """Three elastograms with a scanner's readings and, beside them, our own report of other readings and our page."""
    stored = [put(source, f"{k}.dcm", "A1", k, 10.0) for k in range(3)]
    readings = [Measurement(one, value) for one, value in zip(stored, (8.0, 9.0, 10.0), strict=True)]
    write_measurements(source / "scanner", readings, **minimal_report("A1"))
    pictures = [pydicom.dcmread(source / f"{k}.dcm") for k in range(3)]
    staged = Staged("P", "F2", dict.fromkeys(METAVIR.classes, 0.2), {"SWE": 3}, "ab")
    save_dicom(stage_report(pictures, staged, METAVIR, "m", {one.instance: 30.0 for one in stored}), source / "own.dcm")
    save_dicom(secondary_capture(pictures, screen(9), staged, "m"), source / "page.dcm")


def taken(source: Path, target: Path) -> Cohort:
    people = table(target.parent, [["A1", "F1"]])
    return take_in(Sources(source, people), target, PLAN)


def test_our_own_report_and_page_change_nothing_of_an_exam_that_is_read_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    send_back(source)
    with_own = taken(source, tmp_path / "with")
    assert with_own.images["modality"].to_list() == ["SWE"] * 3
    assert sorted(with_own.images["kpa"].to_list()) == [8.0, 9.0, 10.0]
    assert (with_own.patients["swe"][0], with_own.patients["swe_n"][0]) == (9.0, 3)
    assert not len(with_own.exclusions)
    for name in ("own.dcm", "page.dcm"):
        (source / name).unlink()
    without = taken(source, tmp_path / "without")
    assert with_own.images.equals(without.images)
    assert np.array_equal(with_own.pixels("SWE"), without.pixels("SWE"))


def test_a_dry_run_says_that_they_are_passed_over(tmp_path: Path) -> None:
    send_back(tmp_path / "source")
    rows, problems = look_at(Sources(tmp_path / "source"), PLAN, Choices(workers=1))
    assert not len(problems)
    said = {row["file"]: row.get("taken_for") for row in rows}
    assert said["own.dcm"] == said["page.dcm"] == "passed over: fibrostage wrote it"
    assert said["scanner"] == "3 readings"


def test_a_row_that_asks_for_our_own_page_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    send_back(source)
    images = write_rows(
        tmp_path / "i.csv", ["file", "patient_id", "modality"], [["0.dcm", "A1", "SWE"], ["page.dcm", "A1", "B"]]
    )
    with pytest.raises(IntakeError, match="was written by fibrostage: it is no picture of an exam"):
        take_in(Sources(source, table(tmp_path, [["A1", "F1"]]), images), tmp_path / "cohort", PLAN)
