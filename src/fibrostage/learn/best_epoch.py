"""Early stopping: the best validation loss so far, what had it, and for how long nothing has beaten it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BestEpoch(Generic[T]):
    """Keeps the snapshot of the best epoch; `exhausted` after `patience` epochs without a better one."""

    def __init__(self, patience: int, start: T) -> None:
        self.patience = patience
        self.kept = start
        self.loss = float("inf")
        self.since = 0

    def offer(self, loss: float, snapshot: Callable[[], T]) -> None:
        """One epoch's validation loss; the snapshot is taken only when it is the best."""
        if loss < self.loss:
            self.loss, self.kept, self.since = loss, snapshot(), 0
        else:
            self.since += 1

    @property
    def exhausted(self) -> bool:
        return self.since >= self.patience
