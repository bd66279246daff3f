"""What a plan's `active.strategy` says: a strategy, and modifiers joined to it with "+"."""

from __future__ import annotations

from dataclasses import dataclass

from fibrostage.active.modifiers import MODIFIERS
from fibrostage.active.modifiers.spec import Modifier, Reweigh
from fibrostage.active.strategies import STRATEGIES
from fibrostage.active.strategies.skactiveml import PREFIX, adapted
from fibrostage.active.strategies.spec import BatchStrategy, Strategy
from fibrostage.ground.errors import PlanError

ALL = "all"  # no strategy: everything is labelled at once, the reference of a study


@dataclass(frozen=True)
class ChosenStrategy:
    """A strategy with what was added to it."""

    name: str
    base: Strategy | BatchStrategy
    modifiers: tuple[Modifier, ...] = ()

    @property
    def title(self) -> str:
        return " + ".join([self.base.title, *(modifier.title for modifier in self.modifiers)])

    @property
    def in_turn(self) -> bool:
        return any(modifier.in_turn for modifier in self.modifiers)

    @property
    def postponing(self) -> tuple[Modifier, ...]:
        """The modifiers that move items to the end."""
        return tuple(modifier for modifier in self.modifiers if modifier.postpones is not None)

    def reweigh(self) -> Reweigh | None:
        """What makes new scores of a strategy's, if anything does."""
        return next((modifier.reweigh for modifier in self.modifiers if modifier.reweigh is not None), None)


def choose_strategy(name: str) -> ChosenStrategy:
    """Parses "esd", "esd+power", "bald+diverse+clean", "skactiveml:CoreSet" …

    Raises `PlanError` for an unknown strategy or modifier, a modifier given twice, power and gumbel together, a
    modifier that needs scores on a strategy that gives none, and anything added to "all".
    """
    first, *rest = name.split("+")
    base = adapted(first) if first.startswith(PREFIX) else STRATEGIES["random" if first == ALL else first]
    modifiers = tuple(MODIFIERS[part] for part in rest)
    if len({modifier.name for modifier in modifiers}) != len(modifiers):
        raise PlanError(f"strategy {name!r} repeats a modifier")
    if sum(modifier.reweigh is not None for modifier in modifiers) > 1:
        raise PlanError(f"strategy {name!r}: power and gumbel are two ways of drawing; choose one")
    if isinstance(base, BatchStrategy):
        for modifier in modifiers:
            if modifier.needs_scores:
                raise PlanError(
                    f"strategy {name!r}: {base.title} chooses items together, {modifier.name!r} needs a score each; "
                    f"only {' and '.join(repr(m.name) for m in MODIFIERS if not m.needs_scores)} can be added to it"
                )
    if first == ALL and rest:
        raise PlanError(f"strategy {name!r}: 'all' asks for everything at once, nothing can be added to it")
    return ChosenStrategy(name, base, modifiers)


def title_of(name: str) -> str:
    """How a strategy is called in figures and tables."""
    return "all data" if name == ALL else choose_strategy(name).title
