"""Measurements as a modality: rows of values, what is missing, and what cannot be read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from fibrostage.cohort.flow import flow_of, has_any
from fibrostage.cohort.measurements import usual_columns, with_measurements
from fibrostage.cohort.pictures import space_of
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import CohortError
from fibrostage.markers import MARKERS
from fibrostage.plan.intake import ModalityPlan


def measured(cohort: Cohort, **columns: list[object]) -> Cohort:
    new = [pl.Series(name, values, strict=False) for name, values in columns.items()]
    return replace(cohort, patients=cohort.patients.with_columns(new))


def table(*columns: str, log: tuple[str, ...] = ()) -> ModalityPlan:
    return ModalityPlan(name="labs", kind="table", columns=columns, log=log)


@pytest.fixture
def labs(cohort: Cohort) -> Cohort:
    n = len(cohort.patients)
    return measured(
        cohort,
        swe=[None if k == 1 else 5.0 + k for k in range(n)],
        ast=[None if k in (1, 2) else 20.0 + k for k in range(n)],
        sex=["F" if k % 2 else "m" for k in range(n - 1)] + [""],
    )


def test_a_row_of_values_is_a_picture_of_its_patient(labs: Cohort) -> None:
    seen = with_measurements(labs, [table("swe", "ast", log=("ast",))])
    n = len(labs.patients)
    assert seen.owners("labs").tolist() == [k for k in range(n) if k != 1], "nobody without a value"
    assert seen.measurements["labs"][0].tolist() == pytest.approx([5.0, np.log(20.0)])
    assert np.isnan(seen.measurements["labs"][1]).tolist() == [False, True]
    assert seen.fingerprint == labs.fingerprint
    assert seen.modality("labs").channels == 2
    assert seen.images_of("labs")["image_id"][0] == f"{labs.patient_ids[0]}/labs"
    assert len(set(seen.picture_hashes("labs"))) == n - 1
    assert with_measurements(seen, [table("swe", "ast", log=("ast",))]) is seen, "once is enough"
    with pytest.raises(CohortError, match="no pixels"):
        seen.pixels("labs")


def test_what_was_read_off_each_picture_is_a_table_too(cohort: Cohort) -> None:
    pictures = cohort.images_of("LSTE")
    read = [None if row == 1 else 4.0 + row for row in range(len(pictures))]
    images = cohort.images.with_columns(
        kpa=pl.Series([*read, *[9.0] * (len(cohort.images) - len(read))], dtype=pl.Float64)
    )
    readings = ModalityPlan(name="readings", kind="table", of="LSTE", columns=("kpa", "kpa_iqr"), log=("kpa",))
    seen = with_measurements(replace(cohort, images=images), [readings])
    there = [row for row, value in enumerate(read) if value]
    assert seen.owners("readings").tolist() == cohort.owners("LSTE")[there].tolist()
    assert seen.measurements["readings"][:, 0].tolist() == pytest.approx(np.log([read[row] for row in there]))
    assert seen.images_of("readings")["image_id"][0] == f"{pictures['image_id'][0]}/readings"
    with pytest.raises(CohortError, match="nothing called 'ast' is read off a picture.*kpa_filled"):
        with_measurements(cohort, [readings.model_copy(update={"columns": ("ast",)})])


def test_candidates_need_to_know_nothing_of_tables(labs: Cohort) -> None:
    seen = with_measurements(labs, [table("swe", "ast")])
    alone, both = space_of(seen, ["LSTE"]), space_of(seen, ["LSTE", "labs"])
    has_lste = np.bincount(seen.owners("LSTE"), minlength=len(seen.patients)) > 0
    assert (both.per_patient[has_lste] == alone.per_patient[has_lste]).all()
    assert has_any(seen).tolist() == has_any(labs).tolist(), "who is studied depends on pictures alone"
    assert flow_of(seen) == flow_of(labs)


def test_sex_and_markers_are_columns_too(labs: Cohort) -> None:
    n = len(labs.patients)
    full = measured(labs, age=[40.0] * n, alt=[30.0] * n, platelets=[200.0] * n, ast=[40.0] * n)
    seen = with_measurements(full, [table("sex", "fib4")])
    assert seen.measurements["labs"][:2, 0].tolist() == [1.0, 0.0]
    assert np.isnan(seen.measurements["labs"][-1, 0])
    assert seen.measurements["labs"][0, 1] == pytest.approx(40 * 40 / (200 * np.sqrt(30)))
    assert "fib4" in MARKERS


def test_the_usual_columns_are_the_measured_ones(labs: Cohort) -> None:
    assert usual_columns(labs) == ("ast", "age", "swe", "sex")
    assert usual_columns(measured(labs, swe=[None] * len(labs.patients))) == ("ast", "age", "sex")


@pytest.mark.parametrize(
    ("columns", "log", "message"),
    [
        (("sew",), (), "no column 'sew'.*did you mean 'swe'"),
        (("patient_id",), (), "patient_id = 'P000' of patient 'P000' is no number"),
        (("zero",), ("zero",), "zero = 0 has no logarithm"),
        (("infinite",), (), "has an infinite value"),
        (("sex",), (), "sex is f, female, m, male or empty, got 'divers'"),
    ],
)
def test_what_cannot_be_read_is_named(
    labs: Cohort, columns: tuple[str, ...], log: tuple[str, ...], message: str
) -> None:
    n = len(labs.patients)
    odd = measured(labs, zero=[0.0] * n, infinite=[float("inf")] * n)
    if columns == ("sex",):
        odd = measured(odd, sex=["divers"] * n)
    with pytest.raises(CohortError, match=message):
        with_measurements(odd, [table(*columns, log=log)])


def test_a_column_of_ones_own_is_read_though_intake_carried_it_as_text(labs: Cohort) -> None:
    n = len(labs.patients)
    own = measured(labs, crp=["12.5", " 3 ", "", None, *["40"] * (n - 4)])
    seen = with_measurements(own, [table("crp")])
    assert seen.measurements["labs"][:, 0].tolist() == [12.5, 3.0, *[40.0] * (n - 4)]
    assert len(seen.images_of("labs")) == n - 2
    with pytest.raises(CohortError, match=r"crp = '<5' of patient '\w+' is no number; take the cohort in with a plan"):
        with_measurements(measured(labs, crp=["<5", *["1"] * (n - 1)]), [table("crp")])
