"""A hospital's own tables, taken in: each refusal names the line of [table] that reads it, and it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fibrostage.cohort.store import TABLES_READ, Cohort
from fibrostage.ground.errors import IntakeError, PlanError
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.plan.run_plan import Plan
from tests.conftest import make_source, plan_data, write_rows
from tests.csv_tables.books import xlsx


@pytest.fixture
def source(tmp_path: Path) -> Sources:
    return make_source(tmp_path / "source", patients=4, lacking=())


def taken(source: Sources, tmp_path: Path, **table: Any) -> Cohort:
    return take_in(source, tmp_path / "cohort", Plan.parse({**plan_data(), "table": table}))


def refusals(source: Sources, tmp_path: Path, **table: Any) -> str:
    with pytest.raises(IntakeError) as caught:
        taken(source, tmp_path, **table)
    return str(caught.value)


def patients(source: Sources, *rows: list[object], columns: tuple[str, ...] = ("patient_id", "stage", "ast")) -> None:
    """A table of the four patients, the first of whom have these values."""
    ids = [f"P{number:03d}" for number in range(4)]
    made = [[one, *(rows[k] if k < len(rows) else ["F1", *["40"] * (len(columns) - 2)])] for k, one in enumerate(ids)]
    assert source.patients is not None
    write_rows(source.patients, list(columns), made)


@pytest.mark.parametrize(
    ("cell", "line", "table", "value"),
    [
        ("49,01", 'decimal = ","', {"decimal": ","}, 49.01),
        ("NA", 'missing = ["NA"]', {"missing": ["NA"]}, None),
        ("-", 'missing = ["-"]', {"missing": ["-"]}, None),
        (">1000", 'censored = "bound"', {"censored": "bound"}, 1000.0),
        ("<5", '"missing" for no value', {"censored": "missing"}, None),
        ("0.7", 'units = { ast = "µkat/L" }', {"units": {"ast": "µkat/L"}}, 42.0),
    ],
)
def test_a_value_that_is_refused_is_read_with_the_line_that_the_refusal_names(
    cell: str, line: str, table: dict[str, Any], value: float | None, source: Sources, tmp_path: Path
) -> None:
    others = ["F1", "0.5"] if "units" in table else ["F1", "40"]
    patients(source, ["F2", cell], others, others, others)
    message = refusals(source, tmp_path)
    assert "patient 'P000': ast = " in message
    assert "[table] " in message
    assert line in message
    assert taken(source, tmp_path, **table).patients["ast"][0] == (pytest.approx(value) if value else None)


@pytest.mark.parametrize(("cell", "stage"), [("2", "F2"), ("f2", "F2"), ("2.0", "F2"), ("II", "F2"), ("F 3", "F3")])
def test_a_stage_that_is_written_otherwise(cell: str, stage: str, source: Sources, tmp_path: Path) -> None:
    patients(source, [cell, "40"])
    message = refusals(source, tmp_path)
    assert f'[table] stages = {{ "{cell}" = "{stage}" }}' in message
    assert "unknown patient" not in message  # the refused row's pictures, and the others', are no second problem
    cohort = taken(source, tmp_path, stages={cell: stage})
    assert cohort.patients["stage"].to_list() == [stage, "F1", "F1", "F1"]
    assert json.loads((cohort.path / TABLES_READ).read_text()) == {"patients.csv": {"stages": {f"{cell} → {stage}": 1}}}


def test_a_stage_that_is_said_to_be_one_that_the_system_has_not() -> None:
    with pytest.raises(PlanError, match=r"table.stages says that '2' is 'S2'.*METAVIR has F0"):
        Plan.parse({**plan_data(), "table": {"stages": {"2": "S2"}}})


def test_conversions_and_bounds_are_counted_and_told(source: Sources, tmp_path: Path) -> None:
    patients(
        source, ["F2", ">1000", "180000"], ["F1", "<5", "90000"], columns=("patient_id", "stage", "ast", "platelets")
    )
    assert source.patients is not None
    text = source.patients.read_text().replace("F1,40,40", "F1,40,200000")
    source.patients.write_text(text)
    cohort = taken(source, tmp_path, censored="bound", units={"platelets": "1/uL"})
    assert cohort.patients["platelets"].to_list() == [180.0, 90.0, 200.0, 200.0]
    assert json.loads((cohort.path / TABLES_READ).read_text())["patients.csv"] == {
        "censored": {"ast >1000": 1, "ast <5": 1}, "converted": {"platelets: 1 1/µL = 0.001 1e9/L": 4},
    }  # fmt: skip
    assert "of 2 values of ast only a bound is known (>1000, <5), which stands for it" in cohort.caveats


def test_a_column_that_no_table_has_is_named(source: Sources, tmp_path: Path) -> None:
    assert "no table has a column 'PLT'" in refusals(source, tmp_path, columns={"PLT": "platelets"})


def test_a_row_of_another_length_is_one_problem_and_not_its_pictures_too(source: Sources, tmp_path: Path) -> None:
    assert source.patients is not None
    lines = source.patients.read_text().splitlines()
    source.patients.write_text("\n".join([*lines[:2], lines[2] + ",more", *lines[3:]]) + "\n")
    message = refusals(source, tmp_path)
    assert message.startswith("1 problem,")


def test_zeros_that_a_spreadsheet_took_away_are_noticed_and_filled(source: Sources, tmp_path: Path) -> None:
    assert source.patients is not None
    assert source.images is not None
    for path, pad in ((source.patients, ""), (source.images, "00")):
        text = path.read_text()
        for number in range(4):
            text = text.replace(f"P00{number},", f"{pad}{number + 1},")
        path.write_text(text)
    message = refusals(source, tmp_path)
    assert "unknown patient '001'" in message
    assert "they have '1', which differs only by zeros in front" in message
    assert "[table] id_digits = 3 of the plan fills both" in message
    cohort = taken(source, tmp_path, id_digits=3)
    assert cohort.patients["patient_id"].to_list() == ["001", "002", "003", "004"]


def test_paths_of_another_system_are_found(source: Sources, tmp_path: Path) -> None:
    assert source.images is not None
    source.images.write_text(source.images.read_text().replace("pictures/", "pictures\\"))
    assert len(taken(source, tmp_path).images) == 4 * 5


def test_both_tables_may_be_sheets_of_a_workbook(source: Sources, tmp_path: Path) -> None:
    assert source.patients is not None
    assert source.images is not None
    plain = taken(source, tmp_path / "plain")
    sheets = {
        name: [line.split(",") for line in path.read_text().splitlines()]
        for name, path in (("People", source.patients), ("Pictures", source.images))
    }
    book = xlsx(tmp_path / "book.xlsx", sheets)
    made = Sources(source.folder, book, book)
    assert taken(made, tmp_path, sheet="People", images_sheet="Pictures").fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("A" * 65, "has 65 signs; an id has at most 64"),
        ("A\u202eB", "turn the direction"),
        ("A\x07B", "control character"),
    ],
)
def test_ids_that_would_hide_something_are_refused(given: str, reason: str, source: Sources, tmp_path: Path) -> None:
    assert source.patients is not None
    source.patients.write_text(source.patients.read_text() + f'"{given}",F1,30,0\n', encoding="utf-8")
    message = refusals(source, tmp_path)
    assert reason in message
    assert "\u202e" not in message


def test_a_column_of_the_plans_tables_is_a_number_as_the_plan_says_it_is_written(
    source: Sources, tmp_path: Path
) -> None:
    columns = ("patient_id", "stage", "crp")
    patients(source, ["F0", "12,5"], ["F2", "-99"], ["F3", "7"], columns=columns)
    values = {"name": "values", "kind": "table", "columns": ["crp", "sex"]}
    data = plan_data() | {"table": {"decimal": ",", "missing": ["-99"]}}
    plan = Plan.parse({**data, "modality": [*data["modality"], values]})
    cohort = take_in(source, tmp_path / "cohort", plan)
    assert cohort.patients["crp"].to_list() == [12.5, None, 7.0, 40.0]
    patients(source, ["F0", "high"], columns=columns)
    with pytest.raises(IntakeError, match="crp = 'high' is not a number"):
        take_in(source, tmp_path / "refused", plan)
