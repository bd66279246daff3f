"""`markers` as a function: what it answers, and what it says of bad tables."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from examples.serum.convert import convert

from fibrostage.analysis.marker_table import as_dict as markers_as_dict
from fibrostage.analysis.marker_table import marker_table, write_markers
from fibrostage.ground.errors import FibrostageError
from tests.conftest import write_rows


def test_markers_of_real_patients(shared_data: Path, tmp_path: Path) -> None:
    """LiveFbr: our FIB-4 is the table's own, and the AUCs of advanced fibrosis are those known of it."""
    patients = tmp_path / "P.csv"
    assert convert(shared_data / "serum" / "livefbr_validation1.csv", patients) == 147
    made = marker_table(patients)
    write_markers(made, tmp_path / "M.csv")
    with open(tmp_path / "M.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 147
    for row in rows:
        assert float(row["fib4"]) == pytest.approx(float(row["fib4_given"]), abs=6e-4)
        if row["nfs"]:
            assert float(row["nfs"]) == pytest.approx(float(row["nfs_given"]), abs=2e-3)
    content = markers_as_dict(made)["markers"]
    assert content["fib4"]["auc_at_cut"]["S3"]["value"] == pytest.approx(0.849, abs=5e-4)
    assert content["apri"]["auc_at_cut"]["S3"]["value"] == pytest.approx(0.783, abs=5e-4)
    assert content["apri"]["assumed"] == {"ast_uln": 147}
    assert content["gpr"]["n"] == 0
    assert content["gpr"]["lacking"] == {"ggt_uln": 147}
    assert [(refusal.column, refusal.value) for refusal in made.refusals] == [("bmi", "6.9")]


def test_units_that_cannot_be_are_refused_by_patient(tmp_path: Path) -> None:
    header = ["patient_id", "stage", "ast", "alt", "age", "platelets", "albumin", "swe", "ifg_dm"]
    rows = [
        ["A", "F0", 40, 36, 50, 90_000, 4.1, 6, 1],
        ["B", "F4", 80, 64, 50, 100, 41, "9,5", 0.5],
        ["C", "F2", 0, -3, 50, 100, 4, "", 1],
        ["D", "F2", "NA", "abc", "", 100, 4, 7, 1],
    ]
    made = marker_table(write_rows(tmp_path / "P.csv", header, rows))
    reasons = "\n".join(refusal.reason for refusal in made.refusals)
    assert "patient 'A': platelets = 90000 is outside 1–2000 1e9/L (a count per µL is 1000 times" in reasons
    assert "patient 'B': albumin = 41 is outside 0.5–8 g/dL (g/L is 10 times g/dL)" in reasons
    assert "patient 'B': swe = '9,5' is not a number (write a decimal point)" in reasons
    assert "patient 'B': ifg_dm = 0.5 is not 0 or 1" in reasons
    assert "patient 'C': ast = 0 is outside" in reasons
    assert "patient 'C': alt = -3 is outside" in reasons
    assert "patient 'D': alt = 'abc' is not a number" in reasons
    apri = made.values["apri"].values
    assert np.isnan(apri[[0, 2, 3]]).all()
    assert apri[1] == pytest.approx(80 / 40 / 100 * 100)
    content = markers_as_dict(made)["markers"]["apri"]
    assert content["missing"] == 3
    assert content["lacking"] == {"ast": 1}
    assert content["refused"] == {"ast": 1, "platelets": 1}
    assert math.isfinite(content["median"])


def test_cut_offs_are_applied_to_their_own_system_alone(tmp_path: Path) -> None:
    rows = [[f"P{i}", f"F{i % 5}", 5 + 2 * (i % 5) + i / 100] for i in range(50)]
    content = markers_as_dict(marker_table(write_rows(tmp_path / "P.csv", ["patient_id", "stage", "te"], rows)))
    who = content["markers"]["te"]["at_cutoffs"]
    assert [(row["cut"], row["value"], row["verified"]) for row in who] == [("F2", 7.0, True), ("F4", 12.5, True)]
    assert who[0]["sensitivity"]["value"] == 1.0
    assert who[0]["n"] == 50
    other = markers_as_dict(marker_table(tmp_path / "P.csv", classes=("F0", "F1", "F2", "F3", "F4")))
    assert other["markers"]["te"]["at_cutoffs"] == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["A", 1], ["A", 2]], "already stands in row 2"),
        ([["", 1]], "patient_id is empty"),
    ],
)
def test_a_table_is_one_row_a_patient(tmp_path: Path, rows: list[list[object]], message: str) -> None:
    with pytest.raises(FibrostageError, match=message):
        marker_table(write_rows(tmp_path / "P.csv", ["patient_id", "ast"], rows))


def test_a_column_is_never_overwritten(tmp_path: Path) -> None:
    made = marker_table(write_rows(tmp_path / "P.csv", ["patient_id", "fib4"], [["A", 1]]))
    with pytest.raises(FibrostageError, match="already has 'fib4'"):
        write_markers(made, tmp_path / "M.csv")
    assert not (tmp_path / "M.csv").exists()


def test_unknown_stages_cost_the_aucs_and_nothing_else(tmp_path: Path) -> None:
    rows = [["A", "mild", 40, 100], ["B", "bad", 80, 100]]
    made = marker_table(write_rows(tmp_path / "P.csv", ["patient_id", "stage", "ast", "platelets"], rows))
    assert made.values["apri"].values.tolist() == [1.0, 2.0]
    assert "no AUC" in made.caveats[0]


def test_intervals_of_published_cutoffs_are_at_the_level_asked_for(tmp_path: Path) -> None:
    rows = [[f"P{i}", f"F{i % 5}", 4 + 2 * (i % 5) + i / 10] for i in range(50)]
    path = write_rows(tmp_path / "P.csv", ["patient_id", "stage", "te"], rows)
    wide, narrow = (
        markers_as_dict(marker_table(path, confidence=level))["markers"]["te"]["at_cutoffs"][0]["specificity"]
        for level in (0.99, 0.5)
    )
    assert wide["lo"] < narrow["lo"]


def test_columns_that_are_almost_called_right_are_named(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "P.csv", ["patient_id", "AST", "PLT", "alt", "GPT", "colour"], [["A", 40, 200, 30, 31, 1]]
    )
    caveats = marker_table(path).caveats
    assert any(caveat.startswith("column 'AST' is not read; if it is 'ast'") for caveat in caveats)
    assert any(caveat.startswith("column 'PLT' is not read; if it is 'platelets'") for caveat in caveats)
    assert not any("GPT" in caveat or "colour" in caveat for caveat in caveats)
