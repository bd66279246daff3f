"""Plateau: the validated AUC has not become better for a number of rounds."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.campaign.stopping.spec import StoppingRule
from fibrostage.plan.asking import StoppingPlan
from fibrostage.results.rounds import Round


def enough(rounds: Sequence[Round], plan: StoppingPlan) -> bool:
    """Whether no round of the last `plateau` was `improvement` better than the best before them."""
    assert plan.plateau is not None
    seen = [one.validation_auc for one in rounds if one.validation_auc is not None]
    if len(seen) <= plan.plateau:
        return False
    return bool(max(seen[-plan.plateau :]) < max(seen[: -plan.plateau]) + plan.improvement)


RULE = StoppingRule("plateau", lambda plan: plan.plateau is not None, enough)
