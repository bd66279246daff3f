"""A network is set against other methods on the patients of both, at thresholds of training patients."""

from __future__ import annotations

import numpy as np

from fibrostage.analysis.judged import Judged
from fibrostage.analysis.networks_and_markers import MARKER, NETWORK
from fibrostage.analysis.reclassified import reclassified
from fibrostage.ground.stage import METAVIR
from fibrostage.views.reclassified import reclassified_view

HELD = {"": (np.array([False, False, True, True]), np.array([0.1, 0.2, 0.6, 0.9]))}


def judged(name: str, kind: str, patients: list[str], positive: list[bool], score: list[float]) -> Judged:
    n = len(patients)
    return Judged(name, kind, "F2", np.array(patients), np.array(positive), np.array(score), (("",),) * n, HELD)


def test_on_common_patients_at_their_own_thresholds() -> None:
    first = judged("A", NETWORK, ["p", "q", "r", "s", "t"], [True, False, True, False, True], [0.9, 0.1, 0.5, 0.7, 0.9])
    network = judged("B", NETWORK, ["t", "s", "r", "q"], [True, False, True, False], [0.2, 0.1, 0.9, 0.1])
    marker = judged("TE", MARKER, ["q", "p"], [False, True], [0.9, 0.9])
    found = reclassified([first, network, marker], 0.95)
    assert [(one.other, one.idi is None) for one in found] == [("B", False), ("TE", True)]
    made = found[0].made
    assert made is not None
    assert (made.n, made.positives) == (4, 2)
    assert (made.ill_gained, made.ill_lost, made.other_gained, made.other_lost) == (1, 0, 0, 1)
    assert found[1].made is not None
    assert (found[1].made.n, found[1].made.other_gained) == (2, 1)
    shown = reclassified_view(found, METAVIR, True)
    assert shown.rows[0][0].text == "≥F2, against B"
    assert shown.rows[1][4].beside == ("no probability",)


def test_what_cannot_be_computed_says_why() -> None:
    first = judged("A", NETWORK, ["p", "q"], [True, False], [0.9, 0.1])
    lone = judged("TE", MARKER, ["p"], [True], [0.9])
    (found,) = reclassified([first, lone], 0.95)
    assert "needs positives and negatives" in found.why
