"""What each modality and each picture adds to an answer, exactly: a candidate's logits are a sum of shares.

A patient's answer is a mean over candidates, so a picture counts as often as it was among them. Shares are told in
log-odds a stage up: the slope of the logits over the stages (least squares), or the number itself where stages are
intervals of one; against the mean of the training patients, so that what all have in common says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    those that a patient lacks among them, added up: what the head's link makes logits of, averaged over candidates."""

    rows: NDArray[np.int64]
    patients: Mapping[str, NDArray[np.float64]]
    pictures: Mapping[str, NDArray[np.float64]]
    sums: NDArray[np.float64]


@torch.inference_mode()
def contributions(
    head: Head,
    features: Mapping[str, Tensor],
    space: CandidateSpace,
    ids: NDArray[np.int64],
    baseline: Mapping[str, float] | None = None,
) -> Contributions:
    """What modalities and pictures add to the answers about the patients of candidates `ids` [n], of features [n_m, C];
    `baseline` is by modality what the training patients' mean is, 0 where it is not given."""
    return contributions_by(head, head.tables(features), space, ids, baseline)


@torch.inference_mode()
def contributions_by(
    head: Head,
    tables: Mapping[str, Tensor],
    space: CandidateSpace,
    ids: NDArray[np.int64],
    baseline: Mapping[str, float] | None = None,
) -> Contributions:
    """`contributions` from the head's tables of shares [n_m + 1, outputs]."""
    chosen = space.decode(ids)
    rows, owner, counts = np.unique(space.patient_of(ids), return_inverse=True, return_counts=True)
    patients, pictures = {}, {}
    sums = np.zeros((len(rows), head.link.outputs))
    for column, name in enumerate(head.modalities):
        own, picture = a_stage_up(tables[name]) - (baseline or {}).get(name, 0.0), chosen[:, column]
        patients[name] = np.bincount(owner, weights=own[picture], minlength=len(rows)) / counts
        np.add.at(sums, owner, tables[name].double().numpy()[picture])  # −1 is the last row: the offset
        there = picture >= 0
        weights = 1 / counts[owner[there]]
        pictures[name] = own[:-1] * np.bincount(picture[there], weights=weights, minlength=len(own) - 1)
    return Contributions(rows, patients, pictures, sums / counts[:, None])


@torch.inference_mode()
def shared_out(
    head: Head, bags: Mapping[str, Tensor], baseline: Mapping[str, float] | None = None
) -> dict[str, NDArray[np.float64]]:
    """What each picture [n] of the bags [P, B, C] of every modality adds: what it says for itself, less the `baseline`,
    times its weight. A bag's pictures add up to what the modality adds for its patient."""
    found = {}
    for name, own in bags.items():
        each, there = head.stream(name).shares_of_each(own), pictures_there(own).numpy()
        said = a_stage_up(each.flatten(0, 1)).reshape(there.shape) - (baseline or {}).get(name, 0.0)
        found[name] = said[there] * weights_in(head, name, own)
    return found


@torch.inference_mode()
def weights_in(head: Head, modality: str, bags: Tensor) -> NDArray[np.float64]:
    """How much each picture [n] of bags [P, B, C] weighs in its bag."""
    found: NDArray[np.float64] = head.stream(modality).weights(bags).double().numpy()[pictures_there(bags).numpy()]
    return found


def a_stage_up(shares: Tensor) -> NDArray[np.float64]:
    """Shares of the logits [n, K], or of the one number behind the stages [n, 1], as log-odds a stage up [n]."""
    table = shares.double().numpy()
    if table.shape[1] == 1:
        return np.asarray(table[:, 0])
    stages = np.arange(table.shape[1]) - (table.shape[1] - 1) / 2
    return np.asarray(table @ stages / (stages**2).sum())
