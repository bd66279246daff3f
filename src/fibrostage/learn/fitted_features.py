"""Pooled features under a network that was just fitted, computed when they are first needed.

A round that asks at random needs those of the patients who test, and no others. Which images share a batch is settled
by the division and never by what is needed first, so that a feature is the same to the last bit whatever was asked for,
and a run that goes on repeats itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fibrostage.cohort.store import Cohort
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.engine import make_engine
from fibrostage.learn.features import BATCH
from fibrostage.learn.fit_network import Source
from fibrostage.networks.fusion import MMFN


class FittedFeatures:
    """Features by modality, [n_m, C] of its n_m images. `pool` [p] are the rows of the patients who train: their images
    are batched apart from those of all others."""

    def __init__(
        self,
        cohort: Cohort,
        modalities: tuple[str, ...],
        pool: NDArray[np.int64],
        precision: str,
        progress: Progress = SILENT,
    ) -> None:
        self.owners = {name: cohort.owners(name) for name in modalities}
        self.pool, self.precision, self.progress = pool, precision, progress
        self.known: dict[str, Tensor] = {}
        self.batches: dict[str, list[NDArray[np.int64]]] = {}
        self.forget()

    def forget(self) -> None:
        """The network was fitted anew: nothing is known of it yet."""
        self.known = {}
        self.batches = {name: batches_of(np.isin(owners, self.pool)) for name, owners in self.owners.items()}

    def of(self, network: MMFN, source: Source, patients: NDArray[np.int64] | None = None) -> Mapping[str, Tensor]:
        """The features under a network of the images of `patients` [q], or of all: NaN where not yet needed."""
        for name, owners in self.owners.items():
            needed = np.ones(len(owners), dtype=bool) if patients is None else np.isin(owners, patients)
            if name not in self.known:
                self.known[name] = torch.full((len(owners), source.spec.features), torch.nan)
            now = [rows for rows in self.batches[name] if needed[rows].any()]
            self.batches[name] = [rows for rows in self.batches[name] if not needed[rows].any()]
            if now:
                self.compute(network, source, name, now)
        return self.known

    def compute(self, network: MMFN, source: Source, name: str, batches: list[NDArray[np.int64]]) -> None:
        engine = make_engine(self.precision)
        with torch.inference_mode(False):  # wherever this is called from, its weights are to learn again
            network = network.to(engine.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        label, count = f"features of {name}", sum(map(len, batches))
        with self.progress.task(label, count) as advance, torch.inference_mode(), engine.autocast():
            for rows in batches:
                self.known[name][rows] = source.pooled(network, name, rows, None).float().cpu()
                advance(len(rows))
        with torch.inference_mode(False):
            network.cpu()  # the head is used beside these features


def batches_of(pooled: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Rows of images in batches, those of others before those that `pooled` [n] marks, and none of both in one."""
    return [
        rows[low : low + BATCH]
        for rows in (np.flatnonzero(~pooled), np.flatnonzero(pooled))
        for low in range(0, len(rows), BATCH)
    ]
