"""One contract over every marker, then what is particular to some."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.ground.quantities import kpa_from_speed
from fibrostage.ground.stage import KNOWN
from fibrostage.markers import MARKERS, measured
from fibrostage.markers.spec import Marker, values_of

EVERY = pytest.mark.parametrize("marker", list(MARKERS), ids=lambda marker: marker.name)


def columns(marker: Marker) -> dict[str, np.ndarray]:
    return {name: np.array([float(value)]) for name, value in marker.example.inputs.items()}


@EVERY
def test_the_worked_example(marker: Marker) -> None:
    found = values_of(marker, columns(marker), 1)
    assert found.values[0] == pytest.approx(marker.example.value, rel=1e-12)
    assert not found.lacking


@EVERY
def test_a_missing_input_is_a_missing_marker_and_is_counted(marker: Marker) -> None:
    for need in marker.needs:
        for given in (
            {**columns(marker), need.column: np.array([np.nan])},
            {name: values for name, values in columns(marker).items() if name != need.column},
        ):
            found = values_of(marker, given, 1)
            if need.default is None:
                assert np.isnan(found.values[0])
                assert found.lacking == {need.column: 1}
            else:
                assert np.isfinite(found.values[0])
                assert found.assumed == {need.column: 1}


@EVERY
def test_it_is_documented_and_its_cutoffs_belong_to_a_system(marker: Marker) -> None:
    assert marker.title
    assert marker.formula
    assert marker.source
    for need in marker.needs:
        assert measured()[need.column] == need.quantity
        if need.column in marker.example.inputs:
            assert need.quantity.refusal(marker.example.inputs[need.column]) is None
    for cutoff in marker.cutoffs:
        assert KNOWN[cutoff.system].threshold(cutoff.cut) > 0
        assert cutoff.whom
        assert cutoff.source


@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        ("apri", {"ast": 60, "platelets": 150}, 60 / 40 / 150 * 100),
        ("fib4", {"age": 65, "ast": 45, "alt": 36, "platelets": 130}, 65 * 45 / (130 * 6)),
        ("nfs", {"age": 60, "bmi": 25, "ifg_dm": 0, "ast": 30, "alt": 60, "platelets": 250, "albumin": 4.5},
         -1.675 + 2.22 + 2.35 + 0.495 - 3.25 - 2.97),
    ],
)  # fmt: skip
def test_hand_computed(name: str, inputs: dict[str, float], expected: float) -> None:
    found = values_of(MARKERS[name], {key: np.array([float(value)]) for key, value in inputs.items()}, 1)
    assert found.values[0] == pytest.approx(expected, rel=1e-12)


def test_stiffness_from_speed_and_from_the_shear_modulus() -> None:
    swe = MARKERS["swe"]
    speed = {"swe": np.array([np.nan, 8.0]), "swe_speed": np.array([1.8, 1.8])}
    np.testing.assert_allclose(values_of(swe, speed, 2).values, [9.72, 8.0])
    np.testing.assert_allclose(values_of(swe, {"swe": np.array([3.24])}, 1, "shear").values, [9.72])
    assert kpa_from_speed(1.8) == pytest.approx(9.72)


def test_nothing_stands_in_for_a_refused_cell() -> None:
    refused = {"ast_uln": np.array([True, False])}
    columns = {"ast": np.full(2, 80.0), "platelets": np.full(2, 100.0), "ast_uln": np.full(2, np.nan)}
    found = values_of(MARKERS["apri"], columns, 2, refused=refused)
    np.testing.assert_array_equal(found.values, [np.nan, 2.0])
    assert (found.refused, found.assumed) == ({"ast_uln": 1}, {"ast_uln": 1})
    stiff = {"te": np.full(3, np.nan), "te_speed": np.array([2.0, np.nan, np.nan])}
    barred = {"te": np.array([True, False, False]), "te_speed": np.array([False, False, True])}
    found = values_of(MARKERS["te"], stiff, 3, refused=barred)
    assert np.isnan(found.values).all()
    assert found.refused == {"te": 1, "te_speed": 1}
    assert found.lacking == {"te": 1}
