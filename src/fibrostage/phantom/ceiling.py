"""The best any reader can do on the simulated cohort.

The generator knows p(state | stage): logs of what a modality's pictures are made from are multivariate normal
given the stage. A reader who saw that state without error, and weighed it by Bayes' rule at the cohort's
prevalences, has the AUCs computed here; bad pictures, noise and finite training can only take away from them.
Laboratory markers stand beside them with their AUC in a large simulated sample.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.draws import Draws
from fibrostage.ground.stage import METAVIR
from fibrostage.markers import MARKERS
from fibrostage.markers.spec import values_of
from fibrostage.phantom.patients import GGT_ULN, PAPER_COUNTS, Patients, draw_patients
from fibrostage.phantom.populations import DISTINCT, Population
from fibrostage.stats.agreement import confusion, kappa
from fibrostage.stats.auc import auc

SAMPLE = 100_000
LINEAR = {"remodelling"}  # already on a linear scale


def state(patients: Patients, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Returns the logarithms of the named values of n patients, one column each [n, names].

    Values that are on a linear scale already (`LINEAR`) stay as they are.
    """
    columns = []
    for name in names:
        values = getattr(patients, name)
        columns.append(values if name in LINEAR else np.log(values))
    return np.stack(columns, axis=1)


def posterior(states: NDArray[np.float64], stage: NDArray[np.int64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Computes P(stage | state) [n, K], with each stage's own mean and covariance estimated on this large sample.

    `states` is [n, d], `stage` [n] holds indices 0 … K−1, and `prior` [K] is how common each stage is.
    """
    logs = np.empty((len(states), len(prior)))
    for k in range(len(prior)):
        own = states[stage == k]
        centred = states - own.mean(axis=0)
        covariance = np.atleast_2d(np.cov(own, rowvar=False))
        distance = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred)
        logs[:, k] = np.log(prior[k]) - (distance + np.linalg.slogdet(covariance)[1]) / 2
    logs -= logs.max(axis=1, keepdims=True)
    weights = np.exp(logs)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def marker_values(patients: Patients) -> dict[str, NDArray[np.float64]]:
    """Computes every marker [n] that a table of these n patients has all columns for, by name."""
    columns = {**vars(patients), "ggt_uln": np.full(len(patients), GGT_ULN)}
    found = {marker.name: values_of(marker, columns, len(patients)) for marker in MARKERS}
    return {name: of.values for name, of in found.items() if not of.lacking}


@lru_cache(maxsize=8)
def ceilings(bmode_signal: float, seed: int, model: Population = DISTINCT, sample: int = SAMPLE) -> dict[str, Any]:
    """Computes what the Bayes reader reaches of each modality, each pair and all together, and the markers' AUCs.

    Of a reader: the AUC at each cut, "macro" (the mean of the one-vs-rest AUCs), "accuracy", "kappa" (with quadratic
    weights) and "log_loss", in nats.
    """
    rng = Draws.PHANTOM_CEILING.of(seed)
    prior = np.array(PAPER_COUNTS) / sum(PAPER_COUNTS)
    patients = draw_patients(rng.choice(len(prior), size=sample, p=prior), bmode_signal, rng, model)
    seen = [*((name,) for name in model.reads), *combinations(model.reads, 2), tuple(model.reads)]
    result: dict[str, Any] = {
        "n": sample, "model": model.name, "bmode_signal": bmode_signal, "readers": {}, "markers": {}
    }  # fmt: skip
    for modalities in seen:
        names = tuple(dict.fromkeys(name for modality in modalities for name in model.reads[modality]))
        table = posterior(state(patients, names), patients.stage, prior)
        result["readers"]["+".join(modalities)] = figures_of(table, patients.stage)
    result["readers"]["all"] = result["readers"]["+".join(model.reads)]
    for marker, values in marker_values(patients).items():
        result["markers"][marker] = {cut: auc(patients.stage >= METAVIR.threshold(cut), values) for cut in METAVIR.cuts}
    return result


def figures_of(table: NDArray[np.float64], stage: NDArray[np.int64]) -> dict[str, float]:
    """What a reader's probabilities [n, K] reach on patients of the stages [n]."""
    thresholds = {cut: METAVIR.threshold(cut) for cut in METAVIR.cuts}
    figures = {cut: auc(stage >= least, table[:, least:].sum(axis=1)) for cut, least in thresholds.items()}
    called, classes = table.argmax(axis=1), table.shape[1]
    agreed = kappa(confusion(stage, called, classes), "quadratic").value
    assert agreed is not None, "every stage occurs"
    return figures | {
        "macro": float(np.mean([auc(stage == k, table[:, k]) for k in range(classes)])),
        "accuracy": float((called == stage).mean()),
        "kappa": agreed,
        "log_loss": float(-np.log(table[np.arange(len(stage)), stage]).mean()),
    }
