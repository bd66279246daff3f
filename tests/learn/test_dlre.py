"""The DLRE network from end to end: a source, a transfer, both cohorts reported, pictures, and where it looks."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from fibrostage.campaign.run import run_active
from fibrostage.cli.tables import explanation_line
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import CohortError, PlanError, WeightsError
from fibrostage.ground.stage import METAVIR
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.explain import bland, explain_run, share_inside
from fibrostage.learn.images import mirror
from fibrostage.learn.losses import stage_loss
from fibrostage.learn.model import predict_cohort
from fibrostage.learn.train import make_task, plan_for, train
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import make_head
from fibrostage.networks.weights import backbone_of, build_backbone, source_of
from fibrostage.plan.run_plan import NetworkPlan, Plan
from fibrostage.report.page import write_report
from fibrostage.results.predictions import TEST, TRAINING, scores_of
from fibrostage.stats.auc import delong
from tests.conftest import CROPS, make_elastograms

Build = Callable[..., Plan]

QUICK = {
    "training": {"epochs": 1, "precision": "float32"},
    "evaluation": {"bootstrap": 100},
}


def quick_plan(cohort: Cohort, **sections: dict[str, object]) -> Plan:
    return plan_for(cohort, {**QUICK, **sections}, [], "test")


@pytest.fixture(scope="module")
def source(crops: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned F3 from scratch."""
    out = tmp_path_factory.mktemp("source") / "run"
    train(crops, quick_plan(crops, network={"name": "basic_cnn"}, staging={"task": "F3"}), out)
    return out


