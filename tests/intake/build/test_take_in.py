"""Intake end to end: good files make a cohort, bad ones are all reported, and nothing is half-written."""

import errno
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fibrostage.cohort.describe import describe
from fibrostage.cohort.store import open_cohort
from fibrostage.ground.errors import FibrostageError, IntakeError
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.plan.run_plan import Plan
from tests.conftest import make_source, plan_data, write_rows

PLAN = Plan.parse(plan_data())


@pytest.fixture
def source(tmp_path: Path) -> Sources:
    return make_source(tmp_path / "source", patients=6, lacking=())


def add(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def test_a_good_source_becomes_a_cohort(source: Sources, tmp_path: Path) -> None:
    cohort = take_in(source, tmp_path / "cohort", PLAN)
    assert len(cohort.patients) == 6
    assert len(cohort.images) == 6 * 5
    assert cohort.patients["age"].dtype == pl.Float64
    assert cohort.patients["fold"].to_list() == ["0", "1", "2", "3", "0", "1"]  # unknown columns are carried
    assert not cohort.simulated
    assert cohort.images["source_format"].unique().to_list() == ["PNG"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cohort", "source"]


def test_intake_is_reproducible(source: Sources, tmp_path: Path) -> None:
    first, second = (take_in(source, tmp_path / name, PLAN) for name in ("a", "b"))
    assert first.fingerprint == second.fingerprint


def test_every_problem_is_reported_with_file_and_row_and_nothing_is_written(source: Sources, tmp_path: Path) -> None:
    add(source.patients, "P001,F1,30,1", "P900,F9,30,1", ",F1,30,1", "P901,F1,thirty,2", "P902,F1,430,2")
    Image.new("L", (40, 40), 7).save(source.folder / "pictures" / "flat.png")
    add(
        source.images,
        "pictures/absent.png,P000,LUS",
        "pictures/P000_LUS_0.png,P000,LUS",
        "pictures/P000_LUS_1.png,P777,LUS",
        "pictures/P001_LUS_0.png,P001,LUSS",
        "../patients.csv,P001,LUS",
        "too,many,values,here",
        "pictures/flat.png,P002,LUS",
    )
    with pytest.raises(IntakeError) as caught:
        take_in(source, tmp_path / "cohort", PLAN)
    text = str(caught.value)
    for expected in (
        "patients.csv row 8: patient 'P001' already stands in row 3",
        "patients.csv row 9: patient 'P900': unknown stage 'F9'",
        "patients.csv row 10: patient_id is empty",
        "patients.csv row 11: patient 'P901': age = 'thirty' is not a number",
        "patients.csv row 12: patient 'P902': age = 430 is outside 0–120 years",
        "images.csv row 32: no file 'pictures/absent.png'",
        "images.csv row 33: repeats row 4",
        "images.csv row 34: unknown patient 'P777'",
        "images.csv row 34: repeats row 5",
        "images.csv row 35: unknown modality 'LUSS', did you mean 'LUS'",
        "images.csv row 36: '../patients.csv' lies outside the source folder",
        "images.csv row 37: has 4 values, the header has 3",
        "images.csv row 38: 'pictures/flat.png': zero variance",
    ):
        assert expected in text, expected
    assert text.startswith("13 problems, nothing was written")
    assert {p.name for p in tmp_path.iterdir()} == {"source", ".cohort.intake"}


def test_bad_pictures_are_refused_each_with_its_reason(source: Sources, tmp_path: Path) -> None:
    folder = source.folder / "pictures"
    Image.new("L", (40, 40), 7).save(folder / "flat.png")
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not a picture")
    whole = (folder / "P000_LUS_0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40)).save(folder / "deep.png")
    names = ("flat", "empty", "text", "cut", "deep")
    add(source.images, *[f"pictures/{name}.png,P000,LUS" for name in names])
    with pytest.raises(IntakeError) as caught:
        take_in(source, tmp_path / "cohort", PLAN)
    text = str(caught.value)
    assert "zero variance: every pixel is 7" in text
    assert text.count("not a readable PNG or JPEG") == 3
    assert "has 16 bits a pixel" in text
    assert {p.name for p in tmp_path.iterdir()} == {"source", ".cohort.intake"}

    cohort = take_in(source, tmp_path / "cohort", PLAN, skip_bad=True)
    assert len(cohort.images) == 30
    assert len(cohort.exclusions) == 5
    assert set(cohort.exclusions["file"]) == {f"pictures/{name}.png" for name in names}
    assert cohort.exclusions["reason"].str.contains("zero variance").any()


def test_skip_bad_drops_a_value_that_cannot_be_believed_but_keeps_the_patient(source: Sources, tmp_path: Path) -> None:
    write_rows(
        source.patients,
        ["patient_id", "stage", "platelets"],
        [["P000", "F0", "190000"], *[[f"P00{k}", "F1", "190"] for k in range(1, 6)]],
    )
    cohort = take_in(source, tmp_path / "cohort", PLAN, skip_bad=True)
    assert cohort.patients["platelets"].to_list() == [None, 190.0, 190.0, 190.0, 190.0, 190.0]
    assert "per µL" in cohort.exclusions["reason"][0]


def test_a_stiffness_that_cannot_be_believed_is_left_out_its_picture_is_not(source: Sources, tmp_path: Path) -> None:
    lines = source.images.read_text().splitlines()
    values = ["kpa", "7.5", "-3", "1,2", *[""] * (len(lines) - 4)]
    rows = [[*line.split(","), value] for line, value in zip(lines, values, strict=True)]
    write_rows(source.images, [str(v) for v in rows[0]], [list(row) for row in rows[1:]])
    cohort = take_in(source, tmp_path / "cohort", PLAN, skip_bad=True)
    assert len(cohort.images) == 30
    assert cohort.images["kpa"].drop_nulls().to_list() == [7.5]
    assert cohort.exclusions["row"].to_list() == [3, 4]
    assert "[table] decimal = " in cohort.exclusions["reason"][1]


def test_one_picture_of_two_patients_names_both(source: Sources, tmp_path: Path) -> None:
    copy = source.folder / "pictures" / "copy.png"
    copy.write_bytes((source.folder / "pictures" / "P000_LUS_0.png").read_bytes())
    add(source.images, "pictures/copy.png,P001,LUS", "./pictures/P002_LUS_0.png,P002,LUS")
    with pytest.raises(IntakeError) as caught:
        take_in(source, tmp_path / "cohort", PLAN)
    assert (
        "'pictures/copy.png': of patient 'P001' has the same pixels as 'pictures/P000_LUS_0.png' of patient 'P000'"
        in str(caught.value)
    )
    assert "images.csv row 33: repeats row 14" in str(caught.value)


def test_csvs_as_people_save_them(source: Sources, tmp_path: Path) -> None:
    """A BOM, semicolons, CRLF, blank lines, non-ASCII ids, blank stage."""
    text = source.patients.read_text().replace("P000", "Ærø-Å").replace(",", ";").replace("F1", "")
    source.patients.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    source.images.write_text(source.images.read_text().replace(",P000,", ",Ærø-Å,"), encoding="utf-8")
    cohort = take_in(source, tmp_path / "cohort", PLAN)
    assert cohort.patient_ids[0] == "Ærø-Å"
    assert cohort.stages.tolist() == [0, -1, 2, 3, 4, 0]
    gbk = "patient_id,stage\n患者,F0\n".encode("gb18030")
    source.patients.write_bytes(gbk)
    with pytest.raises(IntakeError, match="line 2 is not utf-8 text.*--encoding"):
        take_in(source, tmp_path / "other", PLAN)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; it needs the columns patient_id, stage"),
        ("\n\n", "is empty"),
        ("patient_id,stage\n", "has a header and no rows"),
        ("patient,stage\nP1,F0\n", "column 'patient_id' is missing, did you mean 'patient'"),
        ("patient_id,stage,stage\nP1,F0,F0\n", "repeats 'stage'"),
    ],
)
def test_a_table_that_cannot_be_read(source: Sources, tmp_path: Path, content: str, message: str) -> None:
    source.patients.write_text(content)
    with pytest.raises(IntakeError, match=message):
        take_in(source, tmp_path / "cohort", PLAN)


def test_no_source_no_csv_and_an_output_in_the_way(source: Sources, tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="is not a folder"):
        take_in(Sources(tmp_path / "no", source.patients, source.images), tmp_path / "c", PLAN)
    with pytest.raises(IntakeError, match="no file"):
        take_in(Sources(source.folder, tmp_path / "no.csv", source.images), tmp_path / "c", PLAN)
    with pytest.raises(FibrostageError, match="never overwritten"):
        take_in(source, source.folder, PLAN)


def test_patients_without_pictures_stay_and_modalities_nobody_has_are_empty(source: Sources, tmp_path: Path) -> None:
    rows = [line for line in source.images.read_text().splitlines() if "LUS" not in line and "P003" not in line]
    source.images.write_text("\n".join(rows) + "\n")
    cohort = take_in(source, tmp_path / "cohort", PLAN)
    assert len(cohort.patients) == 6
    assert cohort.pixels("LUS").shape == (0, 32, 32, 1)
    assert len(cohort.images) == 10


def test_the_simulated_mark_reaches_the_cohort(source: Sources, tmp_path: Path) -> None:
    lines = source.patients.read_text().splitlines()
    marked = [lines[0] + ",origin"] + [line + ",SIMULATED" for line in lines[1:]]
    source.patients.write_text("\n".join(marked) + "\n")
    take_in(source, tmp_path / "cohort", PLAN)
    assert open_cohort(tmp_path / "cohort").simulated


def test_paths_that_are_none_are_problems_not_crashes(source: Sources, tmp_path: Path) -> None:
    add(source.images, f"{'x' * 5000},P000,LUS")
    with pytest.raises(IntakeError, match="is no path"):
        take_in(source, tmp_path / "cohort", PLAN)


def test_a_sign_of_the_value_0_is_in_no_text(source: Sources, tmp_path: Path) -> None:
    add(source.images, "a\0b,P000,LUS")
    with pytest.raises(IntakeError, match=r"images.csv line \d+ holds signs of the value 0"):
        take_in(source, tmp_path / "cohort", PLAN)


def test_a_full_disk_is_an_error_and_leaves_what_was_read(
    source: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int, _start: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(FibrostageError, match="No space left"):
        take_in(source, tmp_path / "cohort", PLAN)
    assert {p.name for p in tmp_path.iterdir()} == {"source", ".cohort.intake"}
    monkeypatch.undo()
    take_in(source, tmp_path / "cohort", PLAN)
    assert {p.name for p in tmp_path.iterdir()} == {"source", "cohort"}


@pytest.mark.parametrize(
    ("on_disk", "listed"),
    [
        ("Mu\u0308ller.png", "M\u00fcller.png"),
        ("M\u00fcller.png", "Mu\u0308ller.png"),
        ("a.PNG", "a.png"),
        ("a.png", "a.Png"),
    ],
)
def test_a_file_is_found_however_its_name_is_spelled(
    on_disk: str, listed: str, source: Sources, tmp_path: Path
) -> None:
    folder = source.folder / "pictures"
    with Image.open(folder / "P000_LUS_0.png") as image:
        changed = Image.fromarray(np.asarray(image)[::-1] // 2 + 40)
    changed.save(folder / on_disk, "PNG")
    add(source.images, f"pictures/{listed},P000,LUS")
    assert take_in(source, tmp_path / "cohort", PLAN).images["source"].str.ends_with(on_disk).any()


def test_a_file_is_not_found_where_two_names_fit(source: Sources, tmp_path: Path) -> None:
    folder = source.folder / "pictures"
    for name in ("twin.PNG", "twin.Png"):
        (folder / name).write_bytes((folder / "P000_LUS_0.png").read_bytes())
    add(source.images, "pictures/twin.png,P000,LUS")
    with pytest.raises(IntakeError, match=r"no file 'pictures/twin.png'"):
        take_in(source, tmp_path / "cohort", PLAN)


def test_the_two_tables_may_have_two_encodings(source: Sources, tmp_path: Path) -> None:
    for table, encoding in ((source.patients, "cp1252"), (source.images, "gb18030")):
        assert table is not None
        text = re.sub(r"(^|,)P000,", "\\1M\u00fcller,", table.read_text("utf-8"), flags=re.MULTILINE)
        table.write_text(text, encoding=encoding)
    both = replace(source, encoding="cp1252", images_encoding="gb18030")
    assert "M\u00fcller" in take_in(both, tmp_path / "cohort", PLAN).patients["patient_id"].to_list()


def test_a_refused_patient_is_one_line_and_what_was_left_out_can_be_read(source: Sources, tmp_path: Path) -> None:
    assert source.patients is not None
    text = source.patients.read_text("utf-8")
    source.patients.write_text(re.sub(r"(?m)^P000,[^,\n]*", "P000,F9", text), "utf-8")
    with pytest.raises(IntakeError) as caught:
        take_in(source, tmp_path / "cohort", PLAN)
    assert str(caught.value).startswith("1 problem, nothing was written")
    cohort = take_in(source, tmp_path / "cohort", PLAN, skip_bad=True)
    assert cohort.exclusions["kind"].to_list() == ["patient"]
    written = pl.read_csv(cohort.path / "exclusions.csv")
    assert written["reason"].to_list() == cohort.exclusions["reason"].to_list()
    ((kind, reason, count),) = describe(cohort).left_out
    assert (kind, count) == ("patient", 1)
    assert "unknown stage 'F9'" in reason
