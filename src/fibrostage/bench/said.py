"""What models say of patients whom they have not seen, beside what is true, and figures of it.

Every figure has an interval over clusters: of simulated patients the cohort whose model staged them, of others the
patient. `cohort` tells who was staged by one and the same model: the surest of patients are chosen among these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.bench.tables import Cells, FigureTable
from fibrostage.cohort.pictures import Pictures
from fibrostage.ground.stage import Staging
from fibrostage.learn.model import Model
from fibrostage.results.staged import RULED_IN, RULED_OUT, Staged
from fibrostage.stats.clustered import clustered_mean, clustered_share

COVERAGES = (0.8, 0.9, 0.95)
VALUES = (0.9, 0.95)  # predictive
ALARMS = (0.01, 0.05)
USUAL = 0.9  # coverage of the sets that have the last word on what is ruled in or out
LEVELS = ((0.8, 0.9, 0.01), (0.9, 0.9, 0.05), (0.95, 0.9, 0.01), (0.9, 0.95, 0.05))  # coverage, value, alarms
SHARES = (1.0, 0.75, 0.5, 0.25)


@dataclass(frozen=True)
class SaidOfPatients:
    """What was said of N patients, whose `truth` [N] is known.

    `called` [N] are the stages called, `table` [N, K] the probabilities; `possible` [N, K] by the coverage asked (all
    stages, where nothing was learned), `ruled` [N, cuts] by the predictive value asked: −1 out, 1 in, 0 neither. `far`
    [N] by the false alarms asked are how many of the `pictures` [N] are told to lie far from those of training.
    """

    truth: NDArray[np.int64]
    called: NDArray[np.int64]
    table: NDArray[np.float64]
    possible: Mapping[float, NDArray[np.bool_]]
    ruled: Mapping[float, NDArray[np.int64]]
    far: Mapping[float, NDArray[np.int64]]
    pictures: NDArray[np.int64]
    cohort: NDArray[np.int64]
    cluster: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth)


def said_of(model: Model, pictures: Pictures, truth: NDArray[np.int64], rows: NDArray[np.int64]) -> SaidOfPatients:
    """What a model says of the patients in `rows` [n] who have pictures, at every level that is asked; `truth` [all
    patients] is by row."""
    ids = pictures.patient_ids
    wanted, stage_of = {ids[row] for row in rows.tolist()}, dict(zip(ids, truth.tolist(), strict=True))
    possible: dict[float, NDArray[np.bool_]] = {}
    ruled: dict[float, NDArray[np.int64]] = {}
    far: dict[float, NDArray[np.int64]] = {}
    own: list[Staged] = []
    for coverage, value, alarms in LEVELS:
        update = {"coverage": coverage, "npv": value, "ppv": value, "false_alarms": alarms}
        staged = model.stage(pictures, asked=model.plan.decision.model_copy(update=update))
        own = [one for one in staged if one.patient_id in wanted]
        possible[coverage] = possible_of(own, model.staging)
        far[alarms] = np.array([sum(one.far.values()) for one in own], dtype=np.int64)
        if coverage == USUAL:
            ruled[value] = ruled_of(own, model.staging)
    classes = model.staging.classes
    return SaidOfPatients(
        np.array([stage_of[one.patient_id] for one in own], dtype=np.int64),
        np.array([classes.index(one.stage) for one in own], dtype=np.int64),
        np.array([list(one.probabilities.values()) for one in own]).reshape(-1, len(classes)),
        possible,
        ruled,
        far,
        np.array([sum(one.pictures.values()) for one in own], dtype=np.int64),
        np.zeros(len(own), dtype=np.int64),
        np.arange(len(own)),
    )


def possible_of(staged: Sequence[Staged], staging: Staging) -> NDArray[np.bool_]:
    """Which stages are not excluded [n, K]."""
    inside = [[name in one.possible or not one.possible for name in staging.classes] for one in staged]
    return np.array(inside, dtype=bool).reshape(-1, len(staging.classes))


def ruled_of(staged: Sequence[Staged], staging: Staging) -> NDArray[np.int64]:
    """Which cuts [n, cuts] are ruled out, −1, or in, 1."""
    signs = {RULED_IN: 1, RULED_OUT: -1}
    rows = [[signs.get(one.rules[cut], 0) for cut in staging.cuts] for one in staged]
    return np.array(rows, dtype=np.int64).reshape(-1, len(staging.cuts))


def joined(each: Sequence[SaidOfPatients], clustered: bool) -> SaidOfPatients:
    """What several models said, each of its own patients; the models are the clusters, or with not `clustered` the
    patients."""
    model = np.repeat(np.arange(len(each)), [len(one) for one in each])

    def one_after_another(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(one, name) for one in each])

    def by_level(name: str) -> dict[float, NDArray[np.generic]]:
        return {key: np.concatenate([getattr(one, name)[key] for one in each]) for key in getattr(each[0], name)}

    plain = {name: one_after_another(name) for name in ("truth", "called", "table", "pictures")}
    levels = {name: by_level(name) for name in ("possible", "ruled", "far")}
    return SaidOfPatients(**plain, **levels, cohort=model, cluster=model if clustered else np.arange(len(model)))  # type: ignore[arg-type]


def part_of(said: SaidOfPatients, rows: NDArray[np.int64]) -> SaidOfPatients:
    """What was said of some of the patients, given by their rows [n]."""
    return SaidOfPatients(
        said.truth[rows],
        said.called[rows],
        said.table[rows],
        {asked: inside[rows] for asked, inside in said.possible.items()},
        {asked: ruled[rows] for asked, ruled in said.ruled.items()},
        {asked: far[rows] for asked, far in said.far.items()},
        said.pictures[rows],
        said.cohort[rows],
        said.cluster[rows],
    )


def coverage_table(said: SaidOfPatients, staging: Staging) -> FigureTable:
    """How often the sets hold the true stage, of everybody and of every stage; how large they are, who is answered."""
    rows: list[Cells] = []
    everybody = np.ones(len(said))
    for asked, inside in said.possible.items():
        held = inside[np.arange(len(said)), said.truth]
        sizes = inside.sum(axis=1)
        stages = [
            clustered_share(held & (said.truth == k), said.truth == k, said.cluster) for k in range(inside.shape[1])
        ]
        answered = clustered_share(sizes < inside.shape[1], everybody, said.cluster)
        rows.append(
            (
                f"{asked:.0%}",
                clustered_share(held, everybody, said.cluster),
                spread(held, said.cohort),
                *stages,
                clustered_mean(sizes, everybody, said.cluster),
                answered,
            )
        )
    counts = [f"{name} (n = {int((said.truth == k).sum())})" for k, name in enumerate(staging.classes)]
    columns = ("asked", "all", "least to most of the models", *counts, "stages a set", "answered")
    return FigureTable("coverage", f"Does the set hold the true stage? {len(said)} new patients", columns, tuple(rows))


def spread(hits: NDArray[np.bool_], cohort: NDArray[np.int64]) -> str:
    """The least and the most of the models' shares of hits [N]."""
    shares = [float(hits[cohort == one].mean()) for one in np.unique(cohort)]
    return f"{min(shares):.3f} to {max(shares):.3f}" if len(shares) > 1 else "–"


