"""How a loop with people in it is run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fibrostage.plan.section import PlanSection

FOLDS = 5


class LoopPlan(PlanSection):
    """`audit` is the share of the questions that are drawn at random, to measure with and not to learn from.

    `known` says what becomes of patients who have a stage already: all "train", all "test", or [split] says.
    `cross_fit` is into how many parts answers are divided to be staged by models that never saw them, 0 for not at all;
    where it is not given, 5 with frozen features and 0 where a fit takes long.
    """

    audit: float = Field(0.2, ge=0, lt=1)
    known: Literal["train", "test", "split"] = "train"
    cross_fit: int | None = Field(None, ge=0, le=20)

    def folds(self, finetune: str) -> int:
        """Into how many parts answers are divided, for what is trained."""
        if self.cross_fit is not None:
            return self.cross_fit
        return FOLDS if finetune == "head" else 0
