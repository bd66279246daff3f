"""Fine-tuning shares images between candidates: epochs, gradients and batch statistics."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.pictures import space_of
from fibrostage.cohort.store import Cohort
from fibrostage.learn.fit_head import Examples
from fibrostage.learn.fit_network import (
    PixelSource,
    WeightAverage,
    batch_loss,
    epoch_batches,
    make_optimiser,
    set_training,
)
from fibrostage.learn.task import examples_of, make_task
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import MMFN, Head
from fibrostage.networks.weights import build_backbone
from fibrostage.plan.run_plan import Plan
from fibrostage.plan.training import TrainingPlan

Build = Callable[..., Plan]


@pytest.mark.parametrize("together", [1, 4])
def test_an_epoch_covers_every_image_in_few_candidates(together: int) -> None:
    rows = np.array([[5 * p + i, 21 * p + j] for p in range(6) for i in range(5) for j in range(21)])
    patients = np.arange(6).repeat(105)
    batches = epoch_batches(rows, patients, 16, together, np.random.default_rng(0))
    drawn = np.concatenate(batches)
    assert set(rows[drawn, 0]) == set(range(30))
    assert set(rows[drawn, 1]) == set(range(126))
    images = sum(len(np.unique(rows[part, 0])) + len(np.unique(rows[part, 1])) for part in batches)
    if together == 1:
        assert 126 <= len(drawn) <= 156
    else:
        assert len(drawn) > 2.5 * 156, "more pairs of no more images"
    assert images <= 2 * 156
    assert all(len(np.unique(part)) == len(part) for part in batches)


def test_one_pair_a_patient_is_the_same_epoch_however_many_go_together() -> None:
    rows = np.stack([np.arange(50), np.where(np.arange(50) % 7, np.arange(50), -1)], axis=1)
    batches = epoch_batches(rows, np.arange(50), 16, 4, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == list(range(50))


def whole_network(cohort: Cohort, plan: Plan) -> tuple[MMFN, PixelSource, Examples]:
    spec = BACKBONES["tiny"]
    torch.manual_seed(0)
    head = Head(("LSTE", "LUS"), dict.fromkeys(("LSTE", "LUS"), 32), 5, 8, 2)
    network = MMFN({n: build_backbone(spec, "random", k) for k, n in enumerate(("LSTE", "LUS"))}, head)
    space = space_of(cohort, ("LSTE", "LUS"))
    ids = np.concatenate([np.arange(0, 12), space.all_ids([3])])
    return (
        network,
        PixelSource(cohort, ("LSTE", "LUS"), spec),
        Examples(space.decode(ids), cohort.stages[space.patient_of(ids)]),
    )


def test_shared_images_give_the_gradients_of_the_literal_per_candidate_network(
    cohort: Cohort, tiny_plan: Build
) -> None:
    network, source, examples = whole_network(cohort, tiny_plan())
    set_training(network, source.spec, "all")
    for backbone in network.backbones.values():
        backbone.eval()  # with batch statistics frozen the two are the same computation
    loss = batch_loss(network, source, examples, None, None, None, TrainingPlan(stream_loss=0.0))
    loss.backward()
    shared = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    logits = []
    for row in examples.rows:
        total = network.head.link.bias
        for k, name in enumerate(("LSTE", "LUS")):
            stream = network.head.stream(name)
            if row[k] < 0:
                total = total + stream.offset
            else:
                total = total + stream(network.pooled(name, source.images(name, row[k : k + 1], None)))[0]
        logits.append(total)
    literal = torch.nn.functional.cross_entropy(torch.stack(logits), torch.from_numpy(examples.stages))
    torch.testing.assert_close(loss, literal, rtol=1e-5, atol=1e-6)
    literal.backward()
    for name, parameter in network.named_parameters():
        if name in shared and parameter.grad is not None:
            torch.testing.assert_close(shared[name], parameter.grad, rtol=1e-3, atol=1e-4)


class Precise(PixelSource):
    """Pictures in float64, for backbones in float64: batch statistics of a few pictures magnify rounding."""

    def images(self, modality: str, rows: NDArray[np.int64], rng: np.random.Generator | None) -> torch.Tensor:
        return super().images(modality, rows, rng).double()


@pytest.mark.parametrize("grid", [True, False])
def test_batch_statistics_are_over_unique_images(cohort: Cohort, tiny_plan: Build, grid: bool) -> None:
    """With BatchNorm training, sharing equals the literal batch when every image occurs as often; else it differs.

    The literal batch holds an image once for every candidate it is in, so its statistics are weighed by that.
    """
    network, source, _ = whole_network(cohort, tiny_plan())
    space = space_of(cohort, ("LSTE", "LUS"))
    ids = np.concatenate([space.all_ids([p]) for p in (0, 1)]) if grid else np.array([0, 1, 2, 6])
    examples = Examples(space.decode(ids), cohort.stages[space.patient_of(ids)])
    set_training(network, source.spec, "all")
    network.backbones.double()
    source = Precise(source.cohort, source.modalities, source.spec)
    loss = batch_loss(network, source, examples, None, None, None, TrainingPlan(stream_loss=0.0))
    loss.backward()
    shared = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    logits: torch.Tensor = network.head.link.bias
    for k, name in enumerate(("LSTE", "LUS")):
        z = network.pooled(name, source.images(name, examples.rows[:, k], None))
        logits = logits + network.head.stream(name)(z)
    literal = torch.nn.functional.cross_entropy(logits, torch.from_numpy(examples.stages))
    literal.backward()
    apart = max(
        float((shared[n] - p.grad).abs().max())
        for n, p in network.named_parameters()
        if n in shared and p.grad is not None
    )
    largest = max(float(grad.abs().max()) for grad in shared.values())
    if grid:
        assert float((loss - literal).abs()) < 1e-4
        assert apart < 1e-4 * max(1.0, largest)
    else:
        assert 1e-4 < float((loss - literal).abs()) < 0.5


def test_gradient_descent_is_as_plain_as_the_plan_says(cohort: Cohort, tiny_plan: Build) -> None:
    network, _, _ = whole_network(cohort, tiny_plan())
    says = {"optimiser": "sgd", "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant", "head_lr": 0.5}
    optimiser, schedule = make_optimiser(network, TrainingPlan.model_validate(says), 10)
    weight = next(iter(network.head.parameters()))
    before = weight.detach().clone()
    for _ in range(3):
        weight.grad = torch.ones_like(weight)
        optimiser.step()
        schedule.step()
    torch.testing.assert_close(weight, before - 3 * 0.5)
    says |= {"schedule": "one_cycle", "momentum": 0.8}
    optimiser, schedule = make_optimiser(network, TrainingPlan.model_validate(says), 10)
    rates = []
    for _ in range(10):
        rates.append(optimiser.param_groups[1]["lr"])
        assert optimiser.param_groups[1]["momentum"] == 0.8
        optimiser.step()
        schedule.step() if len(rates) < 10 else None
    assert max(rates) == pytest.approx(0.5)
    assert rates[-1] < rates[0] < 0.1


@pytest.mark.parametrize(("asked", "least", "most"), [(64, 48, 64), ('"all"', 105, 105), (10, 21, 21)])
def test_as_many_candidates_of_a_patient_are_learned_from_as_the_plan_says(
    cohort: Cohort, tiny_plan: Build, asked: object, least: int, most: int
) -> None:
    plan = tiny_plan(f"training.candidates={asked}", "network.modalities=['LSTE', 'LUS']")
    task = make_task(cohort, plan)
    counts = np.array([[5, 21]])
    lone = replace(task, space=CandidateSpace(("LSTE", "LUS"), counts))
    examples = examples_of(lone, np.array([0]), 0)
    assert least <= len(examples.rows) <= most
    assert len(np.unique(examples.rows[:, 1])) == 21


def test_the_average_follows_what_learns_and_the_statistics_and_nothing_else(cohort: Cohort, tiny_plan: Build) -> None:
    network, source, _ = whole_network(cohort, tiny_plan())
    set_training(network, source.spec, "last")
    averaged = WeightAverage(network, 0.98)
    expected = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    learns = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    rng = torch.Generator().manual_seed(0)
    for step in range(1, 4):
        for name, tensor in network.state_dict().items():
            if name in learns or "running" in name:
                tensor.add_(torch.rand(tensor.shape, generator=rng))
            elif name.endswith("num_batches_tracked"):
                tensor.add_(1)
        decay = min(0.98, (1 + step) / (10 + step))
        for name, tensor in network.state_dict().items():
            floating = tensor.dtype.is_floating_point
            expected[name] = torch.lerp(expected[name], tensor, 1 - decay) if floating else tensor.clone()
        averaged.update()
    assert 0 < len(learns) < len(dict(network.named_parameters()))
    for name, tensor in averaged.average.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-7)
