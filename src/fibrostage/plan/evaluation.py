"""How what was learned is measured."""

from __future__ import annotations

from pydantic import Field

from fibrostage.plan.section import PlanSection


class EvaluationPlan(PlanSection):
    """`candidates` bounds how many of a patient's candidates are averaged; each image shows equally often.
    `pooling` is how their answers become the patient's (stats.poolings).
    `training` reports the training cohort beside the test cohort."""

    candidates: int = Field(256, ge=1)
    pooling: str = "pair_mean"
    training: bool = False
    bootstrap: int = Field(2000, ge=100, le=100_000)
    confidence: float = Field(0.95, gt=0.5, lt=1)
