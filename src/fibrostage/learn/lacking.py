"""What a network says of patients who lack a modality, calibrated on patients who were made to lack the same.

A missing modality's stream is replaced by its offset, and what the network then says is too sure under a map that was
fitted to patients with every picture they could have. A patient's logits are a sum of the modalities' shares, and those
of the training patients are kept, from networks that had not seen them (`learn.shares`). So their own answers with any
modalities left out are known exactly, without a picture, and maps, sets of possible stages and limits of ruling in and
out are learned from these, for whatever a new patient lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from fibrostage.learn.cross_fit import FEWEST_PATIENTS
from fibrostage.learn.shares import StageShares
from fibrostage.learn.soundness import never_certain
from fibrostage.networks.fusion import Head
from fibrostage.stats.calling import Calling, calibrated

PARTS = 5  # of the training patients, each told by maps of the others

Table = NDArray[np.float64]
Lacking = tuple[bool, ...]  # by modality of the network


@dataclass(frozen=True)
class Member:
    """One network of a model, how its answers are calibrated for patients like those of training, and what it keeps of
    these, None where it keeps nothing. `learned` remembers the calibration for each kind of patient that was met."""

    head: Head
    calling: Calling
    shares: StageShares | None
    learned: dict[Lacking, Calling | None] = field(default_factory=dict, compare=False, repr=False)

    def offset(self, modality: str) -> Table:
        """What stands in the place of a missing modality's share [outputs]."""
        return np.asarray(self.head.stream(modality).offset.detach().double().numpy())

    def pooled(self, sums: Table) -> Table:
        """Probabilities [..., K] of sums of shares [..., outputs], as the network has them."""
        with torch.inference_mode():
            table = self.head.link(torch.from_numpy(sums).float()).double().softmax(-1).numpy()
        return never_certain(table.reshape(-1, table.shape[-1])).reshape(table.shape)

    def calling_for(self, lacking: Lacking) -> Calling | None:
        """How answers are told of patients who lack the modalities marked; None where training patients are too few to
        say, or the network had seen them, or nothing is lacking."""
        if lacking not in self.learned:
            self.learned[lacking] = self._learn(lacking)
        return self.learned[lacking]

    def _learn(self, lacking: Lacking) -> Calling | None:
        if self.shares is None or not self.shares.unseen or not any(lacking) or all(lacking):
            return None
        sums = np.sum([self._part(*each) for each in zip(self.head.modalities, lacking, strict=True)], axis=0)
        there = ~np.isnan(sums).any(axis=1)
        if there.sum() < FEWEST_PATIENTS or self.calling.recalibration is None:
            return None
        stages = np.array(self.shares.stages)[there]
        parts = np.arange(len(stages)) % PARTS  # they are kept stage by stage, so parts have like stages
        return calibrated(stages, self.pooled(sums[there]), parts, self.calling.decision)

    def _part(self, modality: str, gone: bool) -> Table:
        """What a modality adds to the training patients' sums [n, outputs]; not a number for who had none of it."""
        assert self.shares is not None, "asked only where shares are kept"
        if gone:
            return np.broadcast_to(self.offset(modality), (len(self.shares.stages), self.head.link.outputs))
        return self.shares.table(modality)

    def answers(self, sums: Table, lacking: Lacking) -> Table:
        """Calibrated probabilities [..., K] of sums of shares [..., outputs] of patients who lack the same."""
        calling = self.calling_for(lacking) or self.calling
        pooled = self.pooled(sums)
        return never_certain(calling.probabilities(pooled.reshape(-1, pooled.shape[-1]))).reshape(pooled.shape)


def kinds_of(lacking: NDArray[np.bool_]) -> Mapping[Lacking, NDArray[np.int64]]:
    """The rows of patients who lack the same, by what that is, of what each lacks [P, M]."""
    kinds, kind_of = np.unique(lacking, axis=0, return_inverse=True)
    return {tuple(kind.tolist()): np.flatnonzero(kind_of.ravel() == number) for number, kind in enumerate(kinds)}
