"""Any pool strategy of scikit-activeml on our embeddings, as "skactiveml:CoreSet" (extra `[skactiveml]`).

Those that need a classifier, an ensemble or a discriminator are given logistic regressions on the embeddings: many of
them fit theirs again for every candidate, which a network of images cannot do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies.spec import BatchStrategy
from fibrostage.ground.errors import PlanError, nearest

PREFIX = "skactiveml:"
GIVEN = {"self", "X", "y", "candidates", "batch_size", "return_utilities"}


def adapted(name: str) -> BatchStrategy:
    """Returns the strategy of a name like "skactiveml:CoreSet". Raises `PlanError` where scikit-activeml is not
    installed or has no such strategy that can be run here."""
    wanted = name.removeprefix(PREFIX)
    try:
        from skactiveml import pool
    except ImportError:
        raise PlanError(
            f"strategy {name!r} needs scikit-activeml: install fibrostage with its extra [skactiveml]"
        ) from None
    known = [each for each in pool.__all__ if inspect.isclass(getattr(pool, each)) and runnable(getattr(pool, each))]
    if wanted not in known:
        raise PlanError(f"unknown strategy {name!r}{nearest(wanted, known)}; scikit-activeml has {', '.join(known)}")
    kind = getattr(pool, wanted)
    needs_model = bool(set(inspect.signature(kind.query).parameters) & set(MODELS))
    return BatchStrategy(name, f"{wanted} (scikit-activeml)", partial(select, kind), needs_model)


def runnable(kind: type) -> bool:
    """Whether we know how to give a query strategy all it asks for; regression's and wrappers we do not."""
    required = {
        name
        for method in (kind, getattr(kind, "query", None))
        if method is not None
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is inspect.Parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
    return hasattr(kind, "query") and required <= GIVEN | set(MODELS) | {"classes"}


def select(kind: Any, items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items that a query strategy of class `kind` chooses on the embeddings of
    the items and the labelled."""
    points = np.concatenate([items.dense(), items.dense_labelled()]).astype(np.float64)
    stages = np.full(len(points), np.nan)
    if items.stages is not None:
        stages[len(items.ids) :] = items.stages
    classes = list(range(items.classes))
    own = inspect.signature(kind).parameters
    more: dict[str, Any] = {"classes": classes} if "classes" in own else {}
    strategy = kind(**more, missing_label=np.nan, random_state=int(rng.integers(2**31)))
    asked = inspect.signature(strategy.query).parameters
    models = {name: make(classes) for name, make in MODELS.items() if name in asked}
    chosen: list[int] = []
    while len(chosen) < count and items.quota.available.any():
        free = np.flatnonzero(items.quota.available)
        wanted = min(count - len(chosen), len(free))
        picks = strategy.query(X=points, y=stages, candidates=free, batch_size=wanted, **models)
        for position in np.asarray(picks).tolist():
            if items.quota.available[position]:
                chosen.append(items.take(position))
    return chosen


def classifier(classes: list[int]) -> Any:
    """Returns a logistic regression that scikit-activeml's strategies can fit, for the stages `classes`."""
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    return SklearnClassifier(LogisticRegression(max_iter=300), classes=classes, missing_label=np.nan, random_state=0)


def ensemble(classes: list[int]) -> Any:
    """Returns ten bagged logistic regressions that scikit-activeml's strategies can fit, for the stages `classes`."""
    from skactiveml.classifier import SklearnClassifier
    from sklearn.ensemble import BaggingClassifier
    from sklearn.linear_model import LogisticRegression

    bag = BaggingClassifier(LogisticRegression(max_iter=300), n_estimators=10, random_state=0)
    return SklearnClassifier(bag, classes=classes, missing_label=np.nan, random_state=0)


def discriminator(_classes: list[int]) -> Any:
    """Returns a logistic regression that tells labelled from unlabelled items, whatever the stages."""
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    return SklearnClassifier(LogisticRegression(max_iter=300), missing_label=np.nan, random_state=0)


MODELS: dict[str, Callable[[list[int]], Any]] = {
    "clf": classifier,
    "estimator": classifier,
    "ensemble": ensemble,
    "discriminator": discriminator,
}
