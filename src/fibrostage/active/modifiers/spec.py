"""What a modifier is: something that is added to a strategy with a "+", as in "esd+power" or "bald+diverse+clean"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reweigh = Callable[[NDArray[np.float64], NDArray[np.float64], float], NDArray[np.float64]]


@dataclass(frozen=True)
class Modifier:
    """`reweigh` makes new scores of scores, Gumbel noise and the plan's coldness; `in_turn` deals items over patients;
    `clean` asks for items with bad images last, `complete` for items that lack a modality."""

    name: str
    title: str
    reweigh: Reweigh | None = None
    in_turn: bool = False
    clean: bool = False
    complete: bool = False

    @property
    def puts_off(self) -> bool:
        """Whether it only moves items to the end."""
        return self.clean or self.complete


def gumbel(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard Gumbel noise of uniform numbers in [0, 1)."""
    return np.asarray(-np.log(-np.log(np.maximum(uniform, 2.0**-54))))
