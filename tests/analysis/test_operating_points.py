"""Thresholds come from training patients alone, each fold's from its own, and are judged on test patients."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from fibrostage.analysis.judged import (
    NO_FITS,
    NO_TRAINING,
    NOTHING_KEPT,
    Judged,
    KeptRun,
    judged_markers,
    judged_networks,
    markers_of_scores,
)
from fibrostage.analysis.networks_and_markers import MARKER, NETWORK
from fibrostage.analysis.operating_points import RULE_IN, RULE_OUT, RULES, YOUDEN, all_points, grey_zones, points_of
from fibrostage.ground.stage import METAVIR
from fibrostage.stats.calling import Calling
from fibrostage.stats.roc import threshold_at_sensitivity, threshold_at_specificity, youden_threshold
from fibrostage.stats.rule_in_out import CutScores


def judged(held: dict[str, tuple[list[float], list[float]]], folds: list[str], score: list[float]) -> Judged:
    """Test patients, every other one positive; `held` are scores of training patients below and at the cut."""
    n = len(score)
    table = {
        fold: (np.repeat([False, True], [len(below), len(at)]), np.array([*below, *at]))
        for fold, (below, at) in held.items()
    }
    names = np.array([f"P{k}" for k in range(n)])
    why = "" if table else NOTHING_KEPT
    positive = np.arange(n) % 2 == 1
    return Judged("A", NETWORK, "F2", names, positive, np.array(score), tuple((fold,) for fold in folds), table, why)


def test_thresholds_are_those_of_the_training_patients_and_no_others() -> None:
    below, at = [0.1, 0.2, 0.3, 0.6], [0.4, 0.5, 0.7, 0.8]
    one = judged({"0.0": (below, at)}, ["0.0"] * 6, [0.1, 0.9, 0.35, 0.55, 0.45, 0.2])
    labels, scores = np.repeat([False, True], 4), np.array([*below, *at])
    expected = {
        YOUDEN: youden_threshold(labels, scores),
        RULE_OUT: threshold_at_sensitivity(labels, scores, 0.9),
        RULE_IN: threshold_at_specificity(labels, scores, 0.9),
    }
    points = {point.rule: point for point in points_of(one, "METAVIR", 0.95)}
    assert set(points) == set(RULES)
    for rule, threshold in expected.items():
        chosen, point = points[rule].chosen, points[rule].point
        assert chosen is not None
        assert point is not None
        assert chosen.lowest == chosen.highest == threshold
        assert chosen.n == 8
        assert point.tp == int((one.positive & (one.score >= threshold)).sum())
        assert point.n == 6
    turned = judged({"0.0": (below, at)}, ["0.0"] * 6, [0.9, 0.1, 0.6, 0.2, 0.7, 0.3])
    other = {point.rule: point for point in points_of(turned, "METAVIR", 0.95)}
    assert all(other[rule].chosen.lowest == expected[rule] for rule in RULES)  # type: ignore[union-attr]


def test_every_fold_has_its_own_threshold() -> None:
    held = {"0.0": ([0.1, 0.2], [0.3, 0.4]), "0.1": ([0.6, 0.7], [0.8, 0.9])}
    one = judged(held, ["0.0", "0.0", "0.1", "0.1"], [0.5, 0.5, 0.5, 0.5])
    youden = points_of(one, "METAVIR", 0.95)[0]
    assert youden.chosen is not None
    assert youden.point is not None
    assert (youden.chosen.lowest, youden.chosen.highest) == pytest.approx((0.25, 0.75))
    assert (youden.point.tp, youden.point.fp, youden.point.tn, youden.point.fn) == (1, 1, 1, 1)


def test_without_training_patients_it_says_why() -> None:
    one = judged({}, [""] * 4, [0.1, 0.9, 0.2, 0.8])
    assert {point.why for point in points_of(one, "METAVIR", 0.95)} == {NOTHING_KEPT}
    (zone,) = grey_zones(one, "METAVIR", 0.95)
    assert (zone.grey, zone.why) == (None, NOTHING_KEPT)
    single = judged({"0.0": ([0.1, 0.2], [])}, ["0.0"] * 4, [0.1, 0.9, 0.2, 0.8])
    assert "needs positives and negatives" in points_of(single, "METAVIR", 0.95)[0].why
    lacking = judged({"0.0": ([0.1, 0.2], [0.3])}, ["0.1"] * 4, [0.1, 0.9, 0.2, 0.8])
    assert points_of(lacking, "METAVIR", 0.95)[0].why == "no training patients of fold 0.1 were kept"


def test_the_grey_zone_is_what_neither_threshold_decides() -> None:
    below, at = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.62, 0.64, 0.66, 0.9], [0.25, 0.35, *[0.7 + k / 100 for k in range(8)]]
    score = [0.05, 0.1, 0.5, 0.55, 0.6, 0.69, 0.95, 0.8]
    (zone,) = grey_zones(judged({"0.0": (below, at)}, ["0.0"] * 8, score), "METAVIR", 0.95)
    assert zone.out_below is not None
    assert zone.in_from is not None
    assert zone.out_below.lowest < zone.in_from.lowest
    parts = [zone.ruled_out, zone.grey, zone.ruled_in]
    counted = [
        sum(s < zone.out_below.lowest for s in score) / 8,
        sum(zone.out_below.lowest <= s < zone.in_from.lowest for s in score) / 8,
        sum(s >= zone.in_from.lowest for s in score) / 8,
    ]
    assert [part.value for part in parts if part is not None] == counted
    clear = judged({"0.0": ([0.1, 0.2, 0.3], [0.7, 0.8, 0.9])}, ["0.0"] * 4, [0.1, 0.9, 0.2, 0.8])
    (none,) = grey_zones(clear, "METAVIR", 0.95)
    assert none.grey is None
    assert "one threshold keeps both rates" in none.why


def predictions(folds: list[str]) -> pl.DataFrame:
    stages = [f"F{k % 5}" for k in range(len(folds))]
    table = np.full((len(folds), 5), 0.1)
    table[np.arange(len(folds)), np.arange(len(folds)) % 5] = 0.6
    frame = pl.DataFrame(
        {"patient_id": [f"P{k:02d}" for k in range(len(folds))], "stage": stages, "split": "test", "fold": folds}
    )
    return frame.with_columns(pl.Series(f"p_{k}", table[:, k]) for k in range(5))


def test_a_run_is_judged_with_what_its_folds_kept() -> None:
    cuts = tuple(CutScores((0.1 * k, 0.2), (0.5, 0.6 + 0.1 * k)) for k in range(4))
    run = KeptRun("LSTE", 0, None, predictions(["0.0"] * 10), {"0.0": Calling(cuts=cuts)})
    found = judged_networks([run], METAVIR)
    assert [one.cut for one in found] == ["F2", "F3", "F4"]
    assert found[0].held["0.0"][1].tolist() == [0.1, 0.2, 0.5, 0.7]
    assert found[0].positives == 6
    older = judged_networks([KeptRun("LSTE", 0, None, predictions(["0.0"] * 10))], METAVIR)
    unfitted = judged_networks([KeptRun("LSTE", 0, None, predictions(["0.0"] * 10), {"0.0": Calling()})], METAVIR)
    assert older[0].why == NOTHING_KEPT
    assert unfitted[0].why == NO_FITS


def test_a_markers_training_patients_never_test_in_the_fold() -> None:
    people = pl.DataFrame(
        {
            "patient_id": [f"P{k}" for k in range(8)],
            "stage": ["F0", "F4"] * 4,
            "cohort": ["both"] * 8,
            "te": [5.0, 13.0, 6.0, 14.0, 7.5, 15.0, 8.0, None],
        }
    )
    folds = {f"P{k}": (f"0.{k // 4}",) for k in range(8)}
    found = {(one.method, one.cut): one for one in judged_markers(people, folds, METAVIR)}
    te = found["TE", "F4"]
    assert len(te) == 7, "who lacks it is not judged"
    assert sorted(te.held["0.0"][1].tolist()) == [7.5, 8.0, 15.0]
    assert sorted(te.held["0.1"][1].tolist()) == [5.0, 6.0, 13.0, 14.0]
    published = [point for point in all_points([te], "METAVIR", 0.95) if point.point is not None]
    assert [(point.rule, point.chosen.lowest) for point in published if point.chosen] == [("published", 12.5)]
    assert published[0].point is not None
    assert published[0].point.sensitivity.value == 1.0


def test_a_studys_markers_are_judged_on_the_seed_that_is_shown() -> None:
    rows = [
        {"cut": cut, "split": split, "method": "TE", "kind": MARKER, "patient_id": f"{split}{k}", "stage": f"F{k % 5}",
         "score": 5.0 + k, "seed": 0}
        for cut in METAVIR.cuts for split in ("test", "train") for k in range(5)
    ]  # fmt: skip
    found = markers_of_scores(pl.DataFrame(rows), METAVIR)
    assert [(one.cut, len(one), one.positives) for one in found] == [("F2", 5, 3), ("F3", 5, 2), ("F4", 5, 1)]
    assert found[0].held[""][1].tolist() == [5.0, 6.0, 7.0, 8.0, 9.0]


def test_a_studys_training_patients_come_from_what_its_run_kept_where_units_are_the_same() -> None:
    rows = [
        {"cut": "F4", "split": "test", "method": "TE", "kind": MARKER, "patient_id": f"P{k}", "stage": f"F{k}",
         "score": 5.0 + k, "seed": 0}
        for k in range(5)
    ]  # fmt: skip
    people = pl.DataFrame(
        {
            "patient_id": [f"P{k}" for k in range(10)],
            "stage": [f"F{k % 5}" for k in range(10)],
            "cohort": ["test"] * 5 + ["train"] * 5,
            "te": [5.0 + k for k in range(10)],
        }
    )
    found = markers_of_scores(pl.DataFrame(rows), METAVIR, people)
    assert found[-1].held[""][1].tolist() == [10.0, 11.0, 12.0, 13.0, 14.0]
    other = markers_of_scores(pl.DataFrame(rows), METAVIR, people.with_columns(te=pl.col("te") * 2))
    assert (other[-1].held, other[-1].why) == ({}, NO_TRAINING)
