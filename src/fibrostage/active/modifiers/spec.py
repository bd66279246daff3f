"""What a modifier is: something that is added to a strategy with a "+", as in "esd+power" or "bald+diverse+clean"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fibrostage.active.query_units.spec import QueryUnit

Reweigh = Callable[[NDArray[np.float64], NDArray[np.float64], float], NDArray[np.float64]]


@dataclass(frozen=True)
class ItemFacts:
    """What is known of items [n] before any model looks; `bad_images` has, by modality, whether each image is bad."""

    unit: QueryUnit
    items: NDArray[np.int64]
    bad_images: Sequence[NDArray[np.bool_]]

    @cached_property
    def bad(self) -> NDArray[np.bool_]:
        """Which items [n] intake found bad."""
        return self.unit.is_bad(self.items, self.bad_images)

    @cached_property
    def incomplete(self) -> NDArray[np.bool_]:
        """Which items [n] are of patients who lack a modality."""
        lacking = (self.unit.space.counts == 0).any(axis=1)
        return np.asarray(lacking[self.unit.patient_of(self.items)])


@dataclass(frozen=True)
class Modifier:
    """`reweigh` makes new scores [n] of scores [n], Gumbel noise [n] and the plan's coldness; `in_turn` deals items
    over patients; `postpones` says which items [n] are asked for after all others."""

    name: str
    title: str
    reweigh: Reweigh | None = None
    in_turn: bool = False
    postpones: Callable[[ItemFacts], NDArray[np.bool_]] | None = None

    @property
    def needs_scores(self) -> bool:
        """Whether it can only be added to a strategy that gives each item a score."""
        return self.reweigh is not None or self.in_turn


def gumbel(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard Gumbel noise [n] of uniform numbers [n] in [0, 1)."""
    return np.asarray(-np.log(-np.log(np.maximum(uniform, 2.0**-54))))
