"""How a loop with people in it is run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fibrostage.plan.section import PlanSection

FOLDS = 5


class LoopPlan(PlanSection):
    """`audit` is the share of the questions that are drawn at random, to measure with and not to learn from.

    `known` says what becomes of patients who have a stage already: all "train", all "test", or [split] says.
    `readers` is how many read each item, `repeats` the share of a reader's items that are shown again unmarked, and
    `teach` what is learned where they differ: nothing until it is settled, or each stage by its share of the votes.
    An item is a reader's for `lease` minutes; `reveal` says what is shown of it once the reader has answered.
    `cross_fit` is into how many parts answers are divided to be staged by models that never saw them, 0 for not at all;
    where it is not given, 5 with frozen features and 0 where a fit takes long.
    """

    audit: float = Field(0.2, ge=0, lt=1)
    readers: int = Field(1, ge=1, le=5)
    repeats: float = Field(0.0, ge=0, le=0.5)
    teach: Literal["consensus", "votes"] = "consensus"
    lease: int = Field(30, ge=1, le=1440)
    reveal: Literal["nothing", "model"] = "nothing"
    known: Literal["train", "test", "split"] = "train"
    cross_fit: int | None = Field(None, ge=0, le=20)

    def folds(self, finetune: str) -> int:
        """Into how many parts answers are divided, for what is trained."""
        if self.cross_fit is not None:
            return self.cross_fit
        return FOLDS if finetune == "head" else 0
