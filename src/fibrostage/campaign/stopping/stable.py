"""Stable: the stages predicted for the pool hardly change any more (Bloodgood & Vijay-Shanker 2009)."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.campaign.stopping.spec import StoppingRule
from fibrostage.plan.asking import StoppingPlan
from fibrostage.results.rounds import Round


def enough(rounds: Sequence[Round], plan: StoppingPlan) -> bool:
    """Whether the last `stable` rounds each agreed with the round before, Cohen's κ at least `agreement`."""
    assert plan.stable is not None
    seen = [one.agreement for one in rounds if one.agreement is not None]
    return len(seen) >= plan.stable and min(seen[-plan.stable :]) >= plan.agreement


RULE = StoppingRule("stable", lambda plan: plan.stable is not None, enough, watches_pool=True)
