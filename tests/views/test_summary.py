"""The paragraph says what the tables say, of how many, with the interval, and why where it cannot."""

from __future__ import annotations

import numpy as np
import polars as pl

from fibrostage.analysis.judged import NOTHING_KEPT, Judged
from fibrostage.analysis.networks_and_markers import MARKER, NETWORK
from fibrostage.analysis.stage_matrix import matrix_of
from fibrostage.ground.stage import METAVIR
from fibrostage.stats.auc import auc_interval, delong
from fibrostage.stats.multiplicity import holm
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
    te, compared = judged("TE", MARKER, "F2", positive, other), compared_with(positive, score, {"TE": other})
    text = " ".join(summary([first, nobody, te], [], METAVIR, 0.95, "apart", compared))
    area = auc_interval(positive, score)
    assert "LSTE with LUS, tested on 40 patients apart, told ≥F2" in text
    assert f"≥F2 with an AUC of {area.value:.2f} [{area.lo:.2f}–{area.hi:.2f}] (20 of 40 have it)" in text
    assert "; F4 cannot be judged (" in text
    d = delong(positive, [score, other]).difference(0, 1)
    assert f"minus that of TE was {d.value:+.2f} [{d.lo:+.2f}, {d.hi:+.2f}] on 40".replace("-", "−") in text
    assert ("which may be chance" in text) == (d.lo < 0 < d.hi)  # type: ignore[operator]
    assert "(n = 20)" in text


def compared_with(positive: np.ndarray, score: np.ndarray, others: dict[str, np.ndarray]) -> pl.DataFrame:
    """The rows of a table of comparisons at ≥F2."""
    found = {name: delong(positive, [score, other]).difference(0, 1) for name, other in others.items()}
    adjusted = dict(zip(found, holm([d.p for d in found.values() if d.p is not None]), strict=True))
    rows = [
        {"seed": 0, "cut": "F2", "split": "test", "method": name, "n_both": len(positive), "difference": d.value,
         "difference_lo": d.lo, "difference_hi": d.hi, "p": d.p, "p_holm": float(adjusted[name])}
        for name, d in found.items()
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_of_many_comparisons_the_best_supported_is_told_with_how_many_there_were() -> None:
    rng = np.random.default_rng(1)
    positive = np.arange(60) % 2 == 1
    score = positive * 1.0 + rng.random(60)
    others = {"2D-SWE": rng.random(60), "APRI": positive * 0.8 + rng.random(60), "GPR": rng.random(60)}
    own = judged("LSTE", NETWORK, "F2", positive, score)
    compared = compared_with(positive, score, others)
    lines = summary([own], [], METAVIR, 0.95, "apart", compared)
    assert len(lines) == 3
    sure = sum(p < 0.05 for p in compared["p_holm"])
    best = str(compared.sort("p")["method"][0])
    assert sure == 2
    assert (
        f"its AUC was above that of 2 of 3 other methods beyond chance; the difference best supported is to {best}: "
        in (lines[-1])
    ), "a hyphen of a name stays one"
    (none,) = summary([own], [], METAVIR, 0.95, "apart", compared.with_columns(p_holm=pl.lit(1.0)))[2:]
    assert "could not be told from that of any of 3 other methods" in none
    assert none.endswith("which may be chance.")


def test_what_labels_bought_is_the_last_sentence() -> None:
    positive = np.arange(40) % 2 == 1
    own = judged("LSTE RAND", NETWORK, "F2", positive, np.arange(40) / 40, held=False)
    of = "aulc_vs_random"
    rows = [
        {"method": "LSTE", "strategy": "random", "runs": 5, "aulc": 0.70, of: None, f"{of}_lo": None, f"{of}_hi": None},
        {"method": "LSTE", "strategy": "esd", "runs": 5, "aulc": 0.72, of: 0.02, f"{of}_lo": 0.01, f"{of}_hi": 0.03},
        {"method": "LUS", "strategy": "esd", "runs": 5, "aulc": 0.9, of: 0.2, f"{of}_lo": 0.1, f"{of}_hi": 0.3},
    ]
    ps = [None, 0.02, 0.001]
    bought = pl.DataFrame(rows).with_columns(pl.Series(f"{of}_p", ps), pl.Series(f"{of}_p_holm", ps))
    lines = summary([own], [], METAVIR, 0.95, "apart", None, bought, "LSTE, asking by RAND")
    assert lines[0].startswith("LSTE, asking by RAND, tested on 40 patients apart, told ")
    assert lines[-1] == (
        "Asking by ESD changed the area under the learning curve by +0.02 [+0.01, +0.03] against asking at random "
        "(p = 0.020 after Holm, 5 runs)."
    )


def test_who_cannot_be_judged_is_said_and_what_has_no_threshold_is_not() -> None:
    nobody = judged("LSTE", NETWORK, "F2", np.zeros(9, dtype=bool), np.arange(9) / 9, held=False)
    (line,) = summary([nobody], [], METAVIR, 0.95, "apart")
    assert line.startswith("LSTE was tested on 9 patients apart; ≥F2 cannot be judged (")


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
