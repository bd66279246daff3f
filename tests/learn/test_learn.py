"""Fitting and predicting on a tiny cohort: right, repeatable, and the same through every door."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

from fibrostage.cohort.describe import space_of
from fibrostage.cohort.store import Cohort
from fibrostage.ground.cache import cache_folder
from fibrostage.ground.errors import FibrostageError, PlanError, RunError, WeightsError
from fibrostage.ground.progress import SILENT
from fibrostage.learn import boundary_cache as boundary
from fibrostage.learn.boundary_cache import BoundarySource, maps_of
from fibrostage.learn.checkpoint import load_network
from fibrostage.learn.features import features_of
from fibrostage.learn.fit_head import Examples, class_weights, fit_frozen, unique_rows
from fibrostage.learn.fit_network import PixelSource, batch_loss, epoch_batches, set_training
from fibrostage.learn.images import apply, as_tensor, draw, normalise
from fibrostage.learn.learner import FrozenLearner, make_learner, predict
from fibrostage.learn.model import predict_cohort
from fibrostage.learn.projection import fit_projection, fold
from fibrostage.learn.train import examples_of, make_task, plan_for, train
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import MMFN, Head
from fibrostage.networks.stream import Stream
from fibrostage.networks.weights import build_backbone
from fibrostage.plan.run_plan import Plan, TrainingPlan

Build = Callable[..., Plan]


def test_a_projection_folds_into_the_reduction_exactly() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(3, 2, (40, 12)).astype(np.float32)
    z[:, 5] = 1.0  # never varies in training
    projection = fit_projection(z, 6)
    assert projection.matrix.shape == (6, 12)
    assert (projection.matrix[:, 5] == 0).all()
    norms = (fit_projection(z, 12)(z) ** 2).sum(axis=1)
    assert norms.mean() == pytest.approx(400, rel=0.01)
    torch.manual_seed(0)
    stream = Stream(6, 3, reduce=8, se_reduction=2)
    fresh = rng.normal(3, 2, (5, 12)).astype(np.float32)
    torch.testing.assert_close(
        fold(stream, projection)(torch.from_numpy(fresh)),
        stream(torch.from_numpy(projection(fresh))),
        rtol=1e-4, atol=1e-4,
    )  # fmt: skip


def test_features_are_cached_by_what_they_depend_on(cohort: Cohort) -> None:
    spec = BACKBONES["resnet18"]
    first, other = (build_backbone(spec, "random", seed) for seed in (0, 1))
    a = features_of(cohort, "LSTE", spec, first)
    files = sorted((cache_folder() / "features").iterdir())
    assert a.shape == (40, 512)
    np.testing.assert_array_equal(features_of(cohort, "LSTE", spec, first), a)
    assert sorted((cache_folder() / "features").iterdir()) == files
    b = features_of(cohort, "LSTE", spec, other)
    assert not np.allclose(a, b)
    newest = max((cache_folder() / "features").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    newest.write_bytes(b"damaged")
    np.testing.assert_array_equal(features_of(cohort, "LSTE", spec, other), b)


def separable(n: int = 60) -> tuple[Head, dict[str, torch.Tensor], Examples]:
    rng = np.random.default_rng(0)
    stages = rng.integers(0, 3, n)
    z = np.eye(3)[stages] * 6 + rng.normal(0, 1, (n, 3))
    torch.manual_seed(0)
    head = Head(("a",), {"a": 3}, 3, reduce=8, se_reduction=2)
    return head, {"a": torch.from_numpy(z).float()}, Examples(np.arange(n)[:, None], stages)


def test_a_frozen_fit_learns_is_repeatable_and_stops_early() -> None:
    states = []
    for _ in range(2):
        head, features, examples = separable()
        history = fit_frozen(head, features, examples, TrainingPlan(epochs=60, frozen_l2=1e-3, frozen_lr=0.02), seed=3)
        states.append(head.state_dict())
        assert history[-1]["loss"] < 0.4 < history[0]["loss"]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])

    head, features, examples = separable()
    rng = np.random.default_rng(1)
    noise = Examples(examples.rows, rng.permutation(examples.stages))
    plan = TrainingPlan(epochs=60, patience=3, frozen_lr=0.05, frozen_l2=0)
    history = fit_frozen(head, features, examples, plan, 0, validation=noise)
    assert len(history) < 60
    losses = [record["validation_loss"] for record in history]
    assert losses.index(min(losses)) == len(losses) - 1 - 3


def test_class_weights_average_to_one() -> None:
    weights = class_weights(np.array([0, 0, 0, 1]), 3, True)
    assert weights is not None
    assert weights.tolist() == pytest.approx([4 / 6, 2.0, 0.0])
    assert class_weights(np.array([0, 1]), 2, False) is None


def test_unique_rows_renumber_a_batch() -> None:
    images, local = unique_rows(np.array([[5, 9], [5, -1], [2, 9]]))
    assert [part.tolist() for part in images] == [[2, 5], [9]]
    assert local.tolist() == [[1, 0], [1, -1], [0, 0]]


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


def test_colours_of_an_elastogram_are_never_changed() -> None:
    rng = np.random.default_rng(0)
    changes = draw(50, "elastogram", rng)
    assert (changes.gain == 1).all()
    assert (changes.lift == 0).all()
    flat = torch.full((50, 3, 16, 16), 120.0)
    inside = apply(flat, changes)[:, :, 6:10, 6:10]
    torch.testing.assert_close(inside, torch.full_like(inside, 120.0))
    assert not (draw(50, "bmode", rng).gain == 1).any()


def whole_network(cohort: Cohort, plan: Plan) -> tuple[MMFN, PixelSource, Examples]:
    spec = BACKBONES["resnet18"]
    torch.manual_seed(0)
    head = Head(("LSTE", "LUS"), dict.fromkeys(("LSTE", "LUS"), 512), 5, 8, 2)
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


def test_last_trains_the_last_blocks_and_nothing_else(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan("training.finetune=last", "training.epochs=1", "network.modalities=['LUS']")
    before = build_backbone(BACKBONES["resnet18"], "random", 0).state_dict()
    train(cohort, plan, tmp_path / "run")
    network, _ = load_network(tmp_path / "run" / "model.safetensors")
    changed = {
        key.split(".")[0]
        for key, value in network.backbone("LUS").state_dict().items()
        if not torch.equal(value, before[key])
    }
    assert changed == {"layer4"}


@pytest.mark.parametrize("finetune", ["head", "all"])
def test_a_run_writes_what_others_read_and_is_repeatable(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path, finetune: str
) -> None:
    plan = tiny_plan(f"training.finetune={finetune}", "training.epochs=2")
    evaluation = train(cohort, plan, tmp_path / "a")
    train(cohort, plan, tmp_path / "b")
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert metrics == json.loads((tmp_path / "b" / "metrics.json").read_text())
    assert metrics["n_patients"] == evaluation.n_patients == 4
    assert set(metrics["accuracy"]) == {"value", "lo", "hi"}
    assert list(metrics["auc_at_cut"]) == ["F2", "F3", "F4"]
    assert {"value", "lo", "hi"} <= set(metrics["auc_at_cut"]["F2"])
    assert metrics["simulated"] is False
    predictions = pl.read_parquet(tmp_path / "a" / "predictions.parquet")
    assert predictions.equals(pl.read_parquet(tmp_path / "b" / "predictions.parquet"))
    assert predictions.columns[:7] == ["patient_id", "candidate", "split", "fold", "seed", "method", "stage"]
    sums = predictions.select(pl.sum_horizontal(f"p_{k}" for k in range(5))).to_series()
    np.testing.assert_allclose(sums.to_numpy(), 1, atol=1e-5)
    assert Plan.load(tmp_path / "a" / "plan.json") == plan
    staged = predict_cohort(tmp_path / "a", cohort, tmp_path / "staged.csv")
    assert len(staged) == 20
    one = predictions["patient_id"][0]
    expected = predictions.filter(pl.col("patient_id") == one)["p_0"].mean()
    assert staged.filter(pl.col("patient_id") == one)["p_F0"].item() == pytest.approx(expected, abs=2e-5)


def test_folds_are_pooled_per_patient(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan("split.scheme=column", "split.validation=0.2", "training.class_weights=true")
    evaluation = train(cohort, plan, tmp_path / "run")
    assert evaluation.n_patients == 20
    assert sorted(p.name for p in (tmp_path / "run").glob("model*")) == [f"model-0.{k}.safetensors" for k in range(4)]


def test_mono_modal_and_fused_learn_what_the_pictures_show(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    """Brightness is the stage here; any working network finds it."""
    overrides = ("split.scheme=kfold", "split.folds=4", "training.epochs=40")
    for name, modalities in (("a", "['LSTE']"), ("b", "['LUS']"), ("c", "['LSTE', 'LUS']")):
        plan = tiny_plan(*overrides, f"network.modalities={modalities}")
        evaluation = train(cohort, plan, tmp_path / name)
        assert evaluation.auc_macro.value is not None
        assert evaluation.auc_macro.value > 0.85, name
        assert evaluation.n_patients == (19 if name == "b" else 20)


def test_a_modality_that_no_training_patient_has_is_an_error(cohort: Cohort, tiny_plan: Build) -> None:
    plan = tiny_plan()
    task = make_task(cohort, plan)
    with pytest.raises(PlanError, match="no training patient has a LUS image"):
        make_learner(cohort, plan, task.space, np.array([3]), 0)


def test_the_plans_cuts_are_the_ones_evaluated(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    evaluation = train(cohort, tiny_plan("staging.cuts=['F1']", "training.epochs=2"), tmp_path / "run")
    assert list(evaluation.auc_at_cut) == ["F1"]


def test_test_patients_shape_nothing(cohort: Cohort, tiny_plan: Build) -> None:
    """The projection and the fit see training patients only: scrambling test labels changes no prediction."""
    plan = tiny_plan()
    task = make_task(cohort, plan)
    fold_ = task.folds[0]
    learner = make_learner(cohort, plan, task.space, fold_.train, 0)
    assert isinstance(learner, FrozenLearner)
    backbone = build_backbone(BACKBONES["resnet18"], "random", 0)
    z = features_of(cohort, "LSTE", BACKBONES["resnet18"], backbone, mirror=plan.training.mirror)
    own = np.isin(cohort.owners("LSTE"), fold_.train)
    expected = fit_projection(z[own], plan.training.components)
    np.testing.assert_array_equal(learner.projections["LSTE"].mean, expected.mean)


def ids_of(task_total: int) -> NDArray[np.int64]:
    return np.arange(task_total, dtype=np.int64)


def test_predictions_do_not_depend_on_the_block(
    cohort: Cohort, tiny_plan: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tiny_plan()
    task = make_task(cohort, plan)
    learner = make_learner(cohort, plan, task.space, task.folds[0].train, 0)
    whole = predict(learner, ids_of(task.space.total))
    import fibrostage.learn.learner as module

    monkeypatch.setattr(module, "blocks_of", lambda ids: [ids[k : k + 7] for k in range(0, len(ids), 7)])
    np.testing.assert_array_equal(predict(learner, ids_of(task.space.total)), whole)


def test_plans_that_do_not_fit_the_cohort(cohort: Cohort, tmp_path: Path, tiny_plan: Build) -> None:
    with pytest.raises(PlanError, match=r"the plan stages x \['a', 'b'\]"):
        plan_for(cohort, {"staging": {"name": "x", "classes": ["a", "b"]}}, [], "plan")
    with pytest.raises(PlanError, match=r"wants elastogram, 99 px, 3 channels, fit 'pad'.*holds elastogram, 32 px"):
        plan_for(cohort, {"modality": [{"name": "LSTE", "kind": "elastogram", "size": 99}]}, [], "plan")
    with pytest.raises(PlanError, match="Batts"):
        plan_for(cohort, {"staging": {"name": "Batts", "classes": ["F0", "F1", "F2", "F3", "F4"]}}, [], "plan")
    with pytest.raises(PlanError, match=r"'LSTQ' is not in cohort.*it has LSTE, LUS"):
        plan_for(cohort, {"modality": [{"name": "LSTQ"}]}, [], "plan")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(RunError, match="never overwritten"):
        train(cohort, tiny_plan(), tmp_path / "full")
    with pytest.raises(WeightsError):
        train(cohort, tiny_plan("network.weights=no/such.pth"), tmp_path / "failed")
    assert not (tmp_path / "failed").exists()
    with pytest.raises(FibrostageError, match="holds no model"):
        predict_cohort(tmp_path / "full", cohort, tmp_path / "out.csv")


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


def test_last_trains_from_cached_maps_as_it_would_from_pixels(cohort: Cohort, tiny_plan: Build) -> None:
    """Without random changes the two are one computation, to the half precision that the maps are kept in."""
    settings = ("training.finetune=last", "training.epochs=2", "training.augment=false", "training.average=0")
    fitted = []
    for cached in ("true", "false"):
        plan = tiny_plan(*settings, f"training.boundary={cached}")
        task = make_task(cohort, plan)
        learner = make_learner(cohort, plan, task.space, task.folds[0].train, 0)
        learner.fit(examples_of(task, task.folds[0].train, 0), 0)
        fitted.append(learner)
    assert isinstance(fitted[0].source, BoundarySource)  # type: ignore[attr-defined]
    for name in ("LSTE", "LUS"):
        of_maps, direct = (learner.features[name] for learner in fitted)
        torch.testing.assert_close(of_maps, direct, rtol=0.02, atol=0.02)


def test_maps_are_cached_by_what_they_depend_on(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = BACKBONES["resnet18"]
    backbone = build_backbone(spec, "random", 0).eval()
    first = maps_of(cohort, "LUS", spec, backbone, "float32", SILENT)
    pixels = cohort.pixels("LUS")
    images = normalise(as_tensor(pixels[:3], spec), spec)
    with torch.inference_mode():
        for view, seen in enumerate((images, images.flip(3))):
            kept = torch.from_numpy(first[:3, view].copy()).float()
            torch.testing.assert_close(kept, backbone.front(seen), rtol=2e-3, atol=2e-3)
    calls = []
    monkeypatch.setattr(boundary, "compute", lambda *a: calls.append(a))
    with torch.no_grad():
        next(p for n, p in backbone.named_parameters() if n.startswith("layer4")).add_(1)
    again = maps_of(cohort, "LUS", spec, backbone, "float32", SILENT)
    np.testing.assert_array_equal(first, again)
    assert not calls, "what lies behind the boundary does not matter"
    with torch.no_grad():
        backbone.conv1.weight.add_(1)
    with pytest.raises(FileNotFoundError):
        maps_of(cohort, "LUS", spec, backbone, "float32", SILENT)
    assert len(calls) == 1


def test_a_disk_too_small_for_the_maps_is_said(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = BACKBONES["resnet18"]
    monkeypatch.setattr(boundary.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(RunError, match=r"need 0\.\d GiB .* training.boundary = false"):
        maps_of(cohort, "LUS", spec, build_backbone(spec, "random", 9), "float32", SILENT)


def test_two_processes_fill_one_cache(cohort: Cohort, tmp_path: Path) -> None:
    """Features and maps asked for by two processes at once: both get them whole, and one file of each is left."""
    script = """
import hashlib, sys
from pathlib import Path
import numpy as np
from fibrostage.cohort.store import open_cohort
from fibrostage.learn.boundary_cache import maps_of
from fibrostage.learn.features import features_of
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone
from fibrostage.ground.progress import SILENT
cohort, spec = open_cohort(Path(sys.argv[1])), BACKBONES["resnet18"]
backbone = build_backbone(spec, "random", 5)
z = features_of(cohort, "LUS", spec, backbone, "float32")
maps = maps_of(cohort, "LSTE", spec, backbone, "float32", SILENT)
print(hashlib.sha256(z.tobytes() + np.ascontiguousarray(maps).tobytes()).hexdigest())
"""
    environment = {**os.environ, "FIBROSTAGE_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, str(cohort.path)]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1]
    assert len(answers[0].strip()) == 64
    assert sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file()) == [".npy", ".npy"]
