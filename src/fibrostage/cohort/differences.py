"""What one cohort has that another has not: patients, stages and other values, pictures, and how they are kept.

A patient is known by the id and a picture by patient, modality and the hash of its stored pixels, whatever folder it
lies in and whatever row or id it has there.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fibrostage.cohort.store import Cohort
from fibrostage.ground.files import Json

PICTURE = ["patient_id", "modality", "sha256"]


@dataclass(frozen=True)
class Changed:
    """A value of a patient's in both cohorts."""

    patient_id: str
    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class CohortDifference:
    """From cohort `a` to cohort `b`. `gone` and `come` are patients, `pictures` by modality how many are only in a,
    only in b and in both, `changed` values of patients in both, `kept` what else differs, in words."""

    a: Cohort
    b: Cohort
    gone: tuple[str, ...]
    come: tuple[str, ...]
    changed: tuple[Changed, ...]
    pictures: dict[str, tuple[int, int, int]]
    kept: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the cohorts hold the same patients, values and pictures."""
        alone = any(only_a or only_b for only_a, only_b, _ in self.pictures.values())
        return not (self.gone or self.come or self.changed or self.kept or alone)

    def as_dict(self) -> dict[str, Json]:
        return {
            "a": self.a.fingerprint,
            "b": self.b.fingerprint,
            "same": self.same,
            "simulated": self.a.simulated or self.b.simulated,
            "patients_only_in_a": list(self.gone),
            "patients_only_in_b": list(self.come),
            "changed": [
                {"patient_id": one.patient_id, "column": one.column, "a": one.before, "b": one.after}
                for one in self.changed
            ],
            "pictures": {
                name: {"only_in_a": only_a, "only_in_b": only_b, "in_both": both}
                for name, (only_a, only_b, both) in self.pictures.items()
            },
            "kept_otherwise": list(self.kept),
        }


def difference(a: Cohort, b: Cohort) -> CohortDifference:
    """Compares two cohorts."""
    first, second = set(a.patient_ids), set(b.patient_ids)
    return CohortDifference(
        a,
        b,
        tuple(name for name in a.patient_ids if name not in second),
        tuple(name for name in b.patient_ids if name not in first),
        tuple(changes(a.patients, b.patients)),
        pictures_by_modality(a, b),
        tuple(kept_otherwise(a, b)),
    )


def changes(a: pl.DataFrame, b: pl.DataFrame) -> list[Changed]:
    """Values of patients in both tables that differ, in the order of the first; a column of one table is missing in
    the other."""
    columns = list(dict.fromkeys(name for name in (*a.columns, *b.columns) if name != "patient_id"))
    after = {row["patient_id"]: row for row in b.iter_rows(named=True)}
    found = []
    for row in a.iter_rows(named=True):
        other = after.get(row["patient_id"])
        if other is None:
            continue
        for column in columns:
            was, now = row.get(column), other.get(column)
            if was != now:
                found.append(Changed(row["patient_id"], column, text_of(was), text_of(now)))
    return found


def text_of(value: object) -> str | None:
    return None if value is None else str(value)


def pictures_by_modality(a: Cohort, b: Cohort) -> dict[str, tuple[int, int, int]]:
    """By modality how many pictures are only in `a`, only in `b`, and in both."""
    names = dict.fromkeys((*a.modality_names, *b.modality_names))
    found = {}
    for name in names:
        own, other = (
            set(cohort.images.filter(pl.col("modality") == name).select(PICTURE).iter_rows()) for cohort in (a, b)
        )
        found[name] = (len(own - other), len(other - own), len(own & other))
    return found


def kept_otherwise(a: Cohort, b: Cohort) -> list[str]:
    """In words how the cohorts differ beyond patients and pictures: stages, modalities, keys, warnings."""
    found = []
    if a.staging != b.staging:
        names = [f"{cohort.staging.name} {', '.join(cohort.staging.classes)}" for cohort in (a, b)]
        found.append(f"stages: {names[0]} | {names[1]}")
    if a.simulated != b.simulated:
        found.append(f"{'the first' if a.simulated else 'the second'} alone is simulated")
    for name in dict.fromkeys((*a.modality_names, *b.modality_names)):
        kinds = [next((m for m in cohort.modalities if m.name == name), None) for cohort in (a, b)]
        if kinds[0] != kinds[1]:
            told = [
                "not there" if m is None else f"{m.kind}, {m.size} px, {m.channels} channels, fit {m.fit!r}"
                for m in kinds
            ]
            found.append(f"modality {name}: {told[0]} | {told[1]}")
    if a.key != b.key:
        found.append(
            "ids: hashed with different keys" if a.key and b.key else "ids: hashed otherwise, or not known how"
        )
    for which, own, other in (("first", a, b), ("second", b, a)):
        found += [f"warning of the {which} alone: {text}" for text in own.caveats if text not in other.caveats]
    return found
