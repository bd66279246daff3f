"""What a stopping rule is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fibrostage.plan.asking import StoppingPlan
from fibrostage.results.rounds import Round


@dataclass(frozen=True)
class StoppingRule:
    """`is_set` says whether a plan asks for the rule, `enough` whether the closed rounds say so.

    A rule's settings are keys of [stopping], or what stands under [stopping.rules] by its name. `watches_pool` asks for
    the agreement of each round's predictions on the pool with those of the round before.
    """

    name: str
    is_set: Callable[[StoppingPlan], bool]
    enough: Callable[[Sequence[Round], StoppingPlan], bool]
    watches_pool: bool = False
