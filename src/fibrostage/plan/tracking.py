"""Where losses and figures of a run are shown while it goes on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from fibrostage.plan.section import PlanSection
from fibrostage.plan.split import whole_words

Tracker = Literal["csv", "tensorboard", "mlflow", "wandb"]


class TrackingPlan(PlanSection):
    """What watches a run while it goes on; off by default. It is no part of what the run is, and not saved with it."""

    to: Annotated[tuple[Tracker, ...], BeforeValidator(whole_words)] = ()
    """Who is told the losses of every epoch and the figures of every round: a table, TensorBoard, MLflow, or Weights &
    Biases, which stays offline. All but the table need the extra `tracking`."""
    folder: str | None = None
    """Where they write; without it beside the run, in the folder of the run's name with ".tracking" after it."""
