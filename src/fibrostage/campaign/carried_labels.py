"""Labels of another campaign, as 'ledger export' wrote them: they are the first round of a new one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.csv_tables.reader import read_csv
from fibrostage.ground.errors import IntakeError, PlanError, Problems
from fibrostage.ledger.events import UNUSABLE
from fibrostage.ledger.export import HEADER


@dataclass(frozen=True)
class Carried:
    """Answers brought from another ledger, as items and stages (`UNUSABLE` for rejected)."""

    items: NDArray[np.int64]
    stages: NDArray[np.int64]
    who: str

    def digest(self) -> str:
        """What the ledger of the new run remembers it by."""
        return hashlib.sha256(self.items.tobytes() + self.stages.tobytes()).hexdigest()[:32]

    def check_patients(self, units: QueryUnit, pool: NDArray[np.int64], patient_ids: Sequence[str]) -> None:
        """Checks that carried labels are of patients in `pool` [P], the rows of those whom the new run may ask about.

        Raises `PlanError` where one is not: the new run tests or validates on that patient, or knows no stage.
        """
        owners = units.patient_of(self.items)
        outside = np.unique(owners[~np.isin(owners, pool)])
        if len(outside):
            raise PlanError(
                f"{len(outside)} patients of the carried labels, the first {patient_ids[int(outside[0])]!r}, are not "
                "in this run's pool: it tests or validates on them (give it the split and seed the labels come from), "
                "or the cohort has no stage of them (then ask with 'fibrostage loop')"
            )

    def answers(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the carried stages [n] of items [n], `UNUSABLE` where one was rejected; each item must be carried."""
        known = dict(zip(self.items.tolist(), self.stages.tolist(), strict=True))
        return np.array([known[item] for item in items.tolist()], dtype=np.int64)


def carry(source: Path, units: QueryUnit, patient_ids: Sequence[str], classes: Sequence[str]) -> Carried:
    """Reads the labels of an exported CSV for this cohort's items.

    Raises `PlanError` where the file cannot be read, lacks a column or holds no labels, where an item occurs twice, and
    for rows that do not fit this run, of which the first five are named.
    """
    problems = Problems()
    try:
        table = read_csv(source, HEADER[:5], problems)
    except IntakeError as error:
        raise PlanError(f"cannot read the labels: {error}") from None
    items, stages = [], []
    wrong = [str(problem) for problem in problems]
    for number, row in table.rows:
        problem = row_problem(row, units, patient_ids, classes)
        if problem:
            wrong.append(f"row {number}: {problem}")
            continue
        items.append(int(row["item"]))
        stages.append(UNUSABLE if row["answer"] == "rejected" else classes.index(row["stage"]))
    if len(set(items)) != len(items):
        wrong.append("an item occurs twice")
    if wrong or not items:
        raise PlanError(f"{source}: " + ("; ".join(wrong[:5]) if wrong else "no labels in it"))
    return Carried(np.array(items, dtype=np.int64), np.array(stages, dtype=np.int64), f"carried from {source.name}")


def row_problem(
    row: dict[str, str], units: QueryUnit, patient_ids: Sequence[str], classes: Sequence[str]
) -> str | None:
    """Says why a row of exported labels does not fit this run's unit, cohort and stages, or None where it does."""
    if row["unit"] != units.name:
        return f"a label of a {row['unit']}; this run asks for a {units.name}"
    if row["answer"] not in ("labelled", "rejected"):
        return f"answer {row['answer']!r}; allowed are labelled, rejected"
    if not (row["item"] or "").isdigit() or int(row["item"]) >= int(units.offsets[-1]):
        return f"item {row['item']!r}; items run from 0 to {int(units.offsets[-1]) - 1}"
    owner = patient_ids[int(units.patient_of(np.array([int(row["item"])]))[0])]
    if owner != row["patient_id"]:
        return f"item {row['item']} is of patient {owner!r} here, not of {row['patient_id']!r}: another cohort's labels"
    if row["answer"] == "labelled" and row["stage"] not in classes:
        return f"stage {row['stage']!r}; allowed are {', '.join(classes)}"
    return None
