"""A run that left out a hospital at a time has a row a hospital, each of that hospital's patients alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fibrostage.analysis.by_fold import figures_by_fold
from fibrostage.cohort.store import Cohort
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.train import train
from fibrostage.report.forms import write_report
from fibrostage.report.page import render, sections_of
from fibrostage.report.results import Results
from fibrostage.results.predictions import scores_of
from fibrostage.results.run_folder import RunFolder
from fibrostage.stats.auc import auc
from tests.results.made import made_metrics
from tests.test_contracts import results
from tests.trained import SETS


def at_hospitals(scheme: str = "column") -> Results:
    """Sixty test patients of hospitals A (30), B (28) and C (2)."""
    made = results(60)
    table = made.predictions["LSTE"].with_columns(
        pl.Series("left_out", ["A"] * 30 + ["B"] * 28 + ["C"] * 2),
    )
    metrics = made_metrics(split={"scheme": scheme, "column": "site"})
    return replace(made, predictions={"LSTE": table}, metrics=[metrics])


def test_each_row_is_of_its_own_patients() -> None:
    made = at_hospitals()
    table = made.predictions["LSTE"]
    found = figures_by_fold(table, made.staging)
    assert [(one.value, one.n) for one in found] == [("A", 30), ("B", 28), ("C", 2)]
    own = scores_of(table.filter(pl.col("left_out") == "B"), made.staging)
    positive, score = own.at_cut(made.staging, "F3")
    assert found[1].auc_at_cut["F3"].value == pytest.approx(auc(positive, score))
    assert found[1].positives["F3"] == int(positive.sum())
    assert found[1].accuracy.value == pytest.approx((own.called == own.stages).mean())
    assert found[2].auc_at_cut["F2"].value is None
    assert "two positives and two negatives" in found[2].auc_at_cut["F2"].why


def test_the_page_has_the_table_where_a_column_divided() -> None:
    page = render(at_hospitals(), sections_of(at_hospitals()))
    assert '<section id="left_out"' in page
    assert "LSTE, by site" in page
    other = at_hospitals("kfold")
    assert '<section id="left_out"' not in render(other, sections_of(other))


def test_a_run_keeps_which_value_was_left_out(cohort: Cohort, tmp_path: Path) -> None:
    sets = [*SETS, "split.scheme='column'", "split.column='fold'"]
    train(cohort, plan_for(cohort, {}, sets), tmp_path / "run")
    table = RunFolder(tmp_path / "run").read_predictions()
    own = dict(cohort.patients.select("patient_id", pl.col("fold").cast(pl.String)).iter_rows())
    tested = table.filter(pl.col("split") == "test")
    assert all(own[patient] == value for patient, value in tested.select("patient_id", "left_out").iter_rows())
    assert '<section id="left_out"' in write_report(tmp_path / "run").read_text(encoding="utf-8")
