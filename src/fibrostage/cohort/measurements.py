"""Measurements as a modality: columns of the patients table beside pictures, a row a patient, in the same algebra; or
what intake read off every picture of another modality, a row a picture.

A patient with any value has one "picture" of the modality: its row of values. So candidates, splits, missing
modalities, scoring and contributions need to know nothing of tables; only where features come from does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.store import TABLE, Cohort, Modality
from fibrostage.ground.errors import CohortError, nearest
from fibrostage.markers import MARKERS, measured
from fibrostage.markers.spec import values_of as values
from fibrostage.plan.intake import ModalityPlan
from fibrostage.plan.run_plan import Plan

SEX = "sex"
PERSONAL = ("age", "bmi", SEX)
FEMALE, MALE = ("f", "female", "w", "weiblich"), ("m", "male", "männlich")
LOGGED = ("swe", "te", "stq", "spleen", "swe_mps", "te_mps", "stq_mps", "ast", "alt", "ggt")
READINGS = ("kpa", "kpa_mean", "kpa_sd", "kpa_iqr", "kpa_filled")  # of a picture, as intake reads them
ENTERED = 0.5  # of the patients, for a column to be taken unasked


def seen_by(cohort: Cohort, plan: Plan, new: bool = False) -> Cohort:
    """The cohort with the tables that a plan fuses; raises what `with_measurements` raises."""
    return with_measurements(cohort, [table for table in plan.tables if table.name in plan.fused], new)


def with_measurements(cohort: Cohort, tables: Sequence[ModalityPlan], new: bool = False) -> Cohort:
    """The cohort with a modality for each table that it does not have yet; itself where there is none. Of `new`
    patients, whom nobody learns from, a column that is not there was not measured.

    Raises `CohortError` where a column is not there, is no number, or has a logarithm asked of a value that has none.
    """
    wanted = [table for table in tables if table.name not in cohort.measurements]
    if not wanted:
        return cohort
    values, rows, modalities = dict(cohort.measurements), [cohort.images], list(cohort.modalities)
    for table in wanted:
        known, numbers = values_of(cohort, table, new)
        values[table.name] = numbers
        rows.append(rows_of(known, table, numbers))
        modalities.append(Modality(table.name, TABLE, 0, len(table.columns), "pad"))
    images = pl.concat(rows, how="diagonal_relaxed")
    return replace(cohort, images=images, modalities=tuple(modalities), measurements=values)


def values_of(cohort: Cohort, table: ModalityPlan, new: bool = False) -> tuple[pl.DataFrame, NDArray[np.float32]]:
    """Who has any value, rows [n] of the patients, or of the pictures that were read; and their values [n, columns],
    NaN where missing; of `new` patients also where there is no such column."""
    if table.of is None:
        everyone = cohort.patients
        there = [name for name in table.columns if not (new and is_absent(cohort, name))]
        read = {name: column_of(cohort, name, table.name) for name in there}
    else:
        everyone = cohort.images_of(table.of)
        read = {name: reading_of(everyone, name, table) for name in table.columns}
    numbers = np.full((len(everyone), len(table.columns)), np.nan)
    for index, name in enumerate(table.columns):
        own = read.get(name, numbers[:, index])
        if name in table.log:
            if (own <= 0).any():
                raise CohortError(f"{table.name}: {name} = {np.nanmin(own):g} has no logarithm; leave it out of log")
            own = np.log(own)
        numbers[:, index] = own
    known = np.flatnonzero(~np.isnan(numbers).all(axis=1))
    return everyone[known], numbers[known].astype(np.float32)


def is_absent(cohort: Cohort, name: str) -> bool:
    """Whether a cohort has no column of a name, nor a marker."""
    return name not in cohort.patients.columns and name not in MARKERS.names()


def reading_of(pictures: pl.DataFrame, name: str, table: ModalityPlan) -> NDArray[np.float64]:
    """What was read off each of the pictures [n], NaN where nothing was."""
    if name not in READINGS:
        raise CohortError(
            f"{table.name}: nothing called {name!r} is read off a picture{nearest(name, READINGS)}; there are "
            f"{', '.join(READINGS)}"
        )
    return pictures[name].cast(pl.Float64).fill_null(np.nan).to_numpy().copy()


def column_of(cohort: Cohort, name: str, table: str) -> NDArray[np.float64]:
    """A column's values [patients], NaN where missing: a marker by its formula, sex as 0 (female) and 1 (male)."""
    patients = cohort.patients
    if name not in patients.columns and name in MARKERS.names():
        return marker_of(cohort, name)
    if name not in patients.columns:
        there = [each for each, kind in patients.schema.items() if kind.is_numeric()]
        raise CohortError(
            f"{table}: the patients of cohort {cohort.name!r} have no column {name!r}{nearest(name, there)}; "
            f"{'there are ' + ', '.join(there) if there else 'none of theirs is a number'}"
        )
    own = patients[name]
    if name == SEX and own.dtype == pl.String:
        return np.array([sex_of(each, table) for each in own], dtype=np.float64)
    if own.dtype == pl.String:
        own = as_numbers(own, cohort, table)
    if not own.dtype.is_numeric():
        raise CohortError(f"{table}: column {name!r} of cohort {cohort.name!r} is no number")
    numbers = own.cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
    if np.isinf(numbers).any():
        raise CohortError(f"{table}: column {name!r} of cohort {cohort.name!r} has an infinite value")
    return numbers


