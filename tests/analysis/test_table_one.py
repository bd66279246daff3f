"""The first table counts who has what, says who lacks it, and compares training with test patients."""

from __future__ import annotations

import polars as pl
import pytest

from fibrostage.analysis.table_one import MOST_KINDS, OTHER, by_cohort, by_stage
from fibrostage.ground.stage import METAVIR
from fibrostage.stats.balance import smd_of_amounts
from fibrostage.views.table_one import table_one_view

PEOPLE = pl.DataFrame(
    {
        "patient_id": [f"P{k}" for k in range(10)],
        "stage": [f"F{k % 5}" for k in range(10)],
        "cohort": ["train"] * 6 + ["test"] * 4,
        "modalities": ["all modalities"] * 9 + ["LSTE"],
        "sex": ["f", "m", "f", "m", "f", None, "f", "f", "m", "m"],
        "age": [30.0, 40, 50, 60, 70, None, 35, 45, 55, 65],
        "site": [f"S{k}" for k in range(10)],
    }
)


def test_by_cohort() -> None:
    made = by_cohort(PEOPLE, METAVIR)
    assert made.groups == (("training", 6), ("test", 4))
    lines = {(line.title, line.kind): line for line in made.lines}
    age = lines["age", ""]
    assert age.unit == "years"
    assert age.groups[0].quartiles == (40, 50, 60)
    assert (age.groups[0].n, age.groups[0].missing) == (5, 1)
    assert age.smd == pytest.approx(smd_of_amounts([30, 40, 50, 60, 70], [35, 45, 55, 65]))
    assert [lines["sex", "f"].groups[k].count for k in range(2)] == [3, 2]
    assert lines["sex", "m"].smd is None, "it stands once"
    assert sum(line.kind == OTHER and line.title == "site" for line in made.lines) == 1
    assert sum(line.title == "site" for line in made.lines) == MOST_KINDS
    shown = table_one_view(made, "by cohort", True)
    assert shown.columns[-1] == "SMD"
    assert "SIMULATED" in shown.title
    told = {row[0].text: row for row in shown.rows}
    assert told["age, years"][1].text == "50.0 [40.0–60.0]"
    assert told["age, years"][1].beside == ("1 missing",)
    assert told["sex: f"][1].text == "3 (60%)"
    assert told["pictures: LSTE"][2].text == "1 (25%)"


def test_in_folds_there_is_one_cohort_and_nothing_to_compare() -> None:
    made = by_cohort(PEOPLE.with_columns(cohort=pl.lit("both")), METAVIR)
    assert made.groups == (("all patients", 10),)
    assert not made.compared


def test_by_stage() -> None:
    made = by_stage(PEOPLE, METAVIR)
    assert made.groups == tuple((f"F{k}", 2) for k in range(5))
    assert not any(line.title.startswith("stage") for line in made.lines)
