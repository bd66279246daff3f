"""Decision curves, net reclassification and standardised differences as R has them (dcurves, nricens, tableone)."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.stats.balance import smd_of_amounts, smd_of_kinds
from fibrostage.stats.decision import decision_curve
from fibrostage.stats.reclassification import reclassify
from tests.stats.test_golden import GOLDEN, columns, golden, numbers

R = golden(GOLDEN / "report.csv")


def expit(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True stages [n] and the two tests [n] as the R script has them."""
    rows = columns(GOLDEN / "ordinal_168.csv")
    return numbers(rows, "stage").astype(int), numbers(rows, "test1"), numbers(rows, "test2")


@pytest.mark.parametrize("cut", [2, 3, 4])
def test_what_a_report_says_is_what_r_says(cut: int, table: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    stages, first, second = table
    positive, key = stages >= cut, f"F{cut}"
    p = {"one": expit(0.9 * (first - 8) - 0.3), "two": expit(second - np.median(second))}
    grid = (0.05, 0.2, 0.5, 0.8)
    for name, probability in p.items():
        found = decision_curve(positive, probability, grid)
        assert found.net_benefit == pytest.approx([R[f"{key}.dca.{name}.{t:g}"] for t in grid], rel=1e-12)
        assert found.treat_all == pytest.approx([R[f"{key}.dca.all.{t:g}"] for t in grid], rel=1e-12)
    net = reclassify(positive, p["one"] >= 0.5, p["two"] >= 0.5)
    for name in ("nri", "ill", "other"):
        assert getattr(net, name).value == pytest.approx(R[f"{key}.{name}"], rel=1e-12)
    assert smd_of_amounts(first[~positive], first[positive]) == pytest.approx(R[f"{key}.smd.amount"], rel=1e-12)
    kinds = np.searchsorted(np.quantile(second, [0.3, 0.7]), second, side="left")
    counts = [np.bincount(kinds[rows], minlength=3) for rows in (~positive, positive)]
    assert smd_of_kinds(*counts) == pytest.approx(R[f"{key}.smd.kinds"], rel=1e-9)
