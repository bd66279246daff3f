"""The paragraph says what the tables say, of how many, with the interval, and why where it cannot."""

from __future__ import annotations

import numpy as np

from fibrostage.analysis.judged import NOTHING_KEPT, Judged
from fibrostage.analysis.networks_and_markers import MARKER, NETWORK
from fibrostage.analysis.stage_matrix import matrix_of
from fibrostage.ground.stage import METAVIR
from fibrostage.stats.auc import auc_interval, delong
from fibrostage.views.summary import summary


def judged(name: str, kind: str, cut: str, positive: np.ndarray, score: np.ndarray, held: bool = True) -> Judged:
    patients = np.array([f"P{k}" for k in range(len(score))])
    kept = {"0.0": (np.array([False, False, True, True]), np.array([0.1, 0.4, 0.3, 0.9]))} if held else {}
    return Judged(
        name, kind, cut, patients, positive, score, (("0.0",),) * len(score), kept, "" if held else NOTHING_KEPT
    )


def test_a_paragraph() -> None:
    rng = np.random.default_rng(0)
    positive = np.arange(40) % 2 == 1
    score = positive * 0.3 + rng.random(40)
    other = positive * 0.1 + rng.random(40)
    first = judged("LSTE+LUS", NETWORK, "F2", positive, score)
    nobody = judged("LSTE+LUS", NETWORK, "F4", np.zeros(40, dtype=bool), score)
    text = " ".join(summary([first, nobody, judged("TE", MARKER, "F2", positive, other)], [], METAVIR, 0.95, "apart"))
    area = auc_interval(positive, score)
    assert "LSTE with LUS was tested on 40 patients apart." in text
    assert f"≥F2 with an AUC of {area.value:.2f} [{area.lo:.2f}–{area.hi:.2f}] (20 of 40 have it)" in text
    assert "F4 cannot be judged: " in text
    d = delong(positive, [score, other]).difference(0, 1)
    assert f"TE {d.value:+.2f} [{d.lo:+.2f}, {d.hi:+.2f}] on 40".replace("-", "−") in text
    assert ("which may be chance" in text) == (d.lo < 0 < d.hi)  # type: ignore[operator]
    assert "(n = 20)" in text


def test_a_hyphen_of_a_name_stays_one() -> None:
    positive = np.arange(40) % 2 == 1
    first = judged("LSTE", NETWORK, "F2", positive, np.arange(40) / 40)
    other = judged("2D-SWE", MARKER, "F2", positive, np.arange(40)[::-1] / 40)
    assert "is: 2D-SWE " in " ".join(summary([first, other], [], METAVIR, 0.95, "apart"))


def test_without_training_patients_it_says_why() -> None:
    positive = np.arange(40) % 2 == 1
    own = judged("LSTE", NETWORK, "F2", positive, np.arange(40) / 40, held=False)
    assert f"What a threshold would do cannot be said because {NOTHING_KEPT}." in summary(
        [own], [], METAVIR, 0.95, "apart"
    )


def test_a_stage_matrix_has_recall_and_precision_of_each_stage() -> None:
    truth = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    called = np.array([0, 1, 1, 1, 2, 4, 3, 3, 4, 4])
    table = np.full((10, 5), 0.05)
    table[np.arange(10), called] = 0.8
    counts, recall, precision, accuracy, kappa, near, order = matrix_of(truth, called, table, METAVIR, 0.95)
    assert counts.sum() == 10
    assert [one.value for one in recall] == [0.5, 1.0, 0.5, 1.0, 1.0]
    assert [one.value for one in precision] == [1.0, 2 / 3, 1.0, 1.0, 2 / 3]
    assert (accuracy.value, near.value) == (0.8, 0.9)
    assert kappa.value is not None
    assert order.lo is not None
    lone = matrix_of(truth[:9], called[:9], table[:9], METAVIR, 0.95)
    assert "stage F4 has 1" in lone[-1].why
