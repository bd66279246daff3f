"""Markers beside networks: what the markers command can compute, a study of the same cohort can too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.analysis.marker_table import marker_table
from fibrostage.analysis.networks_and_markers import marker_columns, measured_columns
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError
from fibrostage.ground.quantities import Quantity
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.markers import MARKERS, measured
from fibrostage.markers.spec import Example, Marker, Need
from fibrostage.plan.run_plan import Plan
from tests.conftest import make_source, plan_data, write_rows

COLUMNS = ("age", "bmi", "ifg_dm", "ast", "alt", "platelets", "albumin", "te_speed")


def source_with_all(folder: Path) -> Sources:
    """The tiny source with everything that NFS needs, and transient elastography in m/s."""
    source = make_source(folder)
    rows = [
        [f"P{k:03d}", f"F{k % 5}", 40 + k, 22 + k / 2, k % 2, 30 + k, 25 + k, 250 - 5 * k, 4.1, 1.2 + 0.1 * (k % 5)]
        for k in range(20)
    ]
    return replace(source, patients=write_rows(folder / "all.csv", ["patient_id", "stage", *COLUMNS], rows))


@pytest.fixture(scope="module")
def measured_cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sources, Cohort]:
    folder = tmp_path_factory.mktemp("measured")
    source = source_with_all(folder / "source")
    return source, take_in(source, folder / "cohort", Plan.parse(plan_data()))


def test_every_measured_column_is_a_number_in_a_cohort(measured_cohort: tuple[Sources, Cohort]) -> None:
    _, cohort = measured_cohort
    assert {cohort.patients[column].dtype for column in COLUMNS} == {pl.Float64}


@pytest.mark.parametrize("name", ["nfs", "te", "fib4", "apri"])
def test_a_study_sees_the_markers_that_the_markers_command_computes(
    measured_cohort: tuple[Sources, Cohort], name: str
) -> None:
    source, cohort = measured_cohort
    assert source.patients is not None
    table = marker_table(source.patients).values[name].values
    found = marker_columns(cohort, [name])[MARKERS[name].title]
    assert len(found) == 20
    np.testing.assert_allclose([found[f"P{k:03d}"] for k in range(20)], table, rtol=1e-12)


def test_a_marker_nobody_has_says_who_lacks_what(cohort: Cohort) -> None:
    with pytest.raises(PlanError, match="of 20 patients, 20 lack ast, 20 lack platelets, 20 lack alt"):
        marker_columns(cohort, ["fib4"])


def test_a_cohort_of_before_holds_some_as_text(cohort: Cohort) -> None:
    texts = pl.Series("ifg_dm", ["1", "0", "7", None] * 5)
    columns, refused = measured_columns(cohort.patients.with_columns(texts))
    assert columns["ifg_dm"][:2].tolist() == [1, 0]
    assert np.isnan(columns["ifg_dm"][2:4]).all()
    assert refused["ifg_dm"][:4].tolist() == [False, False, True, False]


def test_an_implausible_value_is_refused_at_intake(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", patients=5)
    rows = [[f"P{k:03d}", f"F{k}", 25 if k == 2 else 1.4] for k in range(5)]
    source = replace(source, patients=write_rows(tmp_path / "p.csv", ["patient_id", "stage", "te_speed"], rows))
    with pytest.raises(Exception, match="te_speed = 25 is outside 0.3–12 m/s"):
        take_in(source, tmp_path / "cohort", Plan.parse(plan_data()))


def test_a_marker_brings_its_own_column(monkeypatch: pytest.MonkeyPatch) -> None:
    inr = Quantity("inr", "", 0.5, 20)
    king = Marker(
        "king", "King's score", "", (Need(inr),), "INR", lambda of: of["inr"], "made up", Example({"inr": 1.0}, 1.0)
    )
    monkeypatch.setattr(MARKERS, "_own", [*MARKERS, king])
    monkeypatch.delattr(MARKERS, "_found")
    assert measured()["inr"] is inr
    monkeypatch.undo()
    assert "inr" not in measured()


def test_two_meanings_of_a_column_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    age = Quantity("age", "months", 0, 1500)
    other = Marker("x", "x", "", (Need(age),), "age", lambda of: of["age"], "made up", Example({"age": 1.0}, 1.0))
    monkeypatch.setattr(MARKERS, "_own", [*MARKERS, other])
    monkeypatch.delattr(MARKERS, "_found")
    with pytest.raises(ValueError, match="marker 'x' means another 'age'"):
        measured()
