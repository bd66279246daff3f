"""What each modality and each picture adds to an answer, exactly: a candidate's logits are a sum of shares.

A patient's answer is a mean over candidates, so a picture counts as often as it was among them. Shares are told in
log-odds a stage up: the slope of the logits over the stages (least squares), or the number itself where stages are
intervals of one; against the mean of the training patients, so that what all have in common says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.networks.bags import pictures_there
from fibrostage.networks.fusion import Head


@dataclass(frozen=True)
class Contributions:
    """By modality what it adds for every patient [P], in the order of `rows` [P], and what each picture [n] adds; a
    patient's pictures of a modality add up to it. `sums` [P, outputs] are the shares of all modalities, offsets of
    those that a patient lacks among them, added up: what the head's link makes logits of, averaged over candidates.
    `weights` are by modality how much each picture [n] counts in its bag; empty where the network sees no bags."""

    rows: NDArray[np.int64]
    patients: Mapping[str, NDArray[np.float64]]
    pictures: Mapping[str, NDArray[np.float64]]
    sums: NDArray[np.float64]
    weights: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@torch.inference_mode()
def contributions(
    head: Head,
    features: Mapping[str, Tensor],
    space: CandidateSpace,
    ids: NDArray[np.int64],
    baseline: Mapping[str, float] | None = None,
) -> Contributions:
    """What modalities and pictures add to the answers about the patients of candidates `ids` [n], of features [n_m, C],
    or bags [n_m, B, C];
    `baseline` is by modality what the training patients' mean is, 0 where it is not given."""
    bags = {name: z for name, z in features.items() if z.ndim == 3}
    return contributions_by(head, head.tables(features), space, ids, baseline, bags)


@torch.inference_mode()
def contributions_by(
    head: Head,
    tables: Mapping[str, Tensor],
    space: CandidateSpace,
    ids: NDArray[np.int64],
    baseline: Mapping[str, float] | None = None,
    bags: Mapping[str, Tensor] | None = None,
) -> Contributions:
    """`contributions` from the head's tables of shares [n_m + 1, outputs], and the `bags` [P, B, C] of the modalities
    whose rows are bags."""
    chosen = space.decode(ids)
    rows, owner, counts = np.unique(space.patient_of(ids), return_inverse=True, return_counts=True)
    patients, pictures, weights = {}, {}, {}
    sums = np.zeros((len(rows), head.link.outputs))
    for column, name in enumerate(head.modalities):
        usual = (baseline or {}).get(name, 0.0)
        own, picture = a_stage_up(tables[name]) - usual, chosen[:, column]
        patients[name] = np.bincount(owner, weights=own[picture], minlength=len(rows)) / counts
        np.add.at(sums, owner, tables[name].double().numpy()[picture])  # −1 is the last row: the offset
        if bags and name in bags:
            pictures[name], weights[name] = shared_out(head, name, bags[name], usual)
            continue
        there = picture >= 0
        often = np.bincount(picture[there], weights=1 / counts[owner[there]], minlength=len(own) - 1)
        pictures[name] = own[:-1] * often
    return Contributions(rows, patients, pictures, sums / counts[:, None], weights)


def shared_out(
    head: Head, modality: str, bags: Tensor, baseline: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each picture [n] of a modality's bags [P, B, C] adds, and how much it weighs in its bag [n]: what it says
    for itself, less the `baseline`, times its weight. A bag's pictures add up to what the modality adds for its
    patient."""
    each, weights = head.stream(modality).shares_of_each(bags)
    there = pictures_there(bags).numpy()
    own = weights.double().numpy()[there]
    said = a_stage_up(each.flatten(0, 1)).reshape(there.shape) - baseline
    return said[there] * own, own


def a_stage_up(shares: Tensor) -> NDArray[np.float64]:
    """Shares of the logits [n, K], or of the one number behind the stages [n, 1], as log-odds a stage up [n]."""
    table = shares.double().numpy()
    if table.shape[1] == 1:
        return np.asarray(table[:, 0])
    stages = np.arange(table.shape[1]) - (table.shape[1] - 1) / 2
    return np.asarray(table @ stages / (stages**2).sum())
