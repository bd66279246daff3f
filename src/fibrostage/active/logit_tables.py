"""Per-image logit tables of a whole cohort, laid out for the kernel: rows of all modalities in one array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fibrostage.active.kernel import mean_cumulative, mean_probabilities, padded
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.networks.fusion import Head
from fibrostage.networks.heads.spec import Link, OrderedThresholds

IMAGES = 8192  # through a stream at once: bounds the memory beside the tables


@dataclass(frozen=True)
class PoolTables:
    """What the kernel reads. A modality's rows are its images in order, then one row for the absent image.

    `logits` [rows, outputs, T] are each image's shares. A softmax of their sum has `powers` [rows, K, padded T],
    ordered thresholds have `thresholds` [K − 1]; with neither, the sums go through `link` the long way.
    """

    space: CandidateSpace
    logits: NDArray[np.float32]  # [rows, outputs, T]
    powers: NDArray[np.float32]  # [rows, K, padded T]
    firsts: NDArray[np.int64]  # [patients, M] rows
    thresholds: NDArray[np.float32] | None = None
    link: Link | None = None

    @cached_property
    def logs(self) -> NDArray[np.float32]:
        """Logarithms [rows, K, padded T] of the powers."""
        return np.log(np.maximum(self.powers, np.finfo(np.float32).tiny))

    def probabilities(self, start: int, stop: int) -> NDArray[np.float32]:
        """Mean stage probabilities [stop − start, K] of neighbouring candidate ids; releases the GIL."""
        return self.fill(start, stop, np.empty(0, dtype=np.float32), np.empty((0, 0, 0), dtype=np.float32))

    def with_entropies(self, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean stage probabilities [stop − start, K] of neighbouring candidate ids, and the mean over passes of each
        pass's entropy [stop − start]."""
        within = np.empty(stop - start, dtype=np.float32)
        return self.fill(start, stop, within, self.logs), within

    def fill(
        self, start: int, stop: int, within: NDArray[np.float32], logs: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Mean probabilities [stop − start, K]; entropies go to `within` [stop − start], where it is not empty, for
        which `logs` [rows, K, padded T] are needed."""
        if self.link is not None:
            return self.the_long_way(self.link, start, stop, within)
        where = (start, stop, self.space.offsets, self.space.radices, self.firsts)
        if self.thresholds is not None:
            out = np.empty((stop - start, len(self.thresholds) + 1), dtype=np.float32)
            mean_cumulative(*where, self.logits[:, 0], self.thresholds, out, within)
            return out
        out = np.empty((stop - start, self.logits.shape[1]), dtype=np.float32)
        mean_probabilities(*where, self.powers, self.logits, logs, out, within)
        return out

    @torch.inference_mode()
    def the_long_way(self, link: Link, start: int, stop: int, within: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean probabilities [stop − start, K] by every candidate's sum through the link, pass by pass; entropies go to
        `within` [stop − start], where it is not empty."""
        ids = np.arange(start, stop, dtype=np.int64)
        patients = self.space.patient_of(ids)
        digits = self.space.decode(ids)
        own = np.where(digits >= 0, digits - self.space.first_rows[patients], 0)
        rows = self.firsts[patients] + own  # [n, M]
        total = torch.from_numpy(self.logits[rows].sum(axis=1)).permute(2, 0, 1)  # [T, n, outputs]
        probabilities = link(total).softmax(-1)
        if len(within):
            entropies = -(probabilities * probabilities.clamp_min(float(np.finfo(np.float32).tiny)).log()).sum(-1)
            within[:] = entropies.mean(0).numpy()
        return np.asarray(probabilities.mean(0).numpy(), dtype=np.float32)


def table_rows(space: CandidateSpace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where images stand in tables: the row of a patient's first image of a modality (or of its absent image)
    [patients, M], and the first row of each modality, their number at the end [M + 1]."""
    starts = np.concatenate([[0], np.cumsum(space.counts.sum(axis=0) + 1)])
    firsts = np.where(space.counts > 0, space.first_rows + starts[:-1], starts[1:] - 1)
    return np.ascontiguousarray(firsts), starts


@torch.inference_mode()
def build_tables(
    head: Head, features: Mapping[str, Tensor], space: CandidateSpace, passes: int, rng: np.random.Generator | None
) -> PoolTables:
    """Tables of every image from features[m] [n_m, C]: T dropout passes drawn from `rng`, or one pass without dropout
    when it is None."""
    masks = None if rng is None else head.masks(passes, rng)
    drawn = passes if masks is not None else 1
    firsts, starts = table_rows(space)
    logits = np.empty((int(starts[-1]), head.link.outputs, drawn), dtype=np.float32)
    for name, start in zip(head.modalities, starts, strict=False):
        table = features[name]
        own = None if masks is None else masks[name]
        for low in range(0, len(table), IMAGES):
            shares = head.shares(name, table[low : low + IMAGES], own)  # [T, n, K]
            logits[start + low : start + low + shares.shape[1]] = shares.permute(1, 2, 0).numpy()
        logits[start + len(table)] = head.stream(name).offset.detach().numpy()[:, None]
    form, none = head.kind.pool, np.empty((0, 0, 0), dtype=np.float32)
    if form is None:
        return PoolTables(space, logits, none, firsts, link=head.link)
    if isinstance(form, OrderedThresholds):
        return PoolTables(space, logits, none, firsts, form.thresholds(head.link).numpy())  # type: ignore[arg-type]
    logits[: starts[1]] += form.bias(head.link).numpy()[:, None]  # type: ignore[arg-type]
    powers = np.ones((*logits.shape[:2], padded(drawn)), dtype=np.float32)
    for low in range(0, len(logits), IMAGES):
        part = logits[low : low + IMAGES]
        np.exp(part - part.max(axis=1, keepdims=True), out=powers[low : low + IMAGES, :, :drawn])
    return PoolTables(space, logits, powers, firsts)
