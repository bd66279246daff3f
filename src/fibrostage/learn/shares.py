"""What each modality said of the training patients, stage by stage: enough to foresee what it may say of a new one.

A patient's logits are a sum of the modalities' shares, so what a modality that was not examined could still add is
found among the shares of patients who had it. Those of a network that was fitted on the very patients lie further apart
than any new patient's would, so they are taken, wherever there are cross-fits, from the one that had left a patient
out: each as its distance from what that network's own training patients have on average, added to what they have in the
network that is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fibrostage.ground.files import Json
from fibrostage.networks.fusion import Head

DIGITS = 5  # of a share that is kept

Shares = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class StageShares:
    """Training patients in an order that says nothing of who they are: their `stages` [n], as indices; by modality
    their mean `values` [n, outputs], None for who lacks it, and how many `pictures` of it a patient who has it has on
    average. `unseen` says whether they are of networks that had not seen the patient."""

    stages: tuple[int, ...]
    values: Mapping[str, tuple[tuple[float, ...] | None, ...]]
    pictures: Mapping[str, float] = field(default_factory=dict)
    unseen: bool = False

    def table(self, modality: str) -> NDArray[np.float64]:
        """A modality's values [n, outputs], not a number for who lacks it; none are [n, 1]."""
        rows = self.values.get(modality, (None,) * len(self.stages))
        width = max((len(row) for row in rows if row is not None), default=1)
        return np.array([(np.nan,) * width if row is None else row for row in rows]).reshape(-1, width)

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return {
            "stages": list(self.stages),
            "values": {
                name: [None if row is None else list(row) for row in rows] for name, rows in self.values.items()
            },
            "pictures": dict(self.pictures),
            "unseen": self.unseen,
        }


def shares_from(told: Mapping[str, Any]) -> StageShares:
    """What `as_dict` gave; raises `KeyError`, `TypeError`, `ValueError` or `AttributeError` where it is damaged."""
    stages = tuple(int(each) for each in told["stages"])
    values = {
        str(name): tuple(None if row is None else tuple(float(each) for each in row) for row in rows)
        for name, rows in told["values"].items()
    }
    if any(len(rows) != len(stages) for rows in values.values()):
        raise ValueError("shares and stages of training patients differ in number")
    pictures = {str(name): float(count) for name, count in told["pictures"].items()}
    return StageShares(stages, values, pictures, bool(told["unseen"]))


@torch.inference_mode()
def mean_shares(
    head: Head, features: Mapping[str, Tensor], owners: Mapping[str, NDArray[np.int64]], patients: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """By modality the mean share [p, outputs] of the pictures of each of the `patients` [p], not a number for who has
    none: pictures are given by features [n_m, C] and their owners' rows [n_m]."""
    tables, order = head.tables(features), np.argsort(patients)
    result = {}
    for name in head.modalities:
        own, table = np.isin(owners[name], patients), tables[name][:-1].double().numpy()
        at = order[np.searchsorted(patients, owners[name][own], sorter=order)]
        counts = np.bincount(at, minlength=len(patients))[:, None]
        sums = np.zeros((len(patients), table.shape[1]))
        np.add.at(sums, at, table[own])
        result[name] = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return result


def apart(shares: Shares, among: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """By modality how far shares [p, outputs] lie from the mean of the patients whom `among` [p] marks."""
    return {name: table - centre(table[among]) for name, table in shares.items()}


def centre(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean [outputs] of those rows of a table [p, outputs] that are numbers; 0 where there are none."""
    known = table[~np.isnan(table).any(axis=1)]
    return np.asarray(known.mean(axis=0)) if len(known) else np.zeros(table.shape[1])


def stage_shares(stages: NDArray[np.int64], shares: Shares, pictures: Mapping[str, float], unseen: bool) -> StageShares:
    """What is kept of patients of the `stages` [p] and the `shares` [p, outputs], sorted by what they are."""

    def kept(row: Sequence[float]) -> tuple[float, ...] | None:
        return None if np.isnan(row).any() else tuple(round(float(each), DIGITS) for each in row)

    columns = [tuple(map(kept, table)) for table in shares.values()]
    rows = sorted(
        zip(stages.tolist(), *columns, strict=True), key=lambda row: (row[0], *(one or () for one in row[1:]))
    )
    values = {name: tuple(row[at] for row in rows) for at, name in enumerate(shares, 1)}
    return StageShares(tuple(row[0] for row in rows), values, dict(pictures), unseen)
