"""Which exam of those that a patient lacks is worth making next: what each is expected to change, from exact algebra.

A patient's logits are a sum of the modalities' shares, in which one that is missing has its stream's offset. So the
answer after an exam is known for every share that it may have, and it may have those of the training patients
(`learn.shares`). Their mixture is finite and summed up exactly: a stage k is as probable as it is believed to be, a
share of k's training patients as probable as any other of them. It is taken for granted that what an exam shows depends
on the stage alone.

What is said is calibrated for what the patient lacks, before the exam and after it (`learn.lacking`), so what is said
is what is believed. A gain is of what is said, as the believed stage judges it: an answer earns nothing by being sure.
Expected gains are then those that come true; by the fall of the answers' own entropy they do not, and exams rank worse
(docs/lab-notes.md). With shares of networks that had seen their patients gains are six times too large.

Where probabilities are calibrated, the mean answer after an exam is the answer before it. What is said departs a little
from that. Nothing is renormalised for it: gains are judged by believed stages, so that an answer that moves for no
reason gains nothing. Making both equal, by a factor a stage, ranks exams no better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.learn.lacking import Member, kinds_of
from fibrostage.learn.shares import StageShares
from fibrostage.learn.soundness import never_certain
from fibrostage.plan.asking import CostPlan
from fibrostage.results.staged import NextExam
from fibrostage.stats.decisions import Decision

LEAST_GAIN = 0.01  # nats: what brings less is worth no exam
UNKNOWN_STAGES = 2  # of which no training patient had the modality, for nothing to be said of it
BLOCK = 200_000  # answers at once: bounds the memory

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Expected:
    """What an exam is expected to bring each of some patients [P], as `NextExam` has it, and their mean answer after it
    [P, K]."""

    gain_entropy: Table
    gain_error: Table
    changes: Table
    answer: Table


def next_exams(
    members: Sequence[Member],
    sums: Sequence[Table],
    said: Table,
    lacking: NDArray[np.bool_],
    decision: Decision,
    cost: CostPlan,
) -> list[tuple[NextExam, ...]]:
    """For each patient the exams of the modalities that they lack, the most worth by its cost first.

    `sums` [P, outputs] are each member's of a patient's shares, `said` [P, K] the probabilities that patients are told,
    of which `decision` calls a stage, and `lacking` [P, M] says which of the network's modalities each patient lacks.
    Networks of several folds each have shares of their own, which must be kept, and what they expect is averaged.
    """
    kept = [one.shares for one in members if one.shares is not None]
    found: list[list[NextExam]] = [[] for _ in said]
    for column, name in enumerate(members[0].head.modalities):
        rows = np.flatnonzero(lacking[:, column])
        if not len(rows):
            continue
        known = all(is_known(one, name, said.shape[1]) for one in kept)
        unseen = all(one.unseen for one in kept)
        pictures = float(np.mean([one.pictures.get(name, 0.0) for one in kept]))
        price = cost.exam(name) + cost.reading * pictures
        each = expected(members, sums, name, rows, said, said, lacking, decision) if known else nothing(said[rows])
        gains = zip(rows.tolist(), *(getattr(each, of).tolist() for of in FIGURES), strict=True)
        for row, entropy, error, changes in gains:
            per_cost = entropy / price if price else None
            worthless = not known or entropy < LEAST_GAIN
            found[row].append(NextExam(name, entropy, error, changes, price, per_cost, worthless, unseen))
    return [tuple(sorted(own, key=worth)) for own in found]


FIGURES = ("gain_entropy", "gain_error", "changes")


def worth(exam: NextExam) -> tuple[bool, float, float]:
    """What exams are sorted by, the best first: one that costs nothing before others, unless it is worthless."""
    return exam.worthless, -math.inf if exam.per_cost is None else -exam.per_cost, -exam.gain_entropy


def is_known(shares: StageShares, modality: str, classes: int) -> bool:
    """Whether training patients of nearly all of so many stages had a modality."""
    had = ~np.isnan(shares.table(modality)).any(axis=1)
    return classes - len(set(np.array(shares.stages)[had].tolist())) < min(UNKNOWN_STAGES, classes)


def nothing(said: Table) -> Expected:
    """What is expected of an exam of which nothing is known, for patients [P, K]."""
    none = np.zeros(len(said))
    return Expected(none, none, none, said)


def expected(
    members: Sequence[Member],
    sums: Sequence[Table],
    modality: str,
    rows: NDArray[np.int64],
    said: Table,
    belief: Table,
    lacking: NDArray[np.bool_],
    decision: Decision,
) -> Expected:
    """What an exam of a modality is expected to bring patients (rows [r]) who lack it: `sums` [P, outputs], `said` and
    `belief` [P, K], and what is `lacking` [P, M], are of all patients. Stages of which no training patient had the
    modality are left out of the belief."""
    parts = [
        of_member(one, own[rows], modality, said[rows], belief[rows], lacking[rows], decision)
        for one, own in zip(members, sums, strict=True)
    ]
    return Expected(*(np.mean([getattr(one, of) for one in parts], axis=0) for of in (*FIGURES, "answer")))


def of_member(
    member: Member,
    sums: Table,
    modality: str,
    said: Table,
    belief: Table,
    lacking: NDArray[np.bool_],
    decision: Decision,
) -> Expected:
    """What a member expects of patients with `sums` of shares [r, outputs] who are told `said`, of whom `belief` [r, K]
    is held, and who lack what `lacking` [r, M] marks. Its training patients' shares must be kept."""
    assert member.shares is not None, "asked only where shares are kept"
    shares = member.shares.table(modality)
    had = ~np.isnan(shares).any(axis=1)
    stages, steps = np.array(member.shares.stages)[had], shares[had] - member.offset(modality)
    weights = belief[:, stages] / np.bincount(stages, minlength=said.shape[1])[stages]  # [r, n]
    weights /= weights.sum(axis=1, keepdims=True)
    column, size = member.head.modalities.index(modality), max(1, BLOCK // max(1, len(stages)))
    n = len(sums)
    result = Expected(np.empty(n), np.empty(n), np.empty(n), np.empty_like(said))
    for kind, rows in kinds_of(lacking).items():
        then = (*kind[:column], False, *kind[column + 1 :])
        for start in range(0, len(rows), size):
            own = rows[start : start + size]
            now = member.answers(sums[own], kind)
            after = member.answers(sums[own][:, None] + steps, then) * (said[own] / now)[:, None]
            told = mixed(after, stages, weights[own], said[own], decision)
            for figure, values in zip((*FIGURES, "answer"), told, strict=True):
                getattr(result, figure)[own] = values
    return result


def mixed(
    after: Table, stages: NDArray[np.int64], weights: Table, said: Table, decision: Decision
) -> tuple[Table, Table, Table, Table]:
    """Gains, changes [b] and the mean answer [b, K] of patients who are told `said` [b, K], over the answers `after`
    [b, n, K] that n training patients of the `stages` [n] would give them, each with its weight [b, n].

    An answer after an exam is the member's own, times what is said by what the member says by itself now, so that a
    step of nothing leaves what is said as it is: the other members and the mean over candidates stay in it.
    """
    b, n = weights.shape
    after = never_certain((after / after.sum(axis=-1, keepdims=True)).reshape(b * n, -1)).reshape(after.shape)
    before, called = decision(said)[:, None], decision(after.reshape(b * n, -1)).reshape(b, n)
    surer = np.log(after[:, np.arange(n), stages]) - np.log(said[:, stages])
    nearer = np.abs(before - stages) - np.abs(called - stages)
    sums_of = [(weights * each).sum(axis=1) for each in (surer, nearer, called != before)]
    return sums_of[0], sums_of[1], sums_of[2], np.einsum("bn,bnk->bk", weights, after)
