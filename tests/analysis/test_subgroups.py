"""Subgroups have the AUC of their own patients; small ones have none, and training patients say where ages divide."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2

from fibrostage.analysis.judged import Judged
from fibrostage.analysis.networks_and_markers import NETWORK
from fibrostage.analysis.subgroups import subgroups_of
from fibrostage.ground.stage import METAVIR
from fibrostage.stats.auc import auc_interval, delong
from fibrostage.views.subgroups import subgroups_view

N = 120


def made(differ: bool) -> tuple[Judged, pl.DataFrame]:
    """Test patients of two sexes; where they differ the score says nothing of men."""
    rng = np.random.default_rng(2)
    positive = np.arange(N) % 2 == 1
    men = np.arange(N) % 4 >= 2
    score = rng.normal(size=N) + np.where(differ & men, 0.0, 2.0) * positive
    names = [f"P{k}" for k in range(N)]
    judged = Judged("A", NETWORK, "F2", np.array(names), positive, score, (("",),) * N, {})
    ages = [30.0 + k % 40 for k in range(N)]
    table = pl.DataFrame(
        {
            "patient_id": [*names, *(f"T{k}" for k in range(5))],
            "cohort": ["test"] * N + ["train"] * 5,
            "stage": ["F0"] * (N + 5),
            "sex": [*("m" if man else "f" for man in men), *["f"] * 5],
            "age": [*ages, 58.0, 59.0, 60.0, 61.0, 62.0],
            "site": [*["A"] * (N - 8), *["B"] * 7, None, *["C"] * 5],
            "modalities": ["all modalities"] * (N + 5),
        }
    )
    return judged, table


def test_each_group_has_the_auc_of_its_own_patients() -> None:
    judged, table = made(True)
    found = {one.title: one for one in subgroups_of(judged, table, 0.95)}
    assert set(found) == {"sex", "age", "site"}, "what all have in common divides nobody"
    women, men = found["sex"].groups
    rows = np.arange(N) % 4 >= 2
    assert men.auc == auc_interval(judged.positive[rows], judged.score[rows])
    assert (women.n, men.n, men.positives) == (60, 60, 30)
    assert [group.name for group in found["age"].groups] == ["below 60", "60 and more"], "the training median"
    assert [(group.name, group.n, group.auc is None) for group in found["site"].groups] == [
        ("A", N - 8, False), ("B", 7, True),
    ]  # fmt: skip
    assert found["site"].unknown == 1
    assert found["site"].p is None


def test_of_two_groups_the_test_is_that_of_their_difference() -> None:
    judged, table = made(True)
    (sex,) = (one for one in subgroups_of(judged, table, 0.95) if one.title == "sex")
    rows = np.arange(N) % 4 >= 2
    parts = [delong(judged.positive[own], judged.score[own]) for own in (rows, ~rows)]
    z = (parts[0].values[0] - parts[1].values[0]) / np.hypot(parts[0].se(), parts[1].se())
    assert sex.p == pytest.approx(chi2.sf(z**2, 1))
    assert sex.p is not None
    assert sex.p < 0.01
    assert sex.p_holm == pytest.approx(2 * sex.p), "sex and age were tested"
    (alike,) = (one for one in subgroups_of(*made(False), 0.95) if one.title == "sex")
    assert alike.p is not None
    assert alike.p > 0.05


def test_small_groups_are_said() -> None:
    judged, table = made(True)
    shown = subgroups_view([subgroups_of(judged, table, 0.95)], METAVIR, True)
    cells = {row[0].text: row[1] for row in shown.rows}
    assert cells["site: B"].text == "too few"
    assert cells["site: do they differ?"].text == "–"
    assert cells["sex: m"].beside == ("30 of 60 have it",)
    assert "SIMULATED" in shown.title
