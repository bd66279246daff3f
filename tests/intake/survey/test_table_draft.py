"""A table of any shape is drafted with counts; what only its owner can know stays behind a #."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fibrostage.ground.errors import IntakeError
from fibrostage.intake.survey.draft import table_block
from fibrostage.intake.survey.table_draft import UNSURE, Drafted, table_draft
from tests.csv_tables.books import xlsx

NEEDED = ("patient_id", "stage")


def live(made: Drafted) -> dict[str, object]:
    (text,) = table_block(made) or [""]
    return dict(tomllib.loads(text).get("table", {}))


def test_a_german_table(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    rows = [f"{n};{stage};{te};{plt}" for n, stage, te, plt in (
        (1, "2", "5,5", 180000), (2, "4,0", "12,1", 90000), (3, "n.d.", "-", 210000), (4, "0", "<3", 150000),
        (5, "1", "6,0", 155000),
    )]  # fmt: skip
    path.write_text("\n".join(["Pat.-Nr.;METAVIR;FibroScan;Thrombozyten;PLT", *(row + ";" for row in rows)]), "cp1252")
    made = table_draft(path, NEEDED)
    assert live(made)["columns"] == {
        "Pat.-Nr.": "patient_id", "METAVIR": "stage", "FibroScan": "te", "Thrombozyten": "platelets",
    }  # fmt: skip
    assert live(made)["missing"] == ["n.d.", "-"]
    assert live(made)["decimal"] == ","
    assert live(made)["stages"] == {"0": "F0", "1": "F1", "2": "F2", "4,0": "F4"}
    assert made.asleep[0][0] == 'censored = "bound"'
    assert UNSURE in made.staging_comment  # numbers alone may be of any system


def test_units_that_cannot_be_are_proposed_behind_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("patient_id,stage,platelets\nA,F1,180000\nB,F2,90000\nC,F3,210000\n")
    made = table_draft(path, NEEDED)
    assert live(made) == {}
    assert made.asleep[0][0] == 'units = { platelets = "1/µL" }'
    assert "3 of 3 values of platelets cannot be 1e9/L" in made.asleep[0][1]


@pytest.mark.parametrize(
    ("stages", "system", "meant"),
    [
        (["f0", "F2", "F4"], "METAVIR", {"f0": "F0"}),
        (["S1", "S2"], "Scheuer", None),
        (["6", "2"], "Ishak", {"2": "I2", "6": "I6"}),
        (["I", "IV"], "METAVIR", {"I": "F1", "IV": "F4"}),
    ],
)
def test_the_staging_system_is_told_by_the_values(
    stages: list[str], system: str, meant: dict[str, str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "p.csv"
    path.write_text("patient_id,stage\n" + "".join(f"P{k},{stage}\n" for k, stage in enumerate(stages)))
    made = table_draft(path, NEEDED)
    assert made.staging is not None
    assert made.staging.name == system
    assert live(made).get("stages") == meant


def test_words_of_no_system_are_left_to_the_user(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("patient_id,stage\nA,mild\nB,severe\n")
    made = table_draft(path, NEEDED)
    assert made.staging is None
    assert "of no known system" in made.staging_comment


def test_the_sheet_that_looks_like_it_is_named(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "p.xlsx", {"Hinweise": [["x"], ["y"]], "Daten": [["Pat.-Nr.", "METAVIR"], ["1", "F2"]]})
    made = table_draft(path, NEEDED)
    assert live(made) == {"columns": {"Pat.-Nr.": "patient_id", "METAVIR": "stage"}, "sheet": "Daten"}


def test_whatever_stands_in_a_cell_the_draft_is_toml(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('patient_id,stage,Met\x07\x7f"a\nA,F1\x7f\x0b#,x\nB,"F""2",y\nC,F3,z\n', encoding="utf-8")
    assert live(table_draft(path, NEEDED)) == {}


def test_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("patient_id,stage\n")
    with pytest.raises(IntakeError, match="has no rows to draft from"):
        table_draft(path, NEEDED)
