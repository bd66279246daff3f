"""How what was learned is measured."""

from __future__ import annotations

from pydantic import Field

from fibrostage.plan.section import PlanSection


class EvaluationPlan(PlanSection):
    """How a patient's answers are pooled and measured (`stats.poolings`)."""

    candidates: int = Field(256, ge=1)
    """At most so many of a patient's candidates are averaged; every picture shows equally often."""
    pooling: str = "pair_mean"
    """How the answers to a patient's candidates become the patient's: their mean ("pair_mean"), or "log_mean", their
    normalised geometric mean."""
    training: bool = False
    """Report the training cohort beside the test cohort."""
    bootstrap: int = Field(2000, ge=100, le=100_000)
    """Resamples of patients for the average AUC."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Of every interval."""
