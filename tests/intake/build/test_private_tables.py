"""Columns, reasons, links and the names of CSVs say nothing of who somebody is."""

from __future__ import annotations

import csv
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fibrostage.cohort.store import Cohort
from fibrostage.dicom.sr_write import Stored
from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.phantom.dicom_files import write_dicom
from fibrostage.plan.run_plan import Plan
from tests.conftest import write_rows
from tests.intake.build.leaks import leaks
from tests.intake.build.people import BAR, HEADER, PANEL, PEOPLE, PLAN, Person, folder_of, key_in, screen, write_screen


def small(folder: Path, header: list[str], *rows: list[object], name: str = "patients.csv") -> Sources:
    """A picture each of the first two people, and their table."""
    for seed, person in enumerate(PEOPLE[:2]):
        write_screen(folder / "source" / folder_of(person) / f"{person.family}.dcm", person, seed)
    return Sources(folder / "source", write_rows(folder / name, ["patient_id", "stage", *header], list(rows)))


def ids(column: list[object]) -> list[list[object]]:
    """Rows of the first two people with a cell more."""
    return [[person.patient_id, "F1", cell] for person, cell in zip(PEOPLE, column, strict=False)]


def taken_from(source: Sources, folder: Path, plan: Plan = PLAN, **more: Any) -> Cohort:
    with key_in(folder):
        return take_in(source, folder / "cohort", plan, choices=Choices(skip_bad=True, workers=1, **more))


def test_a_stiffness_that_could_not_be_read_is_recorded_without_the_name_of_its_file(tmp_path: Path) -> None:
    source, first = small(tmp_path, ["sex"], *ids(["F", "F"])), PEOPLE[0]
    pixels = screen(93, 20.0)
    pixels[60:200, 292:306] = 0  # no bar to read it by
    write_screen_of(source.folder / f"bar_{first.family}.dcm", first, pixels)
    cohort = taken_from(source, tmp_path)
    assert "no stiffness could be read" in cohort.exclusions["reason"][0]
    assert leaks(cohort.path) == []


def write_screen_of(path: Path, person: Person, pixels: NDArray[np.uint8]) -> Stored:
    given = {"series_description": "elasto", "regions": [PANEL, BAR], "number": 93, **person.header, **HEADER}
    return write_dicom(path, pixels, **given)


@pytest.mark.parametrize("reason", [f"same as {PEOPLE[0].patient_id}", "see Dr REFERRER", "died 17.03.2021"])
def test_a_reason_for_exclusion_is_written_without_names_ids_and_dates(tmp_path: Path, reason: str) -> None:
    rows: list[list[object]] = [[PEOPLE[0].patient_id, "F1", ""], [PEOPLE[1].patient_id, "F1", reason]]
    cohort = taken_from(small(tmp_path, ["excluded"], *rows), tmp_path)
    assert len(cohort.exclusions) == 1
    assert leaks(cohort.path) == []


def test_an_id_in_the_wrong_column_is_not_recorded(tmp_path: Path) -> None:
    source = small(tmp_path, ["age"], *ids([664207, 50]))
    cohort = taken_from(source, tmp_path)
    assert "age" in cohort.exclusions["reason"][0]
    assert "664207" not in cohort.exclusions["reason"][0]


def test_the_name_of_a_csv_is_not_recorded(tmp_path: Path) -> None:
    first = PEOPLE[0]
    rows: list[list[object]] = [[first.patient_id, "F9"]]
    source = small(tmp_path, [], *rows, [PEOPLE[2].patient_id, "F1"], name=f"{first.family}.csv")
    with key_in(tmp_path), pytest.raises(IntakeError, match="no picture could be taken in"):
        take_in(source, tmp_path / "none", PLAN, choices=Choices(skip_bad=True))
    write_rows(tmp_path / f"{first.family}.csv", ["patient_id", "stage"], [*rows, [PEOPLE[1].patient_id, "F1"]])
    assert leaks(taken_from(source, tmp_path).path) == []


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        pytest.param("ZWINGLIUS^Theodora", ["by Theodora", "x"], id="a part of a name"),
        pytest.param("O'HARA-SMYTHE^Jo", ["Smythe", "x"], id="half a double name"),
        pytest.param("NG^Kim", ["seen: Kim", "x"], id="a short name"),
        pytest.param("Wang^XiaoMing=王^小明", ["王小明", "x"], id="a Chinese name"),
        pytest.param("ZWINGLIUS,Theodora", ["Theodora", "x"], id="a name with a comma"),
        pytest.param("GRÜNDELWÄLDER^O", [unicodedata.normalize("NFD", "Gründelwälder"), "x"], id="decomposed"),
        pytest.param("X^Y", ["on 17.03.2021, fasting", "fasting"], id="the day of the exam, spelled otherwise"),
        pytest.param("X^Y", [f"not {PEOPLE[1].patient_id}!", "x"], id="an id beside a mark"),
    ],
)
def test_a_column_that_repeats_a_header_is_left_out(tmp_path: Path, name: str, cells: list[object]) -> None:
    source = small(tmp_path, ["remarks"], *ids(cells))
    write_screen(source.folder / "named.dcm", PEOPLE[0], 3, patient_name=name)
    assert "remarks" not in taken_from(source, tmp_path).patients.columns


@pytest.mark.parametrize(
    "column", ["name", "birth_date", "Name", "Patient Name", "Date of birth", "PatientName", "姓名"]
)
def test_a_column_is_left_out_for_its_name(tmp_path: Path, column: str) -> None:
    source = small(tmp_path, [column], *ids(["Xaver Unheard", "Ulla Unseen"]))
    assert column not in taken_from(source, tmp_path).patients.columns


def test_the_link_leads_back_without_a_table_of_patients(tmp_path: Path) -> None:
    source = replace(small(tmp_path, ["sex"], *ids(["F", "F"])), patients=None)
    cohort = taken_from(source, tmp_path, link=tmp_path / "link.csv")
    with (tmp_path / "link.csv").open(encoding="utf-8", newline="") as file:
        given = {row["written"]: row["given"] for row in csv.DictReader(file)}
    assert {given.get(name) for name in cohort.patient_ids} == {person.patient_id for person in PEOPLE[:2]}


def test_the_link_overwrites_nothing(tmp_path: Path) -> None:
    source = small(tmp_path, ["sex"], *ids(["F", "F"]))
    table = source.patients
    assert table is not None
    with key_in(tmp_path), pytest.raises(IntakeError):
        take_in(source, tmp_path / "cohort", PLAN, choices=Choices(link=table, workers=1))
    assert table.read_text().startswith("patient_id")


def test_an_exclusion_names_its_patient_as_the_cohort_does(tmp_path: Path) -> None:
    source, first = replace(small(tmp_path, ["sex"], *ids(["F", "F"])), patients=None), PEOPLE[0]
    write_screen(source.folder / "twice.dcm", first, 0)
    cohort = taken_from(source, tmp_path)
    assert "same pixels" in cohort.exclusions["reason"][0]
    assert cohort.exclusions["patient_id"][0] in cohort.patient_ids
