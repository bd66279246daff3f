"""participants.parquet: who trains and who tests in a run, and what is known of them, as far as a paper tells it.

A report is made from a run's folder alone, and a paper begins with a table of its patients. A row a patient:
`patient_id`, `stage` (the finest that is known), `cohort` (one of `TRAINS`, `TESTS` and `BOTH`, where every patient
tests in one fold and trains in the others), `modalities` (which of the run's modalities the patient has) and the
characteristics below that the cohort's table has. Runs from before it was kept have no such file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from fibrostage.markers import MARKERS, measured

TRAINS, TESTS, BOTH = "train", "test", "both"
COMPLETE = "all modalities"  # what a patient's `modalities` say where none is missing


@dataclass(frozen=True)
class Characteristic:
    """Something known of a patient: an `amount` in a unit, or a kind in words. `columns` are what patients' tables call
    it, the first that is there counts."""

    name: str
    title: str
    unit: str = ""
    amount: bool = False
    columns: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What a patients' table may call it."""
        return (self.name, *self.columns)


KINDS = (
    Characteristic("sex", "sex", columns=("gender",)),
    Characteristic("site", "site", columns=("centre", "center", "hospital")),
    Characteristic("device", "device", columns=()),
    Characteristic("aetiology", "aetiology", columns=("etiology", "cause", "diagnosis")),
    Characteristic("inflammation", "inflammation", columns=("activity", "necroinflammation", "grade")),
    Characteristic("steatosis", "steatosis"),
    Characteristic("diabetes", "diabetes"),
)
TITLES = {
    "age": "age", "bmi": "BMI", "ast": "AST", "alt": "ALT", "ggt": "GGT", "platelets": "platelets",
    "albumin": "albumin", "ifg_dm": "impaired glucose or diabetes", "ast_uln": "upper limit of AST",
    "ggt_uln": "upper limit of GGT",
}  # fmt: skip


def characteristics() -> tuple[Characteristic, ...]:
    """Everything of a patient that a run keeps: kinds first, then what some marker reads, in its own unit."""
    stiff = {marker.needs[0].column: marker.title for marker in MARKERS if marker.source == "measured"}
    amounts = tuple(
        Characteristic(name, stiff.get(name) or TITLES.get(name, name), quantity.unit, amount=True)
        for name, quantity in measured().items()
    )
    first = [one for one in amounts if one.name in ("age", "bmi")]
    return (KINDS[0], *first, *KINDS[1:], *(one for one in amounts if one not in first))


def known_of_patients(patients: pl.DataFrame) -> pl.DataFrame:
    """The characteristics that a table of patients has, by their own names: amounts as numbers (what is no number is
    null), kinds as text (what is blank is null); a column that is empty throughout is left out."""
    found = {}
    for one in characteristics():
        column = next((name for name in one.names if name in patients.columns), None)
        if column is None:
            continue
        if one.amount:
            values = patients[column].cast(pl.Float64, strict=False).fill_nan(None)
        else:
            values = patients[column].cast(pl.String).str.strip_chars().replace("", None)
        if values.null_count() < len(values):
            found[one.name] = values
    return pl.DataFrame(found)


def known_once(tables: Iterable[pl.DataFrame | None]) -> pl.DataFrame | None:
    """What is known of everybody whom several runs kept, a row a patient as the first run has it; None where any run
    kept nobody."""
    every = list(tables)
    known = [table for table in every if table is not None]
    if not known or len(known) < len(every):
        return None
    return pl.concat(known, how="diagonal_relaxed").unique("patient_id", keep="first", maintain_order=True)


def known_together(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Everybody who trains or tests in any of several runs, a row a patient; who trains in one and tests in another is
    of `BOTH`."""
    once = known_once(tables)
    assert once is not None
    cohorts = pl.concat([table.select("patient_id", "cohort") for table in tables])
    which = cohorts.group_by("patient_id").agg(
        pl.when(pl.col("cohort").n_unique() > 1).then(pl.lit(BOTH)).otherwise(pl.col("cohort").first()).alias("cohort")
    )
    return once.drop("cohort").join(which, "patient_id", maintain_order="left").select(once.columns)
