"""A column that is in another unit is seen as a whole, named with the ratio, and refused until the unit is stated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fibrostage.analysis.marker_table import marker_table
from fibrostage.ground.errors import PlanError
from fibrostage.ground.quantities import speed_from_kpa
from fibrostage.ground.units import in_own_units, suspicion_of, suspicions
from fibrostage.markers import measured
from tests.conftest import write_rows

KNOWN = measured()
RNG = np.random.default_rng(5)
LIVER = RNG.lognormal(np.log(7.5), 0.55, 200).clip(2.5, 70)
SPLEEN = RNG.lognormal(np.log(22), 0.4, 200)
PLATELETS = RNG.normal(190, 60, 200).clip(35, 500)
AST = RNG.lognormal(np.log(35), 0.6, 200)
RIGHT = {"swe": LIVER, "te": LIVER.clip(2.5, 75), "spleen": SPLEEN, "platelets": PLATELETS, "ast": AST, "alt": AST}
SPEED = np.array([speed_from_kpa(value) for value in LIVER])


def mixed(column: NDArray[np.float64], other: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    return np.where(np.arange(len(column)) < share * len(column), other, column)


@pytest.mark.parametrize("name", RIGHT)
def test_columns_in_their_unit_are_believed(name: str) -> None:
    assert suspicion_of(KNOWN[name], RIGHT[name]) is None
    assert suspicion_of(KNOWN[name], RIGHT[name][:4]) is None, "four values say nothing"
    assert suspicion_of(KNOWN["swe_speed"], SPEED) is None


def test_a_few_odd_values_are_patients() -> None:
    assert suspicion_of(KNOWN["platelets"], np.append(PLATELETS, [12, 14, 18, 22])) is None
    assert suspicion_of(KNOWN["te"], np.append(LIVER, [1.6, 1.9, 2.1])) is None


@pytest.mark.parametrize("n", [5, 12, 200])
@pytest.mark.parametrize(
    ("name", "values", "other", "times"),
    [
        ("swe", SPEED, "m/s", (3.5, 6)),
        ("spleen", np.array([speed_from_kpa(value) for value in SPLEEN]), "m/s", (6, 11)),
        ("platelets", PLATELETS / 10, "1e4/µL", (9.99, 10.01)),
        ("ast", AST / 60, "µkat/L", (59.9, 60.1)),
        ("swe_speed", LIVER, "kPa", (0.1, 0.5)),
    ],
)
def test_a_column_in_another_unit(
    name: str, values: NDArray[np.float64], other: str, times: tuple[float, float], n: int
) -> None:
    found = suspicion_of(KNOWN[name], values[:n])
    assert found is not None
    assert found.other == other
    assert times[0] < found.converted / found.median < times[1]
    assert f"{found.column}: " in str(found)


@pytest.mark.parametrize("share", [0.15, 0.3, 0.6])
@pytest.mark.parametrize(
    ("name", "values", "other"),
    [("swe", SPEED, "m/s"), ("platelets", PLATELETS / 10, "1e4/µL"), ("ast", AST / 60, "µkat/L")],
)
def test_two_units_in_one_column(name: str, values: NDArray[np.float64], other: str, share: float) -> None:
    found = suspicion_of(KNOWN[name], mixed(RIGHT[name], values, share))
    assert found is not None
    assert found.other == other


def test_the_marker_is_refused_until_the_unit_is_stated(tmp_path: Path) -> None:
    rows = [
        [f"P{row}", f"F{row % 5}", f"{value:.2f}", "40", f"{PLATELETS[row] / 10:.1f}"]
        for row, value in enumerate(SPEED)
    ]
    path = write_rows(tmp_path / "P.csv", ["patient_id", "stage", "swe", "ast", "platelets"], rows)
    made = marker_table(path)
    assert np.isnan(made.values["swe"].values).all()
    assert np.isnan(made.values["apri"].values).all()
    assert made.values["swe"].refused == {"swe": 200}
    assert any("read as m/s it would be" in caveat and "--unit swe='kPa'" in caveat for caveat in made.caveats)
    assert any(caveat.startswith("platelets: ") and "10 times as much" in caveat for caveat in made.caveats)
    stated = marker_table(path, units={"swe": "m/s", "platelets": "1e4/µL"})
    np.testing.assert_allclose(stated.values["swe"].values, LIVER, rtol=0.02)
    assert float(np.median(stated.values["apri"].values)) == pytest.approx(100 / np.median(PLATELETS), rel=0.02)
    believed = marker_table(path, units={"swe": "kPa", "platelets": "1e9/L"})
    np.testing.assert_allclose(believed.values["swe"].values, SPEED, atol=0.01)
    assert not any(caveat.startswith("swe: ") for caveat in believed.caveats)
    assert not np.isnan(marker_table(path, modulus="shear").values["swe"].values).any()


@pytest.mark.parametrize(
    ("stated", "message"),
    [({"swe": "mm"}, "units.swe = 'mm'; it may be kPa, m/s"), ({"swee": "kPa"}, "units.swee, did you mean 'swe'")],
)
def test_an_unknown_unit_or_column(stated: dict[str, str], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        in_own_units(KNOWN, {"swe": SPEED}, stated)


def test_what_is_stated_is_not_suspected() -> None:
    assert set(suspicions(KNOWN, {"swe": SPEED, "te": SPEED}, {"te": "kPa"})) == {"swe"}
