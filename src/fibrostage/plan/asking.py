"""What is asked, of whom, at what cost, and until when."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from fibrostage.ground.errors import PlanError
from fibrostage.plan.section import PlanSection

Share = Annotated[float, Field(gt=0, le=1)]
Items = Annotated[int, Field(strict=True, ge=1)]


class ActivePlan(PlanSection):
    """What is asked for, how much at a time, and who is left to ask. Shares are of the pool's items; `fold` is the one
    that tests.

    `initial` and `query` are shares of the pool (0.1), or whole numbers of items (10; 1 is one item, 1.0 all of them).
    The first query is of `initial`, chosen as `start` says: "stratified" is a random draw in which every
    stage occurs, as the MMFN paper has it, and uses labels that nobody has yet; "auto" is random for "random" and
    TypiClust on the frozen features, which needs no label, for every other strategy; or it is a strategy that needs no
    model. Then equal steps to all of the
    pool, steps of `query`, or to each of `shares` in turn. `epochs` are those of a fit after the first.
    """

    strategy: str = "esd"
    unit: str = "candidate"
    start: str = "auto"
    rounds: int = Field(10, ge=0)
    initial: Items | Share = 0.1
    query: Items | Share | None = None
    shares: tuple[float, ...] | None = None
    epochs: int | None = Field(None, ge=1)
    warm_start: bool = True
    passes: int = Field(20, ge=1)
    per_patient: int | None = Field(None, ge=1)
    per_stage: float | None = Field(None, gt=0, le=1)
    cut: str | None = None
    coldness: float = Field(1.0, gt=0)
    fold: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _rising(self) -> ActivePlan:
        shares = self.shares
        if shares is not None and not (
            shares and shares[0] > 0 and shares[-1] <= 1 and all(a < b for a, b in pairwise(shares))
        ):
            raise PlanError(f"active.shares = {list(shares)} must rise from above 0 to at most 1")
        if shares is not None and self.query is not None:
            raise PlanError("active.shares and active.query are two ways of stepping; give one")
        return self


class OraclePlan(PlanSection):
    """A simulated oracle's faults: a share of the patients whose stage it gets wrong (by one stage, or any other), a
    share of the items it calls unusable, and whether it does so for every item with a bad image."""

    error: float = Field(0.0, ge=0, le=1)
    error_kind: Literal["neighbour", "any"] = "neighbour"
    unusable: float = Field(0.0, ge=0, le=1)
    rejects_bad: bool = False


class CostPlan(PlanSection):
    """What asking costs: a biopsy a patient, a reading a distinct image, and an exam for each modality that a patient
    who is asked lacks: `missing_exam`, or what `exams` says of the modality."""

    biopsy: float = Field(1.0, ge=0)
    reading: float = Field(0.0, ge=0)
    missing_exam: float = Field(0.0, ge=0)
    exams: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)

    def exam(self, modality: str) -> float:
        """What an exam of a modality costs that a patient lacks."""
        return self.exams.get(modality, self.missing_exam)


class BudgetPlan(PlanSection):
    """What may be spent, in any currency; a query is cut where it would be exceeded."""

    candidates: int | None = Field(None, ge=1)
    images: int | None = Field(None, ge=1)
    patients: int | None = Field(None, ge=1)
    cost: float | None = Field(None, gt=0)


class StoppingPlan(PlanSection):
    """When to stop asking. A budget always stops; of the other rules that are set, `combine` says any or all.

    `plateau`: rounds whose validated AUC is not `improvement` better than the best before (needs split.validation).
    `stable`: rounds in a row whose predicted stages agree with the round before, Cohen's κ ≥ `agreement`.
    `gain`: the validated AUC's expected gain by the next query, from its slope over log labels, is below this.
    `rules`: settings of rules that other packages bring, by their names.
    """

    combine: Literal["any", "all"] = "any"
    budget: BudgetPlan = BudgetPlan()
    plateau: int | None = Field(None, ge=1)
    improvement: float = Field(0.005, ge=0)
    stable: int | None = Field(None, ge=1)
    agreement: float = Field(0.99, gt=0, le=1)
    gain: float | None = Field(None, gt=0)
    rules: dict[str, dict[str, float | int | str | bool]] = Field(default_factory=dict)