def rules_table(said: SaidOfPatients, staging: Staging) -> FigureTable:
    """How often each cut is ruled out and in, and how often that is so."""
    everybody = np.ones(len(said))
    rows: list[Cells] = []
    for asked, ruled in said.ruled.items():
        for k, cut in enumerate(staging.cuts):
            ill = said.truth >= staging.threshold(cut)
            out, within = ruled[:, k] < 0, ruled[:, k] > 0
            rows.append(
                (
                    f"{asked:.0%}",
                    staging.cut_name(cut),
                    int(ill.sum()),
                    clustered_share(out, everybody, said.cluster),
                    clustered_share(out & ~ill, out, said.cluster),
                    int(out.sum()),
                    clustered_share(within, everybody, said.cluster),
                    clustered_share(within & ill, within, said.cluster),
                    int(within.sum()),
                )
            )
    columns = ("asked", "cut", "ill", "ruled out", "NPV", "n out", "ruled in", "PPV", "n in")
    title = f"Is what is ruled out or in so? {len(said)} new patients, sets at {USUAL:.0%}"
    return FigureTable("rules", title, columns, tuple(rows))


def missed_table(said: SaidOfPatients, staging: Staging) -> FigureTable:
    """Of every stage the share that is ruled out of a cut, which is wrong at or above it."""
    rows: list[Cells] = []
    for asked, ruled in said.ruled.items():
        for k, cut in enumerate(staging.cuts):
            out, least = ruled[:, k] < 0, staging.threshold(cut)
            own = [
                clustered_share(out & (said.truth == stage), said.truth == stage, said.cluster)
                for stage in range(least, len(staging.classes))
            ]
            rows.append((f"{asked:.0%}", staging.cut_name(cut), *[""] * (least - 1), *own))
    columns = ("asked", "cut", *(f"{name} ruled out" for name in staging.classes[1:]))
    return FigureTable("missed", "Who is ruled out of a cut although at or above it", columns, tuple(rows))


