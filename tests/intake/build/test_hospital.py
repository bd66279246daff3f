"""Intake of small hospitals made in the test: dry run, rules, readings and markers, loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fibrostage.dicom.sr_write import Measurement
from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import look_at, take_in
from fibrostage.intake.privacy import VARIABLE
from fibrostage.phantom.dicom_files import COLOUR_FLOW, DrawnRegion, Stored
from fibrostage.phantom.dicom_reports import write_measurements
from fibrostage.plan.run_plan import Plan
from tests.conftest import write_rows
from tests.dicom.real_files import frame
from tests.intake.hospital import (
    BAR,
    MODALITIES,
    NOBODY,
    PANEL,
    PLAN,
    minimal_report,
    plan_with,
    put,
    screen,
    table,
    tissue,
)

pytestmark = pytest.mark.usefixtures("key")


def test_a_dry_run_lists_every_file_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    stored = put(source, "a/elasto", "A1", 1, 12.0)
    put(source, "a/b.dcm", "A1", 2)
    put(source, "b/other.dcm", "A2", 3, series_description="heart")
    write_measurements(source / "a/report", [Measurement(stored, 7.5)], **{**minimal_report("A1")})
    Image.fromarray(tissue(4)).save(source / "still.png")
    (source / "words.bin").write_text("no picture")
    (source / "notes.txt").write_text("passed over")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere" / "key"))
    before = sorted(tmp_path.rglob("*"))
    rows, problems = look_at(Sources(source, table(source, [["A1", "F1"]])), PLAN, Choices(workers=1))
    assert sorted(tmp_path.rglob("*")) == sorted([*before, source / "patients.csv"])
    assert not len(problems)
    by_name = {row["file"]: row for row in rows}
    assert sorted(by_name) == ["a/b.dcm", "a/elasto", "a/report", "b/other.dcm", "still.png", "words.bin"]
    assert {name: row.get("taken_for") for name, row in by_name.items() if row.get("taken_for")} == {
        "a/b.dcm": "B", "a/elasto": "SWE", "a/report": "1 readings",
    }  # fmt: skip
    assert by_name["a/elasto"]["kpa"] == pytest.approx(12, rel=0.1)
    assert by_name["a/elasto"]["regions"] == "tissue, colour bar"
    assert by_name["b/other.dcm"]["refused"] == "no rule of the plan says what it is"
    assert by_name["still.png"]["refused"] == NOBODY
    assert by_name["words.bin"]["refused"].startswith("not a readable PNG")


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        ([{"series": "^ELASTO$"}, {}], "10"),  # whatever the case
        ([{"series": "elasto", "view": "spleen"}, {}], "00"),  # all of a rule must fit
        ([{"view": "liver"}, {"series": "elasto"}], "11"),  # the first that fits wins
        ([{"device": "^Invented Sonics Convex"}, {}], "11"),
        ([{"device": "^Convex"}, {}], "00"),
        ([{"file": r"^e/.*\.img$"}, {}], "10"),
        ([{"colour": True}, {}], "10"),
        ([{"colour": False}, {}], "01"),
        ([{"regions": ["tissue", "colour bar"]}, {}], "10"),
        ([{"regions": ["colour"]}, {}], "00"),
        ([{"frames": "many"}, {"frames": "one"}], "00"),
    ],
)
def test_the_first_rule_that_fits_says_what_a_file_is(tmp_path: Path, rules: list[dict[str, Any]], taken: str) -> None:
    """`taken` says of an elastogram and a B-mode picture whether the first rule got them."""
    put(tmp_path / "source", "e/a.img", "A1", 1, 12.0)
    put(tmp_path / "source", "u/b.img", "A1", 2)
    modalities = [{"name": "SECOND", "size": 32}, {"name": "FIRST", "size": 32}]
    named = [{"modality": name, **rule} for name, rule in zip(("FIRST", "SECOND"), rules, strict=True)]
    plan = Plan.parse({"modality": modalities, "rule": named})
    rows, _ = look_at(Sources(tmp_path / "source"), plan, Choices(workers=1))
    assert "".join(str(int(row["taken_for"] == "FIRST")) for row in rows) == taken


def test_a_reports_stiffness_goes_before_the_csvs_and_the_csvs_before_the_colours(tmp_path: Path) -> None:
    source = tmp_path / "source"
    stored = [put(source, f"{k}.dcm", "A1", k, 10.0 + 6 * k) for k in range(3)]
    write_measurements(source / "sr.dcm", [Measurement(stored[0], 5.25)], **minimal_report("A1"))
    people = table(tmp_path, [["A1", "F1"]])
    rows: list[list[object]] = [["0.dcm", "A1", "SWE", 8.5], ["1.dcm", "A1", "SWE", 9.5], ["2.dcm", "A1", "SWE", ""]]
    images = write_rows(
        tmp_path / "i.csv", ["file", "patient_id", "modality", "kpa"], [*rows, ["sr.dcm", "A1", "SWE", ""]]
    )
    plan = plan_with(modality=[{**MODALITIES[0], "region": "find"}, MODALITIES[1]])
    cohort = take_in(Sources(source, people, images), tmp_path / "cohort", plan)
    assert cohort.images["kpa_from"].to_list() == ["sr", "csv", "colour"]
    assert cohort.images["kpa"].to_list()[:2] == [5.25, 9.5]
    assert cohort.images["kpa"][2] == pytest.approx(22, rel=0.1)
    assert cohort.images["kpa_mean"][0] == pytest.approx(10, rel=0.15)  # what the colours said stays beside


def test_readings_of_a_patient_without_a_picture_make_the_marker(tmp_path: Path) -> None:
    source, nothing = tmp_path / "source", Stored("", "", "", "")
    for patient, values in {"A1": [6.0, 7.0, 6.5], "A2": [6.0, 7.0]}.items():
        put(source, f"{patient}.dcm", patient, int(patient[1]))
        readings = [Measurement(nothing, value) for value in values]
        write_measurements(source / f"sr{patient}", readings, **minimal_report(patient))
    people = table(tmp_path, [["A1", "F1", "F1"], ["A2", "F2", "F2"]], "note")
    found = take_in(Sources(source, people), tmp_path / "cohort", PLAN).patients.sort("note")
    assert found["swe"].to_list() == [6.5, None]
    assert found["swe_n"].to_list() == [3, 2]


def test_the_marker_is_the_median_of_enough_readings_that_agree(tmp_path: Path) -> None:
    given = {"A1": [8.0, 9.0, 10.0], "A2": [8.0, 9.0], "A3": [5.0, 14.0, 24.0], "A4": [8.0, 9.0, 10.0], "A5": []}
    rows: list[list[object]] = []
    for number, (patient, values) in enumerate(given.items()):
        for k, value in enumerate(values):
            put(tmp_path / "source", f"{patient}{k}", patient, 10 * number + k, 12.0)
            rows.append([f"{patient}{k}", patient, "SWE", value])
    people = table(tmp_path, [[p, "F1", 33 if p in ("A4", "A5") else "", p] for p in given], "swe", "note")
    images = write_rows(tmp_path / "i.csv", ["file", "patient_id", "modality", "kpa"], rows)
    source = Sources(tmp_path / "source", people, images)
    found = take_in(source, tmp_path / "cohort", PLAN).patients.sort("note")
    assert found["swe"].to_list() == [9.0, None, None, 33.0, 33.0]
    assert found["swe_n"].to_list() == [3, 2, 3, 3, None]
    assert found["swe_iqr"].to_list()[:3] == pytest.approx([1 / 9, 0.5 / 8.5, 9.5 / 14])
    loose = plan_with(reliability={"pictures": 2, "iqr": 0.7})
    assert take_in(source, tmp_path / "loose", loose).patients.sort("note")["swe"].to_list()[:3] == [9.0, 8.5, 14.0]


@pytest.mark.parametrize("many", ["crops", "frames"])
def test_one_reading_is_not_three(tmp_path: Path, many: str) -> None:
    """A marker needs three acquisitions; three crops around one click, or frames with one reading, are one."""
    source = tmp_path / "source"
    swe: dict[str, Any] = {**MODALITIES[0], "region": "find"}
    if many == "crops":
        swe |= {"fit": "click", "size": 48}
        stored = put(source, "a.dcm", "A1", 1, 12.0)
    else:
        moved = [np.roll(screen(1, 12.0), 5 * k, axis=1).astype(int) for k in range(4)]
        frames = [np.clip(each + k, 0, 255).astype(np.uint8) for k, each in enumerate(moved)]
        stored = put(source, "a.dcm", "A1", 1, 12.0, pixels=frames)
    write_measurements(source / "sr", [Measurement(stored, 7.5)], **minimal_report("A1"))
    plan = plan_with(modality=[swe, MODALITIES[1]], cine={"still": 1.0, "distinct": 0.0})
    cohort = take_in(Sources(source, table(tmp_path, [["A1", "F1"]])), tmp_path / "cohort", plan)
    assert len(cohort.images) >= 3
    assert cohort.patients["swe_n"].to_list() == [1]
    assert cohort.patients["swe"].to_list() == [None]


def loop_of(count: int) -> list[NDArray[np.uint8]]:
    """A sweep: tissue that moves on by two pixels a frame."""
    wide = tissue(5, 180, 240 + 2 * count)
    frames = [np.zeros((240, 320), np.uint8) for _ in range(count)]
    for k, each in enumerate(frames):
        each[40:220, 40:280] = wide[:, 2 * k : 2 * k + 240]
    return frames


def test_a_loop_gives_so_many_frames_at_most(tmp_path: Path) -> None:
    put(tmp_path / "source", "loop", "A1", 1, pixels=loop_of(40), syntax="jpeg")
    plan = plan_with(cine={"frames": 5, "still": 1.0})
    cohort = take_in(Sources(tmp_path / "source"), tmp_path / "cohort", plan)
    frames = cohort.images["frame"].to_list()
    assert len(frames) == 5
    assert [index // 8 for index in frames] == [0, 1, 2, 3, 4]
    assert cohort.images["source"].n_unique() == 1


def test_a_frame_column_asks_for_frames(tmp_path: Path) -> None:
    put(tmp_path / "source", "loop", "A1", 1, pixels=loop_of(40), syntax="jpeg")
    rows: list[list[object]] = [["loop", "A1", "B", 7], ["loop", "A1", "B", 8]]
    images = write_rows(tmp_path / "i.csv", ["file", "patient_id", "modality", "frame"], rows)
    source = Sources(tmp_path / "source", table(tmp_path, [["A1", "F1"]]), images)
    cohort = take_in(source, tmp_path / "cohort", PLAN)
    assert cohort.images["frame"].to_list() == [7, 8]
    truth = frame(tmp_path / "source" / "loop", 8)[40:220, 40:280]
    stored = np.asarray(cohort.pixels("B")[1, 8:56, :, 0], dtype=float)
    shrunk = np.asarray(Image.fromarray(truth).resize((64, 48), Image.Resampling.BILINEAR), dtype=float)
    assert np.abs(stored - shrunk).mean() < 1
    write_rows(images, ["file", "patient_id", "modality", "frame"], [*rows, ["loop", "A1", "B", 40]])
    with pytest.raises(IntakeError, match=r"frame 40 asked for, but the file holds 40 \(from 0\)"):
        take_in(source, tmp_path / "other", PLAN)


def test_what_a_scanner_marks_as_colour_is_kept_and_no_picture_of_its_own(tmp_path: Path) -> None:
    put(tmp_path / "source", "a", "A1", 1, 12.0, regions=[PANEL, DrawnRegion(COLOUR_FLOW, 60, 60, 60, 60), BAR])
    cohort = take_in(Sources(tmp_path / "source"), tmp_path / "cohort", PLAN)
    assert cohort.images["kpa"].to_list() == pytest.approx([12], rel=0.15)
    assert len(cohort.images) == 1
