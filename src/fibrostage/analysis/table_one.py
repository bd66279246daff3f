"""A paper's first table: what is known of the patients, of training beside test patients and of each stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from fibrostage.ground.stage import Staging
from fibrostage.results.participants import BOTH, TESTS, TRAINS, Characteristic, characteristics
from fibrostage.stats.balance import smd_of_amounts, smd_of_kinds

MOST_KINDS = 8
OTHER = "other"


@dataclass(frozen=True)
class OfGroup:
    """What is known of a group: `n` who have it and `missing` who lack it; of amounts the median and quartiles, of a
    kind how many are so."""

    n: int
    missing: int
    quartiles: tuple[float, float, float] | None = None
    count: int | None = None


@dataclass(frozen=True)
class CharacteristicLine:
    """A line of the table: a characteristic, or one `kind` of it, told of each group. `smd` is between the first two
    groups, None where there is none; of kinds it stands in the first line."""

    title: str
    unit: str
    kind: str
    groups: tuple[OfGroup, ...]
    smd: float | None = None


@dataclass(frozen=True)
class TableOne:
    """Groups by name with how many are in each, and the lines."""

    groups: tuple[tuple[str, int], ...]
    lines: tuple[CharacteristicLine, ...]

    @property
    def compared(self) -> bool:
        """Whether two cohorts stand beside each other."""
        return any(line.smd is not None for line in self.lines)


def by_cohort(participants: pl.DataFrame, staging: Staging) -> TableOne:
    """Training beside test patients; everybody together where some train and test in turn, test patients alone where a
    model was fitted elsewhere."""
    if (participants["cohort"] == BOTH).any():
        return table_of({"all patients": participants}, staging, compared=False)
    parts = {"training": TRAINS, "test": TESTS}
    groups = {name: participants.filter(pl.col("cohort") == value) for name, value in parts.items()}
    if not len(groups["training"]):
        return table_of({"test": participants}, staging, compared=False)
    return table_of(groups, staging, compared=True)


def by_stage(participants: pl.DataFrame, staging: Staging) -> TableOne:
    """Each stage beside the others."""
    groups = {name: participants.filter(pl.col("stage") == name) for name in staging.classes}
    return table_of(groups, staging, compared=False, stage=False)


def table_of(groups: dict[str, pl.DataFrame], staging: Staging, compared: bool, stage: bool = True) -> TableOne:
    """The table of some groups; `stage` says whether the stages are lines of it."""
    every = pl.concat(groups.values())
    lines: list[CharacteristicLine] = []
    if stage:
        own = Characteristic("stage", f"stage ({staging.name})")
        lines += lines_of_kinds(own, groups, list(staging.classes), compared)
    for one in characteristics():
        if one.name not in every.columns:
            continue
        if one.amount:
            lines.append(line_of_amounts(one, groups, compared))
        else:
            lines += lines_of_kinds(one, groups, kinds_of(every[one.name]), compared)
    seen = Characteristic("modalities", "pictures")
    lines += lines_of_kinds(seen, groups, kinds_of(every["modalities"]), compared)
    return TableOne(tuple((name, len(table)) for name, table in groups.items()), tuple(lines))


def kinds_of(values: pl.Series) -> list[str]:
    """The commonest kinds that occur, the most frequent first, the rest as one."""
    counts = values.drop_nulls().value_counts(sort=True)
    names = [str(name) for name in counts.sort(["count", values.name], descending=[True, False])[values.name]]
    return names if len(names) <= MOST_KINDS else [*names[: MOST_KINDS - 1], OTHER]


def line_of_amounts(one: Characteristic, groups: dict[str, pl.DataFrame], compared: bool) -> CharacteristicLine:
    """Median and quartiles of an amount."""
    values = [table[one.name].drop_nulls().to_numpy() for table in groups.values()]
    told = []
    for own, table in zip(values, groups.values(), strict=True):
        quartiles = tuple(np.quantile(own, (0.25, 0.5, 0.75)).tolist()) if len(own) else None
        told.append(OfGroup(len(own), len(table) - len(own), quartiles))
    return CharacteristicLine(one.title, one.unit, "", tuple(told), smd_of_amounts(*values) if compared else None)


def lines_of_kinds(
    one: Characteristic, groups: dict[str, pl.DataFrame], kinds: list[str], compared: bool
) -> Iterator[CharacteristicLine]:
    """How many are of each kind, of those of whom it is known."""
    known = [table[one.name].drop_nulls().to_list() for table in groups.values()]
    named = set(kinds)
    counts = [[sum((value if value in named else OTHER) == kind for value in own) for kind in kinds] for own in known]
    smd = smd_of_kinds(*counts) if compared else None
    for k, kind in enumerate(kinds):
        told = tuple(
            OfGroup(len(own), len(table) - len(own), count=count[k])
            for own, table, count in zip(known, groups.values(), counts, strict=True)
        )
        yield CharacteristicLine(one.title, one.unit, kind, told, smd if k == 0 else None)