def as_numbers(own: pl.Series, cohort: Cohort, table: str) -> pl.Series:
    """A column of one's own, which intake carried along as text, as numbers; raises `CohortError` where one is none."""
    plain = own.str.strip_chars()
    found = plain.cast(pl.Float64, strict=False)
    odd = (found.is_null() | found.is_nan()) & plain.is_not_null() & (plain != "")
    if odd.any():
        at = int(odd.arg_max() or 0)
        raise CohortError(
            f"{table}: {own.name} = {own[at]!r} of patient {cohort.patient_ids[at]!r} is no number; take the cohort in "
            "with a plan that has this table, and whose [table] says how numbers and missing values are written"
        )
    return found


def marker_of(cohort: Cohort, name: str) -> NDArray[np.float64]:
    """A marker's values [patients] by its formula, NaN where what it needs is missing."""
    known = {each for each in measured() if each in cohort.patients.columns}
    columns = {each: cohort.patients[each].cast(pl.Float64).fill_null(np.nan).to_numpy() for each in known}
    return values(MARKERS[name], columns, len(cohort.patients)).values.copy()


def sex_of(text: str | None, table: str) -> float:
    """0 for female, 1 for male, NaN where it is not said; raises `CohortError` for anything else."""
    if text is None or not text.strip():
        return float("nan")
    plain = text.strip().casefold()
    if plain in FEMALE or plain in MALE:
        return float(plain in MALE)
    raise CohortError(f"{table}: sex is {', '.join(FEMALE[:2])}, {', '.join(MALE[:2])} or empty, got {text!r}")


def rows_of(known: pl.DataFrame, table: ModalityPlan, numbers: NDArray[np.float32]) -> pl.DataFrame:
    """The images table's rows of a table: one of each of the patients, or pictures, `known` [n], named by them and
    hashed by their values [n, columns]."""
    named, origin = ("patient_id", "patients") if table.of is None else ("image_id", "images")
    return known.select(
        (pl.col(named) + f"/{table.name}").alias("image_id"),
        pl.col("patient_id").cast(pl.String),
        pl.lit(table.name).alias("modality"),
        pl.lit(f"{origin}.parquet#{table.name}").alias("source"),
        pl.Series("sha256", [hashlib.sha256(row.tobytes()).hexdigest() for row in numbers], dtype=pl.String),
    )


def usual_columns(cohort: Cohort) -> tuple[str, ...]:
    """The columns that are taken where none are named: measured ones that at least half of the patients have, and that
    can be read."""
    patients = cohort.patients
    found = []
    for name in (*measured(), "bmi", SEX):
        if name not in patients.columns or name in found or name.endswith("_uln"):
            continue
        if patients[name].null_count() <= (1 - ENTERED) * len(patients) and is_readable(cohort, name):
            found.append(name)
    return tuple(found)


def is_readable(cohort: Cohort, name: str) -> bool:
    """Whether a column's values are numbers."""
    try:
        column_of(cohort, name, TABLE)
    except CohortError:
        return False
    return True


def is_worth_fusing(columns: Sequence[str]) -> bool:
    """Whether columns say more than who a patient is: stiffness, or a value of the blood."""
    return bool(set(columns) - set(PERSONAL))


def logged(cohort: Cohort, columns: Sequence[str]) -> tuple[str, ...]:
    """Those of the columns that are taken by their logarithm: stiffness and enzymes, whose spread grows with them;
    where a patient has 0 of one, it stays as it is."""
    return tuple(name for name in columns if name in LOGGED and not (column_of(cohort, name, TABLE) <= 0).any())
