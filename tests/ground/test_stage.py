"""Staging systems: known ones, cuts, and what is no system."""

import numpy as np
import pytest

from fibrostage.ground.errors import PlanError
from fibrostage.ground.stage import ISHAK, METAVIR, SCHEUER, Staging


def test_known_systems_are_ordered_and_cut() -> None:
    assert METAVIR.cuts == ("F2", "F3", "F4")
    assert len(ISHAK.classes) == 7
    assert SCHEUER.index("S3") == 3


def test_a_cut_is_at_or_above() -> None:
    stages = np.array([0, 1, 2, 3, 4])
    assert METAVIR.at_or_above(stages, "F3").tolist() == [False, False, False, True, True]
    assert METAVIR.cut_name("F3") == "≥F3"
    assert METAVIR.cut_name("F4") == "F4"


def test_a_label_of_another_system_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(PlanError, match=r"unknown stage 'S2'.*METAVIR has F0, F1, F2, F3, F4"):
        METAVIR.index("S2")


@pytest.mark.parametrize(
    ("classes", "cuts", "message"),
    [
        (("A",), (), "at least two classes"),
        (("A", "A"), (), "repeats a class"),
        (("A", ""), (), "is no class name"),
        (("A", "B"), ("A",), "'A' is not a cut"),
        (("A", "B"), ("B", "B"), "repeats a cut"),
    ],
)
def test_impossible_stagings(classes: tuple[str, ...], cuts: tuple[str, ...], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        Staging("mine", classes, cuts)


def test_a_cut_is_a_binary_system_of_its_own() -> None:
    assert METAVIR.at("F3") == Staging("METAVIR ≥F3", ("<F3", "≥F3"), ("≥F3",))
    assert METAVIR.at("F4").classes == ("<F4", "F4")
    with pytest.raises(PlanError, match="unknown cut 'F0'; METAVIR has cuts at F1, F2, F3, F4"):
        METAVIR.at("F0")
