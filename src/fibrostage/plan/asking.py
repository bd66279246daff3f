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
    """What is asked for, how much at a time, and who is left to ask."""

    strategy: str = "esd"
    """See docs/active-learning.md; "esd+diverse", "skactiveml:CoreSet", "all"."""
    unit: str = "candidate"
    """What is asked about: "candidate", "image" or "patient"."""
    start: str = "auto"
    """The first query: "auto" (random for "random", TypiClust on the frozen features for all others), "stratified" (a
    draw in which every stage occurs, as the MMFN paper has it; it uses labels that nobody has yet), or a strategy that
    needs no model: "random", "typiclust", "coreset", "maxherding", "typical_then_margin"."""
    rounds: int = Field(10, ge=0)
    """How many queries follow the first one."""
    initial: Items | Share = 0.1
    """The size of the first query: a share of the pool, or a whole number of items (1 is one item, 1.0 all of them)."""
    query: Items | Share | None = None
    """The size of each later query, as `initial`; without it equal steps to all of the pool."""
    shares: tuple[float, ...] | None = None
    """Instead of both: the share asked for by the end of each round, as [0.05, 0.1, 0.3, 1.0]."""
    epochs: int | None = Field(None, ge=1)
    """Of every fit but the first, with `warm_start`; without it training's."""
    warm_start: bool = True
    """Each round goes on from the last round's weights."""
    passes: int = Field(20, ge=1)
    """Monte-Carlo dropout passes."""
    per_patient: int | None = Field(None, ge=1)
    """Items of one patient in a round, at most."""
    per_stage: float | None = Field(None, gt=0, le=1)
    """The share of a round that may be of one guessed stage."""
    cut: str | None = None
    """Of the boundary strategy; without it the second class."""
    coldness: float = Field(1.0, gt=0)
    """β of the power and gumbel modifiers."""
    fold: int = Field(0, ge=0)
    """Which fold of a kfold or column split tests."""

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
    """Faults of the simulated oracle."""

    error: float = Field(0.0, ge=0, le=1)
    """The share of patients whose stage it gets wrong."""
    error_kind: Literal["neighbour", "any"] = "neighbour"
    """By one stage ("neighbour"), or "any"."""
    unusable: float = Field(0.0, ge=0, le=1)
    """The share of items that it refuses."""
    rejects_bad: bool = False
    """Whether it refuses items with a bad picture."""


class CostPlan(PlanSection):
    """What asking costs."""

    biopsy: float = Field(1.0, ge=0)
    """Of a patient."""
    reading: float = Field(0.0, ge=0)
    """Of a distinct picture."""
    missing_exam: float = Field(0.0, ge=0)
    """Of a modality that a patient who is asked about lacks."""
    exams: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """What the exam of a modality costs instead: `exams = {LSTE = 3, LUS = 1}`. `predict --next-exam` weighs what an
    exam is expected to bring by it, so a model keeps the [cost] that it was trained with."""

    def exam(self, modality: str) -> float:
        """What an exam of a modality costs that a patient lacks."""
        return self.exams.get(modality, self.missing_exam)


class BudgetPlan(PlanSection):
    """What may be spent, in any currency; a query is cut where it would be exceeded."""

    candidates: int | None = Field(None, ge=1)
    """So many candidates are never exceeded; a query is cut where it would be."""
    images: int | None = Field(None, ge=1)
    """So many distinct pictures are never exceeded."""
    patients: int | None = Field(None, ge=1)
    """So many patients are never exceeded."""
    cost: float | None = Field(None, gt=0)
    """So much [cost] is never exceeded."""


class StoppingPlan(PlanSection):
    """When to stop asking. A budget always stops; of the other rules that are set, `combine` says any or all."""

    combine: Literal["any", "all"] = "any"
    """With "all" every rule that is set must agree. A budget always stops."""
    budget: BudgetPlan = BudgetPlan()
    plateau: int | None = Field(None, ge=1)
    """Rounds without a validated AUC `improvement` better than the best before; needs `split.validation`."""
    improvement: float = Field(0.005, ge=0)
    """What counts as better."""
    stable: int | None = Field(None, ge=1)
    """Rounds in a row whose predicted stages agree with the round before."""
    agreement: float = Field(0.99, gt=0, le=1)
    """Cohen's κ at least, of two rounds that agree."""
    gain: float | None = Field(None, gt=0)
    """Stop when the validated AUC promises less by the next query, from its slope over log labels."""
    rules: dict[str, dict[str, float | int | str | bool]] = Field(default_factory=dict)
    """Settings of stopping rules that other packages bring, a table each under its name."""
