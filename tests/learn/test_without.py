"""What a network says where modalities are withheld from it is what it says of patients who lack them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from fibrostage.cohort.store import Cohort
from fibrostage.learn.lacking import Member
from fibrostage.learn.learner import make_learner
from fibrostage.learn.task import examples_of, make_task
from fibrostage.learn.without import left_over, without_modalities
from fibrostage.plan.run_plan import Plan
from fibrostage.results.predictions import scores_of
from fibrostage.results.run_folder import RunFolder
from fibrostage.stats.calling import Calling


def test_what_a_network_is_left_with() -> None:
    assert left_over(["A", "B", "C"]) == [
        ("A", "B", "C"), ("B", "C"), ("A", "C"), ("A", "B"), ("A",), ("B",), ("C",)
    ]  # fmt: skip
    assert left_over(["A", "B"]) == [("A", "B"), ("B",), ("A",)]
    assert left_over(["A"])[0] == ("A",)


def test_a_withheld_modality_is_its_offset_in_every_candidate(cohort: Cohort, tiny_plan: Callable[..., Plan]) -> None:
    task = make_task(cohort, tiny_plan("training.epochs=1", "evaluation.pooling=pair_mean"))
    fold = task.folds[0]
    learner = make_learner(cohort, task.plan, task.space, fold.train, 0)
    learner.fit(examples_of(task, fold.train, 0), 0)
    names = task.plan.fused
    with torch.no_grad():
        for k, name in enumerate(names):
            learner.head.stream(name).offset.copy_(torch.arange(5.0) * (k + 1) / 10)
    found = without_modalities(learner, Member(learner.head, Calling(), None), task, fold)
    assert found is not None
    tables = {name: table.detach() for name, table in learner.head.tables(learner.features).items()}
    left, gone = names[0], names[1]
    for patient, *told in found.filter(method=left).select("patient_id", "^p_.*$").iter_rows():
        row = cohort.patient_ids.index(patient)
        ids = task.space.draw(np.array([row]), 10_000, np.random.default_rng(0))
        each = [
            torch.softmax(learner.head.link(tables[left][picture] + learner.head.stream(gone).offset), -1)
            for picture, _ in task.space.decode(ids).tolist()
        ]
        assert told == pytest.approx(torch.stack(each).mean(dim=0).tolist(), abs=1e-5)
    without = {cohort.patient_ids[row] for row in fold.test if not (cohort.owners(gone) == row).any()}
    assert not without & set(found.filter(method=left)["patient_id"]), "nothing is withheld from who lacks it"


def test_a_run_keeps_what_is_said_without_each_modality(pictures_run: Path) -> None:
    run = RunFolder(pictures_run)
    kept, staging = pl.read_parquet(run.by_modality_file), run.read_metrics().staging("METAVIR")
    whole = scores_of(kept.filter(method=run.read_metrics().method), staging)
    told = scores_of(run.read_predictions(), staging)
    both = np.isin(told.patients, whole.patients)
    assert whole.probabilities == pytest.approx(told.probabilities[both], abs=1e-5)
    assert set(kept["method"]) == {"+".join(left) for left in left_over(run.read_metrics().method.split("+"))}
