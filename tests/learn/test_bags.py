"""All of a patient's pictures at once: what a bag is, that its pictures add up to it, and that what is saved says the
same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from fibrostage.campaign.run import run_active
from fibrostage.campaign.setting import all_bad
from fibrostage.cohort.pictures import space_of
from fibrostage.cohort.store import Cohort
from fibrostage.deploy.onnx_export import export_onnx
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.learn.contributions import a_stage_up, contributions
from fibrostage.learn.learner import make_learner, predict
from fibrostage.learn.model import open_model
from fibrostage.learn.task import examples_of, make_task
from fibrostage.learn.train import train
from fibrostage.networks.bags import bags_of, equal_weights, pictures_there
from fibrostage.networks.fusion import Head
from fibrostage.networks.stream import ModalityPath
from fibrostage.plan.run_plan import Plan
from tests.conftest import plan_data

BAGS = ["features", "attention"]
STREAMS = ["reduced", "plain"]


def bags_plan(pooling: str, *more: str) -> Plan:
    return Plan.parse(plan_data(), [f"network.pooling={pooling}", *more])


def stream_of(pooling: str, stream: str) -> ModalityPath:
    """A path of 6 features with opinions on how much pictures weigh."""
    torch.manual_seed(3)
    path = Head(("a",), {"a": 6}, 5, 8, 2, stream=stream, pooling=pooling).stream("a")
    if path.attention is not None:
        torch.nn.init.normal_(path.attention.score.weight)
    return path


def test_a_bag_holds_its_patients_pictures_and_nothing_else() -> None:
    bags = bags_of(np.arange(8, dtype=np.float32).reshape(4, 2), np.array([1, 1, 1, 7]))
    assert bags.shape == (2, 3, 2)
    assert pictures_there(bags).tolist() == [[True, True, True], [True, False, False]]
    assert bags[1, 0].tolist() == [6, 7]
    assert bags_of(np.empty((0, 2), dtype=np.float32), np.empty(0, dtype=np.int64)).shape == (0, 0, 2)


@pytest.mark.parametrize("stream", STREAMS)
def test_attention_is_what_its_paper_says(stream: str) -> None:
    path = stream_of("attention", stream)
    bags = bags_of(np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32), np.array([0, 0, 0, 2, 2]))
    layers = path.attention
    assert layers is not None
    for own, bag in zip(path.embed(bags), bags, strict=True):
        v = path.embed_each(bag[~bag.isnan().any(dim=1)])
        raw = torch.tanh(v @ layers.value.weight.T + layers.value.bias)
        gate = 1 / (1 + torch.exp(-(v @ layers.gate.weight.T + layers.gate.bias)))
        scores = torch.exp((raw * gate) @ layers.score.weight[0])
        assert torch.allclose(own, (scores[:, None] / scores.sum() * v).sum(dim=0), atol=1e-6)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("pooling", BAGS)
def test_a_bag_of_one_is_that_picture_and_order_says_nothing(pooling: str, stream: str) -> None:
    path, rng = stream_of(pooling, stream), np.random.default_rng(1)
    z = rng.normal(size=(4, 6)).astype(np.float32)
    alone = bags_of(np.concatenate([z, z[:1], z[:1]]), np.array([0, 1, 2, 3, 4, 4]))
    assert torch.allclose(path(alone)[:4], path(torch.from_numpy(z)), atol=1e-6)
    assert torch.allclose(path(alone)[4], path(torch.from_numpy(z[:1]))[0], atol=1e-6), "twice the same is the same"
    one, other = bags_of(z, np.zeros(4, dtype=np.int64)), bags_of(z[::-1].copy(), np.zeros(4, dtype=np.int64))
    assert torch.allclose(path(one), path(other), atol=1e-6)
    mean = path(torch.from_numpy(z.mean(axis=0, keepdims=True)))
    assert torch.allclose(path(one), mean, atol=1e-6) == (pooling == "features")


@pytest.mark.parametrize("pooling", BAGS)
def test_pictures_add_up_to_what_their_modality_adds(cohort: Cohort, pooling: str) -> None:
    torch.manual_seed(1)
    names = ("LSTE", "LUS")
    head = Head(names, dict.fromkeys(names, 6), 5, 8, 2, pooling=pooling).eval()
    rng = np.random.default_rng(2)
    bags = {
        name: bags_of(rng.normal(size=(len(cohort.owners(name)), 6)).astype(np.float32), cohort.owners(name))
        for name in names
    }
    with torch.no_grad():
        for name in names:
            attention = head.stream(name).attention
            if attention is not None:
                attention.score.weight.normal_()
    space = space_of(cohort, names, in_bags=True)
    ids = space.draw(np.flatnonzero(space.per_patient > 0), 3, rng)
    assert len(ids) == len(cohort.patients), "a patient is one candidate"
    found = contributions(head, bags, space, ids, {"LSTE": 0.25})
    own = found.pictures
    for name in names:
        for index, patient in enumerate(found.rows):
            mine = cohort.owners(name) == patient
            if mine.any():
                assert own[name][mine].sum() == pytest.approx(found.patients[name][index], abs=1e-5)
                assert (np.ptp(own[name][mine]) > 1e-6) == (pooling == "attention")
    each, weights = head.stream("LUS").shares_of_each(bags["LUS"])
    literal = (weights[..., None] * each.nan_to_num()).sum(dim=1)
    assert np.allclose(a_stage_up(literal.detach()), a_stage_up(head.stream("LUS")(bags["LUS"]).detach()), atol=1e-5)


def test_without_attention_pictures_weigh_alike() -> None:
    there = torch.tensor([[True, True, False], [True, False, False]])
    assert equal_weights(there).tolist() == [[0.5, 0.5, 0], [1, 0, 0]]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("pooling", BAGS)
def test_a_saved_network_says_what_was_tested(cohort: Cohort, tmp_path: Path, pooling: str, stream: str) -> None:
    plan = bags_plan(pooling, f"network.stream={stream}", "training.epochs=8")
    train(cohort, plan, tmp_path / "run")
    said = pl.read_parquet(tmp_path / "run" / "predictions.parquet").sort("patient_id")
    assert said["patient_id"].is_unique().all()
    model = open_model(tmp_path / "run")
    uncalibrated = replace(model, callings=())
    found = {one.patient_id: one for one in uncalibrated.stage(cohort)}
    for row in said.iter_rows(named=True):
        told = found[row["patient_id"]]
        assert list(told.probabilities.values()) == pytest.approx([row[f"p_{k}"] for k in range(5)], abs=2e-5)
        for name in ("LSTE", "LUS"):
            seen = [one for one in told.seen if one.modality == name]
            assert sum(one.weight or 0 for one in seen) == pytest.approx(1.0 if seen else 0, abs=1e-6)
            assert sum(one.share for one in seen) == pytest.approx(told.shares[name] if seen else 0, abs=1e-4)


def test_bags_learn_and_ask_about_whole_patients(cohort: Cohort, tmp_path: Path) -> None:
    plan = bags_plan("attention", "training.epochs=60", "training.frozen_l2=0.001", "calibration.map=none")
    task = make_task(cohort, plan)
    fold = task.folds[0]
    learner = make_learner(cohort, plan, task.space, fold.train, 0)
    examples = examples_of(task, fold.train, 0)
    losses = [record["loss"] for record in learner.fit(examples, 0)]
    assert losses[-1] < 0.5 * losses[0]
    with torch.inference_mode():
        _, weights = learner.head.stream("LUS").opened(learner.features["LUS"])
    assert float((weights - equal_weights(pictures_there(learner.features["LUS"]))).abs().max()) > 0.01
    assert predict(learner, task.space.all_ids(fold.test)).shape == (len(fold.test), 5)

    rounds = ["active.rounds=1", "active.query=4", "active.initial=6", "training.epochs=2", "active.strategy=badge"]
    whole = bags_plan("attention", "active.unit=patient", *rounds)
    metrics = run_active(cohort, whole, tmp_path / "asked")
    assert metrics is not None
    with pytest.raises(PlanError, match=r'active.unit = "candidate".*"patient"'):
        run_active(cohort, bags_plan("attention", "active.unit=candidate", *rounds), tmp_path / "other")


def test_a_bag_is_bad_where_all_its_pictures_are() -> None:
    assert all_bad(np.array([True, True, True, False]), np.array([2, 2, 5, 5])).tolist() == [True, False]


def test_what_bags_cannot_do_is_said(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r'network.pooling = "features".*training.finetune = "last"'):
        bags_plan("features", "training.finetune=last")
    train(cohort, bags_plan("features", "training.epochs=1"), tmp_path / "run")
    with pytest.raises(RunError, match="graphs are of one picture"):
        export_onnx(open_model(tmp_path / "run"), tmp_path / "onnx")