@pytest.fixture(scope="module")
def transferred(crops: Cohort, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned F2 behind the source's first three layers."""
    out = tmp_path_factory.mktemp("target") / "run"
    network = {"name": "transfer", "weights": str(source)}
    train(crops, quick_plan(crops, network=network, staging={"task": "F2"}), out)
    return out


def test_squared_errors_are_the_papers_loss_against_the_literal() -> None:
    logits, stages = torch.tensor([[2.0, 0.0], [0.5, 1.0], [0.0, 3.0]]), torch.tensor([0, 0, 1])
    literal = [
        sum((float(p) - float(k == stage)) ** 2 for k, p in enumerate(row.softmax(0)))
        for row, stage in zip(logits, stages, strict=True)
    ]
    assert float(stage_loss("squared", logits, stages)) == pytest.approx(np.mean(literal))
    weights = torch.tensor([1.0, 3.0])
    weighted = np.average(literal, weights=[1, 1, 3])
    assert float(stage_loss("squared", logits, stages, weights)) == pytest.approx(weighted)


def test_a_mirrored_picture_is_flipped_sideways() -> None:
    x = torch.arange(2 * 3 * 2 * 2).view(2, 3, 2, 2).float()
    found = mirror(x, np.array([True, False]))
    assert torch.equal(found[0], x[0].flip(2))
    assert torch.equal(found[1], x[1])


def test_transfer_takes_three_layers_and_leaves_the_rest_random(source: Path) -> None:
    whole = load_file(source / "model.safetensors")
    taken = backbone_of(
        NetworkPlan(name="transfer", backbone="dlre", weights=str(source), load="front"), 5
    ).state_dict()
    fresh = build_backbone(BACKBONES["dlre"], "random", 5).state_dict()
    for key, tensor in taken.items():
        expected = fresh[key] if key.startswith(("layer4.", "full.")) else whole[f"backbones.modality_LSTE.{key}"]
        assert torch.equal(tensor, expected), key


def test_the_first_three_layers_stay_as_they_came(source: Path, transferred: Path) -> None:
    before, after = load_file(source / "model.safetensors"), load_file(transferred / "model.safetensors")
    changed = {key for key in before if key.startswith("backbones.") and not torch.equal(before[key], after[key])}
    assert {key.split(".")[2] for key in changed} == {"layer4", "full"}


def test_the_source_is_named_and_hashed_in_the_plan(crops: Cohort, source: Path, transferred: Path) -> None:
    recorded = json.loads((transferred / "plan.json").read_text())["network"]["source"]
    assert recorded["cohort"] == crops.name
    assert recorded["fingerprint"] == crops.fingerprint
    assert recorded["task"] == "METAVIR at or above F3"
    known = source_of(str(source))
    assert known is not None
    assert recorded["sha256"] == known.sha256
    page = write_report(transferred).read_text()
    assert recorded["sha256"] in page


def test_other_weights_under_the_same_name_are_refused(crops: Cohort, source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model.safetensors"
    copy.write_bytes((source / "model.safetensors").read_bytes())
    network = {"name": "transfer", "weights": str(copy)}
    plan = quick_plan(crops, network=network)
    changed = load_file(copy)
    key = "backbones.modality_LSTE.layer1.bias"
    save_file({**changed, key: changed[key] + 1}, copy)
    with pytest.raises(PlanError, match=r"the plan was made with"):
        plan_for(crops, plan.model_dump(mode="json"), [], "again")
    copy.unlink()
    with pytest.raises(PlanError, match=r"is not there; the plan was made with"):
        plan_for(crops, plan.model_dump(mode="json"), [], "again")


def test_both_cohorts_and_pictures_are_reported(crops: Cohort, transferred: Path) -> None:
    metrics = json.loads((transferred / "metrics.json").read_text())
    predictions = pl.read_parquet(transferred / "predictions.parquet")
    assert metrics["n_patients"] == 7  # a third of 20
    assert metrics["n_training"] == metrics["training"]["n_patients"] == 13
    assert metrics["classes"] == ["<F2", "≥F2"]
    assert metrics["flow"]["excluded"] == {"antiviral treatment": 2}
    staging = METAVIR.at("F2")
    test, training = (scores_of(predictions, staging, split) for split in (TEST, TRAINING))
    assert not set(test.patients) & set(training.patients)
    pictures = scores_of(predictions, staging, TEST, by="picture")
    owned = dict(crops.images.select("patient_id", "source").unique().group_by("patient_id").len().iter_rows())
    assert metrics["pictures"]["n_pictures"] == len(pictures) == sum(owned[patient] for patient in test.patients) > 7
    own = predictions.filter((pl.col("split") == TEST) & (pl.col("picture") == predictions["picture"][0]))
    assert len(own) == 3  # crops of one picture are one picture


def test_pictures_of_a_patient_are_a_cluster(crops: Cohort, transferred: Path) -> None:
    """Two pictures a patient: the interval is the clustered one."""
    metrics = json.loads((transferred / "metrics.json").read_text())
    found = scores_of(pl.read_parquet(transferred / "predictions.parquet"), METAVIR.at("F2"), TRAINING, by="picture")
    interval = delong(found.stages == 1, found.probabilities[:, 1], found.patients).interval(0)
    independent = delong(found.stages == 1, found.probabilities[:, 1]).interval(0)
    assert metrics["training"]["pictures"]["auc_at_cut"]["≥F2"]["lo"] == pytest.approx(interval.lo)
    assert interval.lo != independent.lo


def test_tasks_share_their_split(crops: Cohort, source: Path, transferred: Path) -> None:
    who = [
        set(pl.read_parquet(run / "predictions.parquet").filter(pl.col("split") == TEST)["patient_id"])
        for run in (source, transferred)
    ]
    assert who[0] == who[1]


def test_a_task_is_predicted_as_a_task(crops: Cohort, transferred: Path, tmp_path: Path) -> None:
    table = predict_cohort(transferred, crops, tmp_path / "p.csv")
    assert table.columns == ["patient_id", "stage", "p_<F2", "p_≥F2"]
    assert set(table["stage"]) <= {"<F2", "≥F2"}


@pytest.mark.parametrize("how", ["occlusion", "gradients"])
def test_attributions_are_measured_inside_the_box_and_shown(
    how: str, crops: Cohort, transferred: Path, tmp_path: Path
) -> None:
    table = explain_run(transferred, crops, 3, how)
    assert len(table) == table["patient_id"].n_unique() == 3
    test = set(pl.read_parquet(transferred / "predictions.parquet").filter(pl.col("split") == TEST)["patient_id"])
    assert set(table["patient_id"]) <= test
    assert table["share_inside"].is_between(0, 1).all()
    assert table["area_inside"].to_list() == pytest.approx([120 * 100 / 250**2] * 3)
    page = write_report(transferred, tmp_path / "report").read_text()
    assert "Where the network looks" in page
    assert "lies inside the box" in page


def test_the_share_inside_a_box_is_counted_literally() -> None:
    found = np.zeros((10, 10))
    found[2:4, 3:8] = -1
    found[0, 0] = 10
    assert share_inside(found, (6, 4, 10, 4), 20) == (pytest.approx(10 / 20), pytest.approx(0.1))
    assert share_inside(np.zeros((10, 10)), (0, 0, 20, 20), 20) == (None, 1.0)


def test_the_bland_picture_has_no_colour_and_is_black_where_all_was_black() -> None:
    picture = torch.zeros(1, 3, 100, 100)
    picture[0, :, 50:] = torch.tensor([200.0, 40, 0])[:, None, None]
    found = bland(picture)
    assert torch.equal(found[0, 0], found[0, 1])
    assert float(found[0, 0, :39].max()) == 0
    assert float(found[0, 0, -1, 50]) == pytest.approx(80)
    flat = torch.full((1, 3, 100, 100), 7.0)
    torch.testing.assert_close(bland(flat), flat)


def test_what_cannot_be_explained(crops: Cohort, transferred: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="--by 'occlusoin', did you mean 'occlusion'"):
        explain_run(transferred, crops, how="occlusoin")
    with pytest.raises(PlanError, match="--modality 'XQ'; the run sees LSTE"):
        explain_run(transferred, crops, modality="XQ")
    with pytest.raises(WeightsError, match="holds no model"):
        explain_run(tmp_path, crops)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            {"name": "basic_cnn", "weights": "imagenet"},
            r"'basic_cnn' is .* means network.weights = 'random', got 'imag",
        ),
        ({"name": "transfer"}, "give network.weights the run folder or the file"),
        ({"name": "dlre", "weights": "imagenet"}, "dlre was never trained on ImageNet"),
        ({"name": "dlree"}, "unknown network 'dlree', did you mean 'dlre'"),
        (
            {"name": "dlre", "backbone": "resnet18"},
            "'dlre' is the network of the DLRE paper: it means network.backbone",
        ),
    ],
)
def test_networks_that_contradict_their_name(
    network: dict[str, object], message: str, crops: Cohort, tmp_path: Path
) -> None:
    with pytest.raises((PlanError, WeightsError), match=message):
        train(crops, quick_plan(crops, network=network), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_crops_of_another_size_are_refused(cohort: Cohort) -> None:
    with pytest.raises(PlanError, match=r"reads crops of 250×250 pixels, LSTE of cohort 'cohort' is stored at 32×32"):
        plan_for(cohort, {"network": {"name": "dlre", "modalities": ["LSTE"]}}, [], "test")


def test_weights_of_another_architecture_are_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is not for resnet18: it lacks 'conv1.weight' .* its first is 'full.bias'"):
        build_backbone(BACKBONES["resnet18"], str(source), 0)
    state = {f"backbones.modality_LSTE.{k}": v for k, v in BACKBONES["dlre"].build().state_dict().items()}
    state["backbones.modality_LSTE.layer2.weight"] = torch.zeros(32, 16, 3, 3)
    save_file(state, tmp_path / "m.safetensors", {"plan": "{}"})
    with pytest.raises(WeightsError, match=r"'layer2.weight' has shape \(32, 16, 3, 3\), dlre needs \(16, 16, 3, 3\)"):
        build_backbone(BACKBONES["dlre"], str(tmp_path / "m.safetensors"), 0)
    twice = {**state, **{key.replace("LSTE", "SSTE"): tensor for key, tensor in state.items()}}
    twice = {key: tensor.clone() for key, tensor in twice.items()}
    save_file(twice, tmp_path / "two.safetensors", {"plan": "{}"})
    with pytest.raises(WeightsError, match="holds a backbone for each of LSTE, SSTE"):
        build_backbone(BACKBONES["dlre"], str(tmp_path / "two.safetensors"), 0)
    save_file({"head.x": torch.zeros(1)}, tmp_path / "frozen.safetensors", {"plan": "{}"})
    with pytest.raises(WeightsError, match="trained a head on a frozen backbone"):
        build_backbone(BACKBONES["dlre"], str(tmp_path / "frozen.safetensors"), 0)


def test_a_cut_nobody_meets_is_refused(crops: Cohort, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="unknown cut 'F5'; METAVIR has cuts at F1, F2, F3, F4"):
        quick_plan(crops, staging={"task": "F5"})
    low = crops.patients.with_columns(
        stage=pl.when(pl.col("stage") == "F4").then(pl.lit("F3")).otherwise(pl.col("stage"))
    )
    from dataclasses import replace

    with pytest.raises(CohortError, match=r"of stages \['<F4'\]; training and testing need .* 2 stages"):
        train(replace(crops, patients=low), quick_plan(crops, staging={"task": "F4"}), tmp_path / "run")


def test_a_plain_stream_is_one_linear_layer() -> None:
    plan = NetworkPlan(name="plain", stream="plain", dropout=0.0)
    head = make_head(plan, ("A",), {"A": 6}, 3)
    z = torch.rand(4, 6)
    stream = head.stream("A")
    literal = z @ stream.classify.weight.T + head.link.bias
    torch.testing.assert_close(head.fuse(head.tables({"A": z}), torch.arange(4)[:, None]), literal)


def test_five_classes_and_two_streams_also_run(crops: Cohort, tmp_path: Path) -> None:
    plan = quick_plan(crops, network={"name": "plain", "backbone": "dlre", "weights": "random"})
    metrics = train(crops, plan, tmp_path / "frozen")  # a linear layer on random features
    assert metrics.staging == METAVIR
    whole = quick_plan(crops, network={"name": "dlre"})
    assert train(crops, whole, tmp_path / "five").staging == METAVIR
    again, plan_again = tmp_path / "again", plan_for(crops, whole.model_dump(mode="json"), [], "again")
    assert plan_again == whole
    train(crops, plan_again, again)
    first, second = (pl.read_parquet(run / "predictions.parquet") for run in (tmp_path / "five", again))
    assert first.equals(second)


def test_a_plan_is_the_same_wherever_its_weights_lie(crops: Cohort, source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model.safetensors"
    copy.write_bytes((source / "model.safetensors").read_bytes())
    here, there = (quick_plan(crops, network={"name": "transfer", "weights": str(w)}) for w in (source, copy))
    assert here.digest() == there.digest()
    assert here.digest() != quick_plan(crops, network={"name": "basic_cnn"}).digest()


def test_a_folder_named_like_published_weights_is_not_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imagenet").mkdir()
    monkeypatch.chdir(tmp_path)
    assert source_of("imagenet") is None


def test_another_cohorts_patients_were_all_unseen(crops: Cohort, transferred: Path, tmp_path: Path) -> None:
    other = take_in(make_elastograms(tmp_path / "source", 6), tmp_path / "cohort", Plan.parse(CROPS))
    copy = tmp_path / "run"
    shutil.copytree(transferred, copy)
    assert set(explain_run(copy, other, 50, "gradients")["patient_id"]) == set(other.patient_ids)


def test_an_active_runs_model_is_explained_on_its_own_fold(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan("split.scheme=kfold", "split.folds=4", "active.fold=2", "active.rounds=1", "active.passes=2")
    run_active(cohort, plan, tmp_path / "run")
    table = explain_run(tmp_path / "run", cohort, 50, "gradients", "LUS")
    unseen = {cohort.patient_ids[row] for row in make_task(cohort, plan).folds[2].test}
    assert set(table["patient_id"]) <= unseen
    assert table["share_inside"].null_count() == len(table)  # B-mode has no box
    assert "measured" not in explanation_line(table) or "nothing is measured" in explanation_line(table)
