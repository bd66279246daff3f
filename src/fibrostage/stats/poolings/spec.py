"""What a pooling is: from the probabilities of a patient's candidates to the patient's own.

A pooling that is `additive` makes each candidate's part first and then takes their mean, so that candidates come in
any order and number at once; one that is not sees a patient's candidates together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Table = NDArray[np.float64]


def unchanged(table: Table) -> Table:
    """The same table [n, K]."""
    return table


@dataclass(frozen=True)
class Pooling:
    """`part` is what of each candidate is averaged, [n, K] → [n, K]; `whole` makes probabilities of the means,
    [P, K] → [P, K]. A pooling that is not additive gives `together` instead: one patient's candidates [n, K] → [K]."""

    name: str
    title: str
    part: Callable[[Table], Table] = unchanged
    whole: Callable[[Table], Table] = unchanged
    together: Callable[[Table], NDArray[np.float64]] | None = None

    @property
    def additive(self) -> bool:
        return self.together is None

    def __call__(self, owners: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], Table]:
        """Owners ascending [P] and their probabilities [P, K], of candidates' `owners` [n] and probabilities [n, K]."""
        unique, inverse, counts = np.unique(np.asarray(owners), return_inverse=True, return_counts=True)
        table = np.asarray(probabilities, dtype=np.float64)
        if self.together is not None:
            return unique, np.stack([self.together(table[inverse == row]) for row in range(len(unique))])
        sums = np.zeros((len(unique), table.shape[1]))
        np.add.at(sums, inverse, self.part(table))
        return unique, self.whole(sums / counts[:, None])
