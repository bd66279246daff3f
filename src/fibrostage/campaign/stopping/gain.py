"""Gain: the next query promises next to nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fibrostage.campaign.stopping.spec import StoppingRule
from fibrostage.plan.asking import StoppingPlan
from fibrostage.results.rounds import Round

SLOPE_ROUNDS = 4  # over which the validated AUC's slope is taken


def enough(rounds: Sequence[Round], plan: StoppingPlan) -> bool:
    """Whether the validated AUC's slope over log labels promises less than `gain` by the next query."""
    assert plan.gain is not None
    known = [one for one in rounds if one.validation_auc is not None][-SLOPE_ROUNDS:]
    if len(known) < SLOPE_ROUNDS:
        return False
    labels = np.array([one.asked for one in known], dtype=np.float64)
    scores = np.array([one.validation_auc for one in known], dtype=np.float64)
    following = float(known[-1].next_items)
    if following <= labels[-1]:
        return False
    slope = float(np.polyfit(np.log(labels), scores, 1)[0])
    return slope * float(np.log(following / labels[-1])) < plan.gain


RULE = StoppingRule("gain", lambda plan: plan.gain is not None, enough)
