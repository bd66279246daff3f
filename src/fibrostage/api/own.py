"""A strategy, a marker and the like of one's own, known by its name for as long as a block runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from fibrostage.active.modifiers import MODIFIERS
from fibrostage.active.modifiers.spec import Modifier
from fibrostage.active.strategies import STRATEGIES
from fibrostage.active.strategies.spec import BatchStrategy, Strategy
from fibrostage.ground.errors import PlanError
from fibrostage.ground.registry import Registry
from fibrostage.markers import MARKERS
from fibrostage.markers.spec import Marker
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.heads import HEADS
from fibrostage.networks.heads.spec import HeadKind
from fibrostage.plan.recipes import RECIPES, PlanRecipe
from fibrostage.report.sections import SECTIONS
from fibrostage.report.sections.spec import Section

Own = Strategy | BatchStrategy | Modifier | Marker | Backbone | HeadKind | Section | PlanRecipe


@contextmanager
def lend(*things: Own) -> Iterator[None]:
    """Makes things of your own known by their names while the block runs, as a plug-in makes them known for good.

    They are known in this process alone: a study, whose runs are processes of their own, needs a plug-in. Raises
    `PlanError` where a name is taken, or a thing is of no kind that can be added.

    >>> from fibrostage import Strategy
    >>> mine = Strategy("late", "LATE", "noise", lambda known: 1 - known.drawn())
    >>> with lend(mine):
    ...     run = run_active("COHORT", "OWN", overrides=["active.strategy=late", "active.rounds=1"])
    >>> run.metrics.strategy_title
    'LATE'
    """
    with ExitStack() as stack:
        for thing in things:
            stack.enter_context(lent(thing))
        yield


@contextmanager
def lent(thing: Own) -> Iterator[None]:
    """One thing in the registry of its kind while the block runs; raises `PlanError` as `lend` does."""
    kinds: tuple[tuple[type | tuple[type, ...], Registry], ...] = (  # type: ignore[type-arg]
        ((Strategy, BatchStrategy), STRATEGIES), (Modifier, MODIFIERS), (Marker, MARKERS), (Backbone, BACKBONES),
        (HeadKind, HEADS), (Section, SECTIONS), (PlanRecipe, RECIPES),
    )  # fmt: skip
    for kind, registry in kinds:
        if isinstance(thing, kind):
            with registry.lent(thing):
                yield
            return
    known = ", ".join(registry.kind for _, registry in kinds)
    raise PlanError(f"{thing!r} cannot be lent; what can be is a {known}")
