"""A run keeps who trains and who tests, with what a paper tells of them, and what its folds settled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError
from fibrostage.learn.participants import participants_of
from fibrostage.learn.task import make_task
from fibrostage.learn.train import train
from fibrostage.plan.run_plan import Plan
from fibrostage.results.participants import COMPLETE, known_of_patients
from fibrostage.results.run_folder import RunFolder

Build = Callable[..., Plan]


def test_a_run_keeps_its_participants(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    train(cohort, tiny_plan("training.epochs=1"), tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    kept = run.read_participants()
    assert kept is not None
    tested = run.read_predictions()["patient_id"].unique().sort().to_list()
    assert kept.filter(pl.col("cohort") == "test")["patient_id"].sort().to_list() == tested
    assert len(kept) == 20
    lacking = kept.filter(pl.col("modalities") != COMPLETE)
    assert lacking["modalities"].to_list() == ["LSTE"]
    assert list(run.read_callings()) == ["0.0"]


def test_in_folds_everybody_trains_and_tests(cohort: Cohort, tiny_plan: Build) -> None:
    kept = participants_of(make_task(cohort, tiny_plan("split.scheme=kfold", "split.folds=2")))
    assert kept["cohort"].unique().to_list() == ["both"]


def test_a_task_at_a_cut_keeps_the_finest_stage(cohort: Cohort, tiny_plan: Build) -> None:
    kept = participants_of(make_task(cohort, tiny_plan("staging.task=F2")))
    assert kept["stage"].unique().sort().to_list() == ["F0", "F1", "F2", "F3", "F4"]


def test_what_is_known_has_its_own_name_and_type() -> None:
    patients = pl.DataFrame(
        {"gender": ["f", " ", "m"], "etiology": ["HBV", None, "HCV"], "age": ["31", "x", "50"], "note": ["a", "b", "c"],
         "site": ["", "", ""]}
    )  # fmt: skip
    known = known_of_patients(patients)
    assert known.columns == ["sex", "age", "aetiology"]
    assert known["sex"].to_list() == ["f", None, "m"]
    assert known["age"].to_list() == [31.0, None, 50.0]


def test_folders_from_before_have_neither(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.read_participants() is None
    assert run.read_callings() == {}
    run.log_file.write_text('{"event": "epoch"}\n{"event": "chosen", "fold": "0.0", "losses": {}}\n', encoding="utf-8")
    assert run.read_callings() == {}
    run.log_file.write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="log.jsonl is damaged"):
        run.read_callings()
