"""What a notebook shows of cohorts, runs and studies; and progress where nobody gave one."""

from __future__ import annotations

import dataclasses
import io
import sys
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

import fibrostage
import fibrostage.api.data  # says how a cohort is shown
from fibrostage.api.progress import NotebookProgress, default_progress
from fibrostage.cohort.store import Cohort
from fibrostage.ground.progress import SILENT, LogProgress
from fibrostage.markers import MARKERS

EVIL = "<script>alert('x')</script>"


def test_a_cohort_shows_its_patients_by_stage(worked: Path) -> None:
    shown = fibrostage.open_cohort(worked / "COHORT")._repr_html_()
    assert "SIMULATED" in shown
    assert "<td>patients</td><td>20</td>" in shown
    assert fibrostage.RESEARCH_USE in shown


def test_what_a_cohort_is_called_is_escaped(cohort: Cohort) -> None:
    shown = dataclasses.replace(cohort, name=EVIL, caveats=(EVIL,))._repr_html_()
    assert EVIL not in shown
    assert shown.count("&lt;script&gt;") == 2


def test_a_run_shows_its_figures_with_intervals(worked: Path) -> None:
    run = fibrostage.open_run(worked / "RUN")
    shown = run._repr_html_()
    assert str(run.metrics.accuracy) in shown
    assert "SIMULATED" in shown
    assert run.metrics.model_copy(update={"method": EVIL})._repr_html_().count(EVIL) == 0


def test_a_run_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(fibrostage.FibrostageError, match="holds no finished run"):
        fibrostage.open_run(tmp_path)


def test_progress_is_lines_in_a_file_and_bars_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(default_progress(None), LogProgress)
    assert default_progress(SILENT) is SILENT
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(default_progress(None), NotebookProgress)
    with NotebookProgress().task("reading", 3) as advance:
        advance(2)
        advance(1)
    assert "reading: 100%" in sys.stderr.getvalue()  # type: ignore[attr-defined]


def test_pandas_gets_the_same_values() -> None:
    table = pl.DataFrame(
        {"id": ["a", None], "n": [1, None], "m": [1, 2], "x": [0.5, None], "y": [True, None]},
        schema_overrides={"y": pl.Boolean},
    )
    found = fibrostage.to_pandas(table)
    assert found["n"].tolist() == [1, pd.NA] or (found["n"][0] == 1 and found["n"].isna()[1])
    assert found.dtypes.astype(str).to_dict() == {
        "id": "object", "n": "Int64", "m": "int64", "x": "float64", "y": "boolean",
    }  # fmt: skip


def test_tables_at_hand_are_as_good_as_files(worked: Path) -> None:
    table = pl.read_csv(worked / "S.csv")
    by_file = fibrostage.compare(worked / "S.csv", "y", ["A", "B"])
    for given in (table, fibrostage.to_pandas(table)):
        made = fibrostage.compare(given, "y", ["A", "B"])
        assert made.main == by_file.main


def test_a_plan_is_a_file_a_mapping_or_a_plan(worked: Path, tmp_path: Path) -> None:
    """All three give the same run."""
    (tmp_path / "plan.toml").write_text(
        '[training]\nepochs = 1\n[evaluation]\nbootstrap = 100\n[network]\nmodalities = ["LSTE", "LUS", "table"]\n',
        encoding="utf-8",
    )
    said = {
        "training": {"epochs": 1},
        "evaluation": {"bootstrap": 100},
        "network": {"modalities": ["LSTE", "LUS", "table"]},
    }
    whole = fibrostage.Plan.load(worked / "RUN" / "plan.json")
    cohort = fibrostage.open_cohort(worked / "COHORT")
    made = [
        fibrostage.train(cohort, tmp_path / str(k), plan, progress=SILENT).metrics
        for k, plan in enumerate((tmp_path / "plan.toml", said, whole))
    ]
    assert made[0] == made[1] == made[2] == fibrostage.open_run(worked / "RUN").metrics


def test_what_is_lent_goes_away_again(worked: Path) -> None:
    aar = MARKERS["aar"]
    taken = "there is a marker 'aar' already, of fibrostage"
    with pytest.raises(fibrostage.FibrostageError, match=taken), fibrostage.lend(aar):
        pass
    mine = dataclasses.replace(aar, name="mine")
    with fibrostage.lend(mine):
        values = fibrostage.marker_table(worked / "P.csv").values
        assert values["mine"].values.tolist() == values["aar"].values.tolist()
    assert "mine" not in MARKERS
    with pytest.raises(fibrostage.FibrostageError, match="cannot be lent"), fibrostage.lend("mine"):  # type: ignore[arg-type]
        pass
