"""How a loop with people in it is run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fibrostage.plan.section import PlanSection

FOLDS = 5


class LoopPlan(PlanSection):
    """A loop with people in it (docs/labelling.md)."""

    audit: float = Field(0.2, ge=0, lt=1)
    """The share of the questions that are drawn at random: the model is measured by them and does not learn from them
    until the end."""
    readers: int = Field(1, ge=1, le=5)
    """How many read each item."""
    repeats: float = Field(0.0, ge=0, le=0.5)
    """The share of a reader's items that are shown to the same reader again, unmarked."""
    teach: Literal["consensus", "votes"] = "consensus"
    """What is learned where readers differ: nothing until it is settled, or each stage by its share of the "votes"."""
    lease: int = Field(30, ge=1, le=1440)
    """Minutes for which an item is a reader's before it goes to another."""
    reveal: Literal["nothing", "model"] = "nothing"
    """What a reader is shown after the answer: "nothing", or what the "model" thinks."""
    known: Literal["train", "test", "split"] = "train"
    """What becomes of patients whose stage was known: all "train", all "test", or "split" as [split] says, once, when
    the loop is begun."""
    cross_fit: int | None = Field(None, ge=0, le=20)
    """Into how many parts answers are divided, to be staged by models that never saw them; 0 for not at all. Without it
    5, or 0 where backbones are trained."""

    def folds(self, finetune: str) -> int:
        """Into how many parts answers are divided, for what is trained."""
        if self.cross_fit is not None:
            return self.cross_fit
        return FOLDS if finetune == "head" else 0
