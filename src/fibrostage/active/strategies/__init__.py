"""The query strategies, one file each; a new one is a file and a line here."""

from fibrostage.active.strategies import (
    badge,
    bald,
    boundary,
    coreset,
    entropy,
    esd,
    least_confidence,
    margin,
    ordinal_variance,
    random,
    typiclust,
)
from fibrostage.active.strategies.spec import BatchStrategy, Strategy
from fibrostage.ground.registry import Registry

STRATEGIES: Registry[Strategy | BatchStrategy] = Registry(
    "strategy",
    (
        random.STRATEGY,
        entropy.STRATEGY,
        esd.STRATEGY,
        margin.STRATEGY,
        least_confidence.STRATEGY,
        bald.STRATEGY,
        ordinal_variance.STRATEGY,
        boundary.STRATEGY,
        coreset.STRATEGY,
        badge.STRATEGY,
        typiclust.STRATEGY,
    ),
)
