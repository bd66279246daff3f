"""Ensemble: what heads that were fitted on reweighted answers disagree about, drawn in proportion.

Dropout passes of one head are a poor posterior where labels are few. Here logistic heads on the embeddings are fitted
to the answers with random weights (the Bayesian bootstrap, Rubin 1981); their mutual information with the stage is
BALD's score. Items are drawn with chances as their scores, as the top of the list would be the same item many times
over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies.spec import BatchStrategy, entropy

HEADS = 8
DECAY = 0.01  # scikit-learn's C, on features whose mean square is one


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items, drawn with chances as the heads' disagreement; at random where the
    answers are all of one stage."""
    scores = disagreement(items, rng)
    chosen: list[int] = []
    while len(chosen) < count and (position := items.draw(scores, rng)) is not None:
        chosen.append(items.take(position))
    return chosen


def disagreement(items: Items, rng: np.random.Generator) -> NDArray[np.float64]:
    """The mutual information [n] of stage and head, in nats; the same of all items where no head can be fitted."""
    if items.stages is None or len(np.unique(items.stages)) < 2:
        return np.ones(len(items.ids))
    from sklearn.linear_model import LogisticRegression

    known, points = items.dense_labelled().astype(np.float64), items.dense().astype(np.float64)
    middle = known.mean(axis=0)
    scale = np.sqrt(((known - middle) ** 2).mean()) or 1.0
    known, points = (known - middle) / scale, (points - middle) / scale
    mean, within = np.zeros((len(points), items.classes)), np.zeros(len(points))
    with threadpool_limits(1):
        for _ in range(HEADS):
            head = LogisticRegression(C=DECAY, max_iter=200)
            head.fit(known, items.stages, sample_weight=rng.exponential(size=len(known)))
            said = np.zeros_like(mean)
            said[:, head.classes_] = head.predict_proba(points)
            mean += said / HEADS
            within += entropy(said) / HEADS
    return np.maximum(entropy(mean) - within, 0.0)


STRATEGY = BatchStrategy("ensemble", "Ensemble", select)
