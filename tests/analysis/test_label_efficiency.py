"""What labels bought, on curves whose answers are known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from fibrostage.analysis.label_efficiency import area, crossing, efficiency_table, rising


def curve(strategy: str, fold: str, seed: int, auc: list[float]) -> pl.DataFrame:
    share = np.linspace(0.2, 1.0, 5) if len(auc) == 5 else np.array([1.0])
    return pl.DataFrame(
        {
            "method": "A+B", "strategy": strategy, "fold": fold, "seed": seed, "round": range(len(auc)),
            "share": share, "candidates": (share * 100).astype(int), "images": (share * 60).astype(int),
            "patients": (share * 20).astype(int), "auc_macro": auc,
        }
    )  # fmt: skip


def table(*curves: pl.DataFrame, shared: bool = True) -> dict[str, dict[str, float]]:
    made = efficiency_table(pl.concat(curves), {"A+B": 1.0}, {"A+B": shared}, True)
    return {row["strategy"]: row for row in made.iter_rows(named=True)}


def test_needs_are_read_off_the_curve() -> None:
    rows = table(
        curve("all", "0.0", 0, [0.8]),
        curve("random", "0.0", 0, [0.6, 0.64, 0.72, 0.76, 0.8]),
        curve("esd", "0.0", 0, [0.6, 0.76, 0.8, 0.78, 0.79]),
    )
    assert rows["random"]["all_data_auc"] == pytest.approx(0.8)
    assert rows["random"]["needed_90_share"] == pytest.approx(0.6)
    assert rows["random"]["needed_95_patients"] == pytest.approx(16)
    assert rows["random"]["needed_100_candidates"] == pytest.approx(100)
    assert rows["random"]["reached_100"] == 1
    # 0.72 lies three quarters of the way from 0.60 to 0.76
    assert rows["esd"]["needed_90_share"] == pytest.approx(0.35)
    assert rows["esd"]["needed_90_images"] == pytest.approx(12 + 0.75 * 12)
    # made rising, (0.80, 0.78, 0.79) is 0.79 throughout: the peak was luck
    assert rows["esd"]["reached_100"] == 0
    assert rows["esd"]["needed_100_share"] == 1
    assert rows["esd"]["aulc_vs_random"] == pytest.approx(rows["esd"]["aulc"] - rows["random"]["aulc"])
    assert "all" not in rows
    assert rows["esd"]["simulated"]


def test_without_all_runs_the_reference_is_where_rand_ends() -> None:
    rows = table(curve("random", "0.0", 0, [0.5, 0.6, 0.7, 0.8, 0.9]), curve("random", "0.0", 1, [0.5] * 4 + [0.7]))
    assert rows["random"]["all_data_auc"] == pytest.approx(0.8)


def test_strategies_are_compared_on_the_same_folds_and_seeds() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for fold in ("0.0", "0.1"):
        for seed in range(6):
            base = np.sort(rng.uniform(0.5, 0.8, 5))
            parts.append(curve("random", fold, seed, base.tolist()))
            parts.append(curve("esd", fold, seed, (base + 0.05 + rng.normal(0, 0.005, 5)).tolist()))
            parts.append(curve("bald", fold, seed, (base + rng.normal(0, 0.005, 5)).tolist()))
    parts.append(curve("esd", "0.1", 99, [0.9] * 5))  # has no partner
    rows = table(*parts)
    assert rows["esd"]["aulc_vs_random"] == pytest.approx(0.05, abs=0.005)
    assert rows["esd"]["aulc_vs_random_p_holm"] < 1e-4
    assert rows["bald"]["aulc_vs_random_p_holm"] > 0.05
    assert rows["bald"]["aulc_vs_random_lo"] < 0 < rows["bald"]["aulc_vs_random_hi"]
    assert rows["random"].get("aulc_vs_random") is None


def test_areas() -> None:
    share, auc = np.array([0.1, 0.2, 0.6, 1.0]), np.array([0.5, 0.6, 0.8, 0.8])
    assert area(share, auc, 0.1, 1.0) == pytest.approx((0.055 + 0.28 + 0.32) / 0.9)
    assert area(share, auc, 0.1, 0.3) == pytest.approx((0.055 + 0.0625) / 0.2)
    assert area(share, auc, 0.15, 0.2) == pytest.approx(0.575)
    assert area(share[:1], auc[:1], 0.1, 0.1) == 0.5
    assert rising(np.array([0.5, 0.7, 0.6])).tolist() == pytest.approx([0.5, 0.65, 0.65])
    assert crossing(np.array([0.5, 0.6]), 0.4) == 0
    assert crossing(np.array([0.5, 0.6]), 0.55) == pytest.approx(0.5)
    assert crossing(np.array([0.5, 0.6]), 0.61) is None


def test_a_run_that_stopped_early_is_charged_the_whole_pool() -> None:
    short = curve("esd", "0.0", 0, [0.6, 0.65, 0.66, 0.67, 0.68]).head(2)
    rows = table(curve("all", "0.0", 0, [0.8]), curve("random", "0.0", 0, [0.6, 0.64, 0.72, 0.76, 0.8]), short)
    assert rows["esd"]["reached_95"] == 0
    assert rows["esd"]["needed_95_share"] == 1
    assert rows["esd"]["needed_95_candidates"] == 100
    # and areas are taken where all curves are
    assert rows["random"]["aulc"] == pytest.approx((0.6 + 0.64) / 2)
    assert rows["esd"]["aulc"] == pytest.approx((0.6 + 0.65) / 2)


def test_a_fold_without_reference_costs_its_own_figures_only() -> None:
    rows = table(
        curve("all", "0.0", 0, [0.8]),
        *(curve(s, f, 0, [0.6, 0.64, 0.72, 0.76, 0.8]) for s in ("random", "esd") for f in ("0.0", "0.1")),
    )
    assert rows["esd"]["runs"] == 2
    assert rows["esd"]["aulc_vs_random"] == 0
    assert rows["esd"]["needed_90_share"] == pytest.approx(0.6)


def test_seeds_that_divide_the_patients_anew_have_their_own_reference() -> None:
    parts = [
        curve("all", "0.0", 0, [0.7]), curve("random", "0.0", 0, [0.5, 0.6, 0.65, 0.68, 0.7]),
        curve("all", "0.0", 1, [0.9]), curve("random", "0.0", 1, [0.7, 0.8, 0.85, 0.88, 0.9]),
    ]  # fmt: skip
    own, pooled = table(*parts, shared=False)["random"], table(*parts)["random"]
    assert own["reached_100"] == 1
    assert pooled["reached_100"] == 0.5
