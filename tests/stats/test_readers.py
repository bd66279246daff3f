"""Agreement of readers who did not all read everything: irrCAC's and krippendorff's figures, and what is refused.

Reference figures are of irrCAC 0.4.4 (R's irrCAC, ported) and krippendorff 0.9 on the table below.
"""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.agreement import confusion, kappa
from fibrostage.stats.readers import gwet_ac2, krippendorff_alpha, with_interval

READINGS = np.array(
    [[4, 3, 3, 4], [-1, -1, 4, 3], [-1, 3, 3, 3], [4, 3, -1, -1], [3, 3, 1, 2], [4, -1, 3, -1], [-1, 3, 4, 4],
     [1, 0, 1, 0], [0, 1, 0, 0], [2, -1, 2, -1], [1, 2, -1, 1], [3, -1, 4, 3], [4, 4, -1, -1], [0, -1, 0, 0],
     [3, 2, -1, 3], [4, 3, 3, 3], [0, 0, 0, 0], [2, 4, 3, -1], [0, 0, 0, -1], [1, 1, 1, 1], [3, 4, 3, -1],
     [-1, -1, 0, 2], [-1, 2, 1, 0], [1, 2, 2, 0], [4, 2, -1, -1], [2, 1, 1, 2], [-1, 4, 4, 3], [2, 3, -1, -1],
     [-1, -1, -1, -1], [2, -1, 2, -1]]
)  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "ac", "alpha"),
    [
        ("none", 0.283840098780676, 0.303373280071016),
        ("linear", 0.576873974101769, 0.589794786466999),
        ("quadratic", 0.77839864364687, 0.786325923954036),
    ],
)
def test_the_figures_are_those_of_irrcac(weights: str, ac: float, alpha: float) -> None:
    assert gwet_ac2(READINGS, 5, weights) == pytest.approx(ac, abs=1e-10)  # type: ignore[arg-type]
    assert krippendorff_alpha(READINGS, 5, weights) == pytest.approx(alpha, abs=1e-10)  # type: ignore[arg-type]


def test_alpha_of_two_readers_of_everything_is_near_kappa() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 5, 4000)
    second = np.clip(first + rng.integers(-1, 2, 4000), 0, 4)
    own = kappa(confusion(first, second, 5)).value
    assert krippendorff_alpha(np.stack([first, second], axis=1), 5) == pytest.approx(own, abs=0.005)


def test_who_agrees_wholly_has_one_and_who_guesses_nothing() -> None:
    rng = np.random.default_rng(1)
    same = np.repeat(rng.integers(0, 5, (200, 1)), 3, axis=1)
    assert gwet_ac2(same, 5) == krippendorff_alpha(same, 5) == 1
    guessed = rng.integers(0, 5, (3000, 3))
    assert abs(gwet_ac2(guessed, 5)) < 0.03
    assert abs(krippendorff_alpha(guessed, 5)) < 0.03


def test_the_interval_resamples_patients() -> None:
    alone = with_interval(krippendorff_alpha, READINGS, np.arange(30), 5, resamples=400)
    twice = with_interval(
        krippendorff_alpha, np.repeat(READINGS, 3, axis=0), np.repeat(np.arange(30), 3), 5, resamples=400
    )
    assert alone.lo is not None
    assert alone.hi is not None
    assert twice.lo is not None
    assert twice.hi is not None
    assert alone.lo < 0.786 < alone.hi
    assert twice.hi - twice.lo == pytest.approx(alone.hi - alone.lo, rel=0.1), "copies of a patient are no patients"


def test_what_says_nothing_of_agreement() -> None:
    once = np.array([[1, -1], [-1, 2], [3, -1]])
    with pytest.raises(StatisticsError, match="an item that two readers read"):
        gwet_ac2(once, 5)
    with pytest.raises(StatisticsError, match="an item that two readers read"):
        krippendorff_alpha(once, 5)
    with pytest.raises(StatisticsError, match="all readings are of one stage"):
        krippendorff_alpha(np.ones((5, 2)), 5)
    with pytest.raises(StatisticsError, match="must be"):
        gwet_ac2([[5, 1]], 5)
    assert "there are 0" in with_interval(gwet_ac2, once, np.arange(3), 5).why
    assert "there are 0" in with_interval(gwet_ac2, np.empty((0, 2)), np.empty(0), 5).why