def selective_table(said: SaidOfPatients) -> FigureTable:
    """Accuracy of the stage called among those of whom a model is surest."""
    right = said.called == said.truth
    sizes = said.possible[USUAL].sum(axis=1)
    ways = {
        f"smallest set (at {USUAL:.0%})": -sizes.astype(np.float64),
        "highest probability": said.table.max(axis=1),
    }
    rows: list[Cells] = []
    for name, sureness in ways.items():
        chosen = [surest(sureness, share, said.cohort) for share in SHARES]
        rows.append((name, *(clustered_share(right * each, each, said.cluster) for each in chosen)))
    columns = ("answered first", *(f"{share:.0%} answered" for share in SHARES))
    title = f"How often is the stage called right, of those it is surest of? {len(said)} new patients"
    return FigureTable("selective", title, columns, tuple(rows))


def surest(sureness: NDArray[np.float64], share: float, cohort: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much each patient counts [N] when of every cohort [N] the share that a model is surest of is taken; those who
    tie at the edge share what is left."""
    result = np.zeros(len(sureness))
    for one in np.unique(cohort):
        own = np.flatnonzero(cohort == one)
        left = share * len(own)
        for value in np.unique(sureness[own])[::-1]:
            tied = own[sureness[own] == value]
            result[tied] = min(1.0, left / len(tied))
            left -= min(left, len(tied))
    return result


def alarms_table(said: SaidOfPatients) -> FigureTable:
    """How often pictures like those of training are told to lie far from them, and patients are refused for it."""
    rows: list[Cells] = []
    for asked, far in said.far.items():
        refused = (far == said.pictures) & (said.pictures > 0)
        rows.append(
            (
                f"{asked:.0%}",
                int(said.pictures.sum()),
                clustered_share(far, said.pictures, said.cluster),
                spread(far / np.maximum(said.pictures, 1) > 0, said.cohort),
                len(said),
                clustered_share(refused, np.ones(len(said)), said.cluster),
            )
        )
    columns = (
        "asked",
        "pictures",
        "told far",
        "patients with one far, least to most of the models",
        "patients",
        "refused",
    )
    return FigureTable("alarms", "False alarms: new pictures of the same population", columns, tuple(rows))


def few_row(trained: int, said: SaidOfPatients, high: float = 0.9) -> Cells:
    """What a model of few patients says: whether anything is excluded, and how sure it is against how right."""
    right, most, everybody = said.called == said.truth, said.table.max(axis=1), np.ones(len(said))
    excluded = ~said.possible[USUAL].all(axis=1)
    held = said.possible[USUAL][np.arange(len(said)), said.truth]
    sure = most >= high
    return (
        trained,
        len(said),
        clustered_share(excluded, everybody, said.cluster),
        clustered_share(held, everybody, said.cluster),
        clustered_share(right, everybody, said.cluster),
        clustered_mean(most, everybody, said.cluster),
        f"{most.max():.3f}",
        clustered_share(sure, everybody, said.cluster),
        clustered_share(sure & ~right, sure, said.cluster),
    )


FEW_COLUMNS = (
    "trained on", "new patients", "some stage excluded", "set at 90% holds the stage", "stage called right",
    "largest probability, mean", "most", "≥ 0.9 said", "of these wrong",
)  # fmt: skip
