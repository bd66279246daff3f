"""The items of a pool in the fitted network's embedding, or in the backbone's before there is a fit."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from fibrostage.active.embedded_pool import Embedding, Items, Tables
from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.active.top_items import Choosable
from fibrostage.learn.learner import Learner, blocks_of, probabilities_of, probabilities_of_rows
from fibrostage.networks.bags import mean_of_each
from fibrostage.networks.fusion import ABSENT
from fibrostage.plan.asking import CostPlan
from fibrostage.stats.evaluate import per_patient

SHORTLIST = 100_000  # items a batch strategy looks at; of a larger pool, as many drawn at random
REMEMBERED = 10_000  # labelled items whose distances are taken, the latest


@torch.inference_mode()
def image_tables(learner: Learner, fitted: bool) -> Tables:
    """Returns one table per modality [images + 1, D] float32: v of every image by the fitted streams, or the backbone's
    features before there is a fit. The last row of each is the mean over the images."""
    tables = []
    for name in learner.head.modalities:
        z = learner.features[name]
        v = (learner.head.stream(name).embed(z) if fitted else mean_of_each(z)).numpy()
        tables.append(np.concatenate([v, v.mean(axis=0, keepdims=True)]).astype(np.float32))
    return tuple(tables)


def make_items(
    learner: Learner,
    units: QueryUnit,
    labelled: NDArray[np.int64],
    stages: NDArray[np.int64],
    quota: Choosable,
    ids: NDArray[np.int64],
    fitted: bool,
    cost: CostPlan,
) -> Items:
    """Returns the items `ids` [n] of a pool, embedded by the learner as it is.

    `labelled` [L] are the items asked so far, the latest last, and `stages` [L] their stages; only the last REMEMBERED
    of both are kept. `quota` says which of the n items may be chosen. Without a fit (`fitted` false) the items have no
    probabilities. `cost` is what asking costs.
    """
    tables = units.tables(image_tables(learner, fitted))
    return Items(
        ids,
        Embedding(tables, units.rows_in_tables(ids)),
        Embedding(tables, units.rows_in_tables(labelled[-REMEMBERED:])),
        quota,
        item_probabilities(learner, units, ids) if fitted else None,
        stages[-REMEMBERED:],
        learner.head.classes,
        units.prices(ids, cost),
        partial(said_alone, learner, units, ids) if fitted else None,
    )


@torch.inference_mode()
def said_alone(learner: Learner, units: QueryUnit, items: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns what the network would say of items [n] if they had one modality alone, modality by modality [M, n, K];
    NaN where an item has none of it. Of a patient it is the first picture of each."""
    tables, rows = learner.head.tables(learner.features), units.rows(items)
    found = np.full((rows.shape[1], len(items), learner.head.classes), np.nan)
    for column in range(rows.shape[1]):
        there = np.flatnonzero(rows[:, column] >= 0)
        only = np.full((len(there), rows.shape[1]), ABSENT, dtype=np.int64)
        only[:, column] = rows[there, column]
        found[column, there] = probabilities_of_rows(learner.head, tables, only)
    return found


@torch.inference_mode()
def item_probabilities(learner: Learner, units: QueryUnit, items: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns stage probabilities [n, K] of ascending items [n] without dropout: of a candidate, of the candidate that
    is one image alone, or of a patient the mean over a draw of about 16 candidates."""
    head, features = learner.head, learner.features
    ids = units.averaged(items)
    if ids is None:
        tables = head.tables(features)
        parts = [probabilities_of_rows(head, tables, units.rows(part)) for part in blocks_of(items)]
        return np.concatenate(parts).astype(np.float64)
    return per_patient(units.space.patient_of(ids), probabilities_of(head, features, units.space, ids))[1]
