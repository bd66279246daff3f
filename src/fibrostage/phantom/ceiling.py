"""The best any reader can do on the simulated cohort.

The generator knows p(state | stage): logs of what a modality's pictures are made from are multivariate normal
given the stage. A reader who saw that state without error, and weighed it by Bayes' rule at the cohort's
prevalences, has the AUCs computed here; bad pictures, noise and finite training can only take away from them.
Laboratory markers stand beside them with their AUC in a large simulated sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.draws import Draws
from fibrostage.ground.stage import METAVIR
from fibrostage.markers import MARKERS
from fibrostage.markers.spec import values_of
from fibrostage.phantom.patients import GGT_ULN, PAPER_COUNTS, Patients, draw_patients
from fibrostage.stats.auc import auc

READERS = {
    "LSTE": ("swe", "map_cv", "remodelling"),  # the B-mode under the box shows texture too
    "LSTQ": ("stq", "remodelling"),
    "SSTE": ("spleen",),
    "LUS": ("remodelling",),
}
SAMPLE = 200_000
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


def ceilings(bmode_signal: float, seed: int, sample: int = SAMPLE) -> dict[str, Any]:
    """Computes the AUC at each cut of the Bayes reader of each modality, of all together, and of the markers."""
    rng = Draws.PHANTOM_CEILING.of(seed)
    prior = np.array(PAPER_COUNTS) / sum(PAPER_COUNTS)
    patients = draw_patients(rng.choice(len(prior), size=sample, p=prior), bmode_signal, rng)
    every = dict.fromkeys(name for names in READERS.values() for name in names)
    readers = {**READERS, "all": tuple(every)}
    result: dict[str, Any] = {"n": sample, "bmode_signal": bmode_signal, "readers": {}, "markers": {}}
    for reader, names in readers.items():
        table = posterior(state(patients, names), patients.stage, prior)
        result["readers"][reader] = {
            cut: auc(patients.stage >= METAVIR.threshold(cut), table[:, METAVIR.threshold(cut) :].sum(axis=1))
            for cut in METAVIR.cuts
        }
        one_vs_rest = [auc(patients.stage == k, table[:, k]) for k in range(len(prior))]
        result["readers"][reader]["macro"] = float(np.mean(one_vs_rest))
    for marker, values in marker_values(patients).items():
        result["markers"][marker] = {cut: auc(patients.stage >= METAVIR.threshold(cut), values) for cut in METAVIR.cuts}
    return result
