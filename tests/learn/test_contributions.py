"""What modalities and pictures add: the literal sum of the mean logits, nothing left over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fibrostage.cohort.pictures import space_of
from fibrostage.cohort.store import Cohort
from fibrostage.learn.contributions import a_stage_up, contributions
from fibrostage.learn.known import KnownPictures, known_from
from fibrostage.learn.model import open_model
from fibrostage.learn.train import train
from fibrostage.networks.fusion import Head
from fibrostage.plan.run_plan import Plan
from tests.conftest import plan_data


@pytest.mark.parametrize("kind", ["softmax", "ordinal"])
def test_shares_add_up_to_the_mean_logits(cohort: Cohort, kind: str) -> None:
    torch.manual_seed(1)
    names = ("LSTE", "LUS")
    head = Head(names, dict.fromkeys(names, 6), 5, 8, 2, kind=kind).eval()
    with torch.no_grad():
        for name in names:
            head.stream(name).offset.normal_()
    rng = np.random.default_rng(2)
    features = {
        name: torch.from_numpy(rng.normal(size=(len(cohort.owners(name)), 6)).astype(np.float32)) for name in names
    }
    space = space_of(cohort, names)
    ids = space.draw(np.flatnonzero(space.per_patient > 0), 3, rng)
    found = contributions(head, features, space, ids, {"LSTE": 0.25})
    with torch.inference_mode():
        tables = head.tables(features)
    rows, owner = space.decode(ids), space.patient_of(ids)
    for index, patient in enumerate(found.rows):
        own = rows[owner == patient]
        literal = np.mean(
            [a_stage_up(sum(tables[n][r][None] for n, r in zip(names, row, strict=True)))[0] for row in own]
        )  # type: ignore[arg-type]
        told = sum(found.patients[name][index] for name in names)
        assert told + 0.25 == pytest.approx(literal, abs=1e-6)
        for name in names:
            mine = cohort.owners(name) == patient
            if mine.any():
                assert found.pictures[name][mine].sum() == pytest.approx(found.patients[name][index], abs=1e-6)


def test_a_stage_up_is_the_slope_of_the_logits() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0, 2.0]])
    assert a_stage_up(logits).tolist() == pytest.approx([1.0, 0.0])
    assert a_stage_up(torch.tensor([[0.5, 2.0]])).tolist() == pytest.approx([1.5]), "of two classes the log-odds"


def test_the_training_patients_shares_are_none_on_average(cohort: Cohort, tmp_path: Path) -> None:
    train(cohort, Plan.parse(plan_data()), tmp_path / "run")
    model = open_model(tmp_path / "run")
    staged = [one for one in model.stage(cohort) if one.trained_on]
    for name in model.plan.fused:
        assert np.mean([one.shares[name] for one in staged]) == pytest.approx(0, abs=1e-4)
        for one in staged:
            own = [each.share for each in one.seen if each.modality == name]
            if own:
                assert sum(own) == pytest.approx(one.shares[name], abs=1e-5)


def test_what_is_known_survives_its_file() -> None:
    known = KnownPictures({"LSTE": 0.5}, {"LSTE": ("Ä 1", "B 2")}, {"LSTE": {"good": 3, "low fill": 1}})
    assert known_from(known.canonical()) == known
