"""Which stages a method hardly ever calls, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HAVE = 5  # patients of a stage; of fewer nothing is said
SELDOM = 0.5  # called less than so many times as often as there are patients of the stage


def seldom_called(confusion: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    """A sentence for each stage that is called less than half as often as it occurs.

    `confusion` [K, K] counts patients, a row a true stage and a column a called one.
    """
    found = []
    for index, name in enumerate(classes):
        have, called, right = int(confusion[index].sum()), int(confusion[:, index].sum()), int(confusion[index, index])
        if have >= HAVE and called < SELDOM * have:
            often = (
                "never called"
                if called == 0
                else f"called {called} time{'' if called == 1 else 's'}, {right} of them rightly"
            )
            found.append(f"{name} is {often}, though {have} of {int(confusion.sum())} patients have it")
    return found
