"""Units and plausible ranges of what is measured."""

import math

import pytest

from fibrostage.ground.quantities import kpa_from_speed, speed_from_kpa
from fibrostage.markers import measured


def test_speed_and_stiffness_with_either_modulus() -> None:
    assert kpa_from_speed(1.8) == pytest.approx(9.72)  # E = 3ρc²
    assert kpa_from_speed(1.8, "shear") == pytest.approx(3.24)
    assert speed_from_kpa(kpa_from_speed(2.3)) == pytest.approx(2.3)
    assert speed_from_kpa(3.24, "shear") == pytest.approx(1.8)


def test_platelets_per_microlitre_are_refused_and_explained() -> None:
    refusal = measured()["platelets"].refusal(190_000)
    assert refusal is not None
    assert "1e9/L" in refusal
    assert "per µL" in refusal


@pytest.mark.parametrize("value", [0.0, -3.0, math.nan, math.inf])
def test_impossible_values_are_refused(value: float) -> None:
    assert measured()["ast"].refusal(value)


def test_plausible_values_pass() -> None:
    assert measured()["albumin"].refusal(4.2) is None
    assert measured()["albumin"].refusal(42) is not None  # g/L
