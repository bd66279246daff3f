"""The DLRE network from end to end: trained on a task, both cohorts reported, and networks that do not fit."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import CohortError, PlanError, WeightsError
from fibrostage.ground.stage import METAVIR
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.predict_cohort import predict_cohort
from fibrostage.learn.train import train
from fibrostage.networks.fusion import make_head
from fibrostage.plan.network import NetworkPlan
from fibrostage.results.predictions import TEST, TRAINING, scores_of
from fibrostage.stats.auc import delong
from tests.learn.dlre_plans import quick_plan


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
    table = predict_cohort(transferred, crops, tmp_path / "p.csv").table()
    assert table.columns[:7] == ["patient_id", "stage", "p_<F2", "p_≥F2", "possible", "far_outside", "trained_on"]
    assert table.columns[7:] == ["answer", "rule_≥F2", "reasons"]
    assert set(table["stage"]) <= {"<F2", "≥F2"}


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
    assert metrics.staging("METAVIR") == METAVIR
    whole = quick_plan(crops, network={"name": "dlre"})
    assert train(crops, whole, tmp_path / "five").staging("METAVIR") == METAVIR
    again, plan_again = tmp_path / "again", plan_for(crops, whole.model_dump(mode="json"), [], "again")
    assert plan_again == whole
    train(crops, plan_again, again)
    first, second = (pl.read_parquet(run / "predictions.parquet") for run in (tmp_path / "five", again))
    assert first.equals(second)
