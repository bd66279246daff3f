"""The items of a pool in the fitted network's embedding, or in the backbone's before there is a fit."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from fibrostage.active.embedded_pool import Embedding, Items, Tables
from fibrostage.active.query_units import Units
from fibrostage.active.top_items import Quota
from fibrostage.learn.learner import Learner, blocks_of, probabilities_of, probabilities_of_rows
from fibrostage.stats.evaluate import per_patient

SHORTLIST = 100_000  # items a batch strategy looks at; of a larger pool, as many drawn at random
REMEMBERED = 10_000  # labelled items whose distances are taken, the latest


@torch.inference_mode()
def image_tables(learner: Learner, fitted: bool) -> Tables:
    """v of every image by the fitted streams, or the backbone's features before there is a fit; means at the end."""
    tables = []
    for name in learner.head.modalities:
        z = learner.features[name]
        v = (learner.head.stream(name).embed(z) if fitted else z).numpy()
        tables.append(np.concatenate([v, v.mean(axis=0, keepdims=True)]).astype(np.float32))
    return tuple(tables)


def patient_tables(tables: Tables, units: Units) -> Tables:
    """Means over each patient's images; a patient without any stands at the modality's mean."""
    counts = units.space.counts
    result = []
    for column, table in enumerate(tables):
        owners = np.repeat(np.arange(len(counts)), counts[:, column])
        sums = np.zeros((len(counts), table.shape[1]), dtype=np.float64)
        np.add.at(sums, owners, table[:-1])
        means = sums / np.maximum(counts[:, column : column + 1], 1)
        means[counts[:, column] == 0] = table[-1]
        result.append(np.concatenate([means, table[-1:]]).astype(np.float32))
    return tuple(result)


def rows_in_tables(units: Units, items: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows [n, M] of items in the tables of their unit; −1 is the mean."""
    if units.kind == "patient":
        return np.repeat(units.patient_of(items)[:, None], len(units.space.modalities), axis=1)
    return units.rows(items)


def make_items(
    learner: Learner,
    units: Units,
    labelled: NDArray[np.int64],
    stages: NDArray[np.int64],
    quota: Quota,
    ids: NDArray[np.int64],
    fitted: bool,
) -> Items:
    """The items `ids` of a pool, embedded by the learner as it is."""
    tables = image_tables(learner, fitted)
    if units.kind == "patient":
        tables = patient_tables(tables, units)
    return Items(
        ids,
        Embedding(tables, rows_in_tables(units, ids)),
        Embedding(tables, rows_in_tables(units, labelled[-REMEMBERED:])),
        quota,
        item_probabilities(learner, units, ids) if fitted else None,
        stages[-REMEMBERED:],
        learner.head.classes,
    )


@torch.inference_mode()
def item_probabilities(learner: Learner, units: Units, items: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of ascending items, without dropout [n, K]: of a candidate, of an image alone, of a patient the mean over some
    candidates."""
    head, features = learner.head, learner.features
    if units.kind != "patient":
        tables = head.tables(features)
        parts = [probabilities_of_rows(head, tables, units.rows(part)) for part in blocks_of(items)]
        return np.concatenate(parts).astype(np.float64)
    ids = units.space.draw(units.patient_of(items), 16, np.random.default_rng(0))
    return per_patient(units.space.patient_of(ids), probabilities_of(head, features, units.space, ids))[1]
