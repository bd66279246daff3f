"""Who is kept for audits: a random share of the patients of each cohort that joined, whatever a strategy wants.

An accuracy measured on patients whom a strategy chose is that of the patients it chose. So a share of every cohort's
patients is drawn when they come, by a hash of their ids, and stays out of the strategy's reach; each question takes
some of them, in the order of the draw. Those asked so far are a random sample of all, and nobody learns from their
answers until the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Reserve:
    """Patients kept for audits: their rows [a] in the order in which they are drawn, and of every patient [patients]
    which arrival they came with, −1 for those who cannot be asked about."""

    share: float
    drawn: NDArray[np.int64]
    arrival: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def due(self, asked: int, count: int, audited: int) -> int:
        """How many of a question's `count` items are audits, after `asked` items of which `audited` were."""
        return max(0, round(self.share * (asked + count)) - audited)


NOBODY_RESERVED = Reserve(0.0, np.empty(0, dtype=np.int64))


def reserve(
    patient_ids: Sequence[str], askable: NDArray[np.int64], arrival: NDArray[np.int64], share: float, seed: int
) -> Reserve:
    """Draws the reserve: of the patients in `askable` (rows [P]), a `share` of those of each arrival.

    `arrival` [patients] is with which cohort each patient came, from 0. The draw depends on the patients' ids and on
    nothing else, so that who joins later changes nothing for those who were there.
    """
    came = np.full(len(patient_ids), -1, dtype=np.int64)
    came[askable] = arrival[askable]
    rows, places = [], []
    for number in np.unique(came[askable]):
        own = np.flatnonzero(came == number)
        order = own[np.argsort([position(patient_ids[row], seed) for row in own.tolist()], kind="stable")]
        taken = order[: round(share * len(own))]
        rows.append(taken)
        places.append((np.arange(len(taken)) + 0.5) / max(len(taken), 1))
    if not rows:
        return Reserve(share, np.empty(0, dtype=np.int64), came)
    drawn, at = np.concatenate(rows), np.concatenate(places)
    return Reserve(share, drawn[np.argsort(at, kind="stable")], came)


def position(patient_id: str, seed: int) -> int:
    """Where a patient stands in the draw of a seed."""
    return int.from_bytes(hashlib.sha256(f"audit {seed} {patient_id}".encode()).digest()[:8], "big")
