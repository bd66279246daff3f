"""Every number of the golden files, from their input tables: pROC, nonbinROC and doAUCcluster in R."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from fibrostage.stats.auc import auc_interval, delong
from fibrostage.stats.concordance import unpaired
from fibrostage.stats.operating import operating_point
from fibrostage.stats.ordinal import mean_pairwise_auc, obuchowski, pairwise_aucs
from fibrostage.stats.roc import partial_auc, specificity_at_sensitivity, youden_threshold

GOLDEN = Path(__file__).parents[1] / "golden"
CLOSED_FORM, P_VALUE = 1e-10, 1e-8  # relative


def columns(path: Path) -> dict[str, list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def numbers(table: dict[str, list[str]], name: str) -> np.ndarray:
    return np.array([float(value) for value in table[name]])


def golden(path: Path) -> dict[str, float]:
    table = columns(path)
    return dict(zip(table["key"], map(float, table["value"]), strict=True))


def check(found: dict[str, float | None], expected: dict[str, float]) -> None:
    """The same keys on both sides, and every figure to the last digits."""
    assert set(found) == set(expected)
    for key, value in expected.items():
        tolerance = P_VALUE if key.endswith(".p") else CLOSED_FORM
        assert found[key] == pytest.approx(value, rel=tolerance), key


def test_ordinal_and_clustered() -> None:
    table = columns(GOLDEN / "ordinal_168.csv")
    stages = numbers(table, "stage").astype(int)
    tests = np.stack([numbers(table, "test1"), numbers(table, "test2")])
    found: dict[str, float | None] = {}
    for penalty in ("linear", "unit"):
        index = obuchowski(stages, tests, 5, penalty)
        difference = index.difference(0, 1)
        for k in (0, 1):
            found[f"obuchowski_{penalty}.test{k + 1}"] = float(index.values[k])
            found[f"obuchowski_{penalty}.test{k + 1}.se"] = index.se(k)
        found |= {f"obuchowski_{penalty}.z": difference.z, f"obuchowski_{penalty}.p": difference.p}
        if penalty == "linear":
            found["obuchowski_linear.cov"] = float(index.covariance[0, 1])
    for (i, j), value in pairwise_aucs(stages, tests[0]).items():
        found[f"pairwise.test1.{i + 1}vs{j + 1}"] = value
    for cut in (2, 3, 4):
        areas = delong(stages >= cut, tests)
        for k in (0, 1):
            area = areas.interval(k)
            name = f"F{cut}.auc{k + 1}"
            found |= {name: area.value, f"{name}.lo": area.lo, f"{name}.hi": area.hi}
        difference = areas.difference(0, 1)
        found |= {f"F{cut}.z": difference.z, f"F{cut}.p": difference.p}
    found["handtill.test1"] = mean_pairwise_auc(stages, tests[0])

    images = columns(GOLDEN / "clustered_840.csv")
    positive = numbers(images, "stage") >= 3
    scores = np.stack([numbers(images, "score"), numbers(images, "score2")])
    naive, clustered = delong(positive, scores), delong(positive, scores, images["patient"])
    difference = clustered.difference(0, 1)
    found |= {
        "cluster.F3.auc": float(clustered.values[0]),
        "cluster.F3.se": clustered.se(0),
        "naive.F3.auc": float(naive.values[0]),
        "naive.F3.se": naive.se(0),
        "cluster.F3.auc2": float(clustered.values[1]),
        "cluster.F3.se2": clustered.se(1),
        "cluster.F3.diff": difference.value,
        "cluster.F3.diff.se": difference.se,
        "cluster.F3.p": difference.p,
        "naive.F3.p": naive.difference(0, 1).p,
    }
    check(found, golden(GOLDEN / "golden_ordinal.csv"))


def test_proc_on_asah(shared_data: Path) -> None:
    folder = shared_data.parent / "golden"
    table = columns(folder / "aSAH.csv")
    positive = numbers(table, "y") == 1
    names = ("s100b", "wfns", "ndka")
    scores = np.stack([numbers(table, name) for name in names])
    areas = delong(positive, scores)
    covariance = areas.covariance
    found: dict[str, float | None] = {}
    for k, name in enumerate(names):
        area = areas.interval(k)
        threshold = youden_threshold(positive, scores[k])
        point = operating_point(positive, scores[k], threshold)
        assert point.youden is not None
        found |= {
            f"{name}.auc": area.value,
            f"{name}.delong_var": areas.variance(k),
            f"{name}.ci95_delong[0]": area.lo,
            f"{name}.ci95_delong[1]": area.value,
            f"{name}.ci95_delong[2]": area.hi,
            f"{name}.youden.threshold": threshold,
            f"{name}.youden.sensitivity": point.sensitivity.value,
            f"{name}.youden.specificity": point.specificity.value,
            f"{name}.youden.ppv": point.ppv.value,
            f"{name}.youden.npv": point.npv.value,
            f"{name}.youden.tp": point.tp,
            f"{name}.youden.tn": point.tn,
            f"{name}.youden.fp": point.fp,
            f"{name}.youden.fn": point.fn,
            f"{name}.youden.youden": point.youden + 1,
            f"{name}.pauc_spec1_0.9_corrected": partial_auc(positive, scores[k], 0.9, corrected=True),
            f"{name}.pauc_spec1_0.9": partial_auc(positive, scores[k], 0.9),
            f"{name}.spec_at_sens0.9_interp": specificity_at_sensitivity(positive, scores[k], 0.9),
        }
    for a, b in ((0, 1), (0, 2), (1, 2)):
        difference = areas.difference(a, b)
        pair = f"{names[a]}_vs_{names[b]}"
        found |= {
            f"{pair}.paired.z": difference.z,
            f"{pair}.paired.p": difference.p,
            f"{pair}.cov": float(covariance[a, b]),
            f"{pair}.paired.diff_ci95[0]": difference.lo,
            f"{pair}.paired.diff_ci95[1]": difference.hi,
        }
    male = np.array(table["gender"]) == "Male"
    of_men, of_women = (delong(positive[rows], scores[0][rows]) for rows in (male, ~male))
    between = unpaired(of_men, of_women)
    found |= {
        "s100b_male.auc": float(of_men.values[0]),
        "s100b_female.auc": float(of_women.values[0]),
        "s100b_male_vs_female.unpaired.D": between.z,
        "s100b_male_vs_female.unpaired.df": between.df,
        "s100b_male_vs_female.unpaired.p": between.p,
        # gos6 falls as s100b rises
        "multiclass_handtill.gos6_s100b": mean_pairwise_auc(numbers(table, "gos6"), -scores[0], turn_pairs=True),
    }
    check(found, golden(folder / "golden.csv"))
    assert auc_interval(positive, scores[0]).se == pytest.approx(areas.se(0))
