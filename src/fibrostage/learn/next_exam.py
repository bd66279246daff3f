"""Which exam of those that a patient lacks is worth making next: what each is expected to change, from exact algebra.

A patient's logits are a sum of the modalities' shares, in which one that is missing has its stream's offset. So the
answer after an exam is known for every share that it may have, and it may have those of the training patients
(`learn.shares`). Their mixture is finite and summed up exactly: a stage k is as probable as it is believed to be, a
share of k's training patients as probable as any other of them. It is taken for granted that what an exam shows depends
on the stage alone.

What is believed is not what is said. Probabilities are calibrated on patients with every picture they could have; of
those who lack a modality the same map is too sure (SIMULATED, `bench next-exam`: with one modality of four log loss
1.52 as said, 1.48 by a map of their own). So a stage is believed as probable as a map makes it that is fitted to the
training patients' own answers with the same modalities left out. A gain is of what is said, as the believed stage
judges it: an answer earns nothing by being sure. Expected gains are then those that come true (0.07 and 0.07 nats); by
the fall of the answers' own entropy they do not, and exams rank worse (docs/lab-notes.md). With shares of networks that
had seen their patients, what is said is believed, and gains are six times too large.

Where probabilities are calibrated, the mean answer after an exam is the answer before it. What is said departs from
that by .04 (half the sum of absolute differences). Nothing is renormalised for it: gains are judged by believed stages,
so that an answer that moves for no reason gains nothing. Making both equal, by a factor a stage, ranks exams no better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fibrostage.learn.cross_fit import FEWEST_PATIENTS
from fibrostage.learn.shares import StageShares
from fibrostage.learn.soundness import never_certain
from fibrostage.networks.fusion import Head
from fibrostage.plan.asking import CostPlan
from fibrostage.results.staged import NextExam
from fibrostage.stats.calling import Calling
from fibrostage.stats.decisions import Decision
from fibrostage.stats.recalibration import recalibrate

LEAST_GAIN = 0.01  # nats: what brings less is worth no exam
UNKNOWN_STAGES = 2  # of which no training patient had the modality, for nothing to be said of it
BLOCK = 200_000  # answers at once: bounds the memory

Table = NDArray[np.float64]


@dataclass(frozen=True)
class MemberView:
    """One network of a model, how its answers are calibrated, what it keeps of its training patients, and its patients'
    `sums` of shares [P, outputs] (`Contributions`)."""

    head: Head
    calling: Calling
    shares: StageShares
    sums: Table

    def offset(self, modality: str) -> Table:
        """What stands in the place of a missing modality's share [outputs]."""
        return np.asarray(self.head.stream(modality).offset.detach().double().numpy())

    def pooled(self, sums: Table) -> Table:
        """Probabilities [..., K] of sums of shares [..., outputs], as the network has them."""
        with torch.inference_mode():
            table = self.head.link(torch.from_numpy(sums).float()).double().softmax(-1).numpy()
        return never_certain(table.reshape(-1, table.shape[-1])).reshape(table.shape)

    def answers(self, sums: Table) -> Table:
        """Calibrated probabilities [..., K] of sums of shares [..., outputs]."""
        pooled = self.pooled(sums)
        table = self.calling.probabilities(pooled.reshape(-1, pooled.shape[-1]))
        return never_certain(table).reshape(pooled.shape)


@dataclass(frozen=True)
class Expected:
    """What an exam is expected to bring each of some patients [P], as `NextExam` has it, and their mean answer after it
    [P, K]."""

    gain_entropy: Table
    gain_error: Table
    changes: Table
    answer: Table


def next_exams(
    members: Sequence[MemberView],
    said: Table,
    lacking: NDArray[np.bool_],
    decision: Decision,
    cost: CostPlan,
) -> list[tuple[NextExam, ...]]:
    """For each patient the exams of the modalities that they lack, the most worth by its cost first.

    `said` [P, K] are the probabilities that patients are told, of which `decision` calls a stage, and `lacking` [P, M]
    says which of the network's modalities each patient lacks. Networks of several folds each have shares of their own,
    and what they expect is averaged.
    """
    belief = believed(members, said, lacking)
    found: list[list[NextExam]] = [[] for _ in said]
    for column, name in enumerate(members[0].head.modalities):
        rows = np.flatnonzero(lacking[:, column])
        if not len(rows):
            continue
        known = all(is_known(one.shares, name, said.shape[1]) for one in members)
        unseen = all(one.shares.unseen for one in members)
        pictures = float(np.mean([one.shares.pictures.get(name, 0.0) for one in members]))
        price = cost.exam(name) + cost.reading * pictures
        each = expected(members, name, rows, said, belief, decision) if known else nothing(said[rows])
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


def believed(members: Sequence[MemberView], said: Table, lacking: NDArray[np.bool_]) -> Table:
    """How probable each stage is [P, K] for patients who are told `said` [P, K] and lack what `lacking` [P, M] marks:
    the mean of the members' answers, calibrated on training patients with the same modalities left out. Where these are
    too few, or were seen, it is what is said."""
    result = said.copy()
    for pattern in np.unique(lacking, axis=0):
        rows = np.flatnonzero((lacking == pattern).all(axis=1))
        told = [own_map(one, pattern, rows) for one in members]
        if pattern.any() and all(each is not None for each in told):
            result[rows] = np.mean([each for each in told if each is not None], axis=0)
    return result


def own_map(member: MemberView, lacking: NDArray[np.bool_], rows: NDArray[np.int64]) -> Table | None:
    """A member's answers [r, K] to patients (rows [r]), calibrated on training patients with the modalities that
    `lacking` [M] marks left out; None where they are too few, or were seen."""
    if not member.shares.unseen:
        return None
    parts = [
        np.broadcast_to(member.offset(name), (len(member.shares.stages), member.head.link.outputs))
        if gone
        else member.shares.table(name)
        for name, gone in zip(member.head.modalities, lacking.tolist(), strict=True)
    ]
    sums = np.sum(parts, axis=0)
    there = ~np.isnan(sums).any(axis=1)
    if there.sum() < FEWEST_PATIENTS:
        return None
    stages = np.array(member.shares.stages)[there]
    return never_certain(recalibrate(stages, member.pooled(sums[there]))(member.pooled(member.sums[rows])))


def expected(
    members: Sequence[MemberView],
    modality: str,
    rows: NDArray[np.int64],
    said: Table,
    belief: Table,
    decision: Decision,
) -> Expected:
    """What an exam of a modality is expected to bring patients (rows [r]) who lack it: `said` and `belief` [P, K] are
    of all patients. Stages of which no training patient had the modality are left out of the belief."""
    parts = [of_member(one, modality, rows, said[rows], belief[rows], decision) for one in members]
    return Expected(*(np.mean([getattr(one, of) for one in parts], axis=0) for of in (*FIGURES, "answer")))


def of_member(
    member: MemberView, modality: str, rows: NDArray[np.int64], said: Table, belief: Table, decision: Decision
) -> Expected:
    """What a member expects of patients (rows [r]) who are told `said` and of whom `belief` [r, K] is held."""
    shares = member.shares.table(modality)
    had = ~np.isnan(shares).any(axis=1)
    stages, steps = np.array(member.shares.stages)[had], shares[had] - member.offset(modality)
    weights = belief[:, stages] / np.bincount(stages, minlength=said.shape[1])[stages]  # [r, n]
    weights /= weights.sum(axis=1, keepdims=True)
    size = max(1, BLOCK // max(1, len(stages)))
    blocks = []
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        sums = member.sums[rows[part]]
        blocks.append(mixed(member, sums, steps, stages, weights[part], said[part], decision))
    return Expected(*(np.concatenate(each) for each in zip(*blocks, strict=True)))


def mixed(
    member: MemberView,
    sums: Table,
    steps: Table,
    stages: NDArray[np.int64],
    weights: Table,
    said: Table,
    decision: Decision,
) -> tuple[Table, Table, Table, Table]:
    """Gains, changes [b] and the mean answer [b, K] of patients with `sums` of shares [b, outputs] who are told `said`
    [b, K], over the `steps` [n, outputs] of n training patients of the `stages` [n], each with its weight [b, n].

    The answer after an exam is the member's own, times what is said by what the member says by itself now, so that a
    step of nothing leaves what is said as it is: the other members and the mean over candidates stay in it.
    """
    b, n = weights.shape
    after = member.answers(sums[:, None] + steps) * (said / member.answers(sums))[:, None]
    after = never_certain((after / after.sum(axis=-1, keepdims=True)).reshape(b * n, -1)).reshape(after.shape)
    before, called = decision(said)[:, None], decision(after.reshape(b * n, -1)).reshape(b, n)
    surer = np.log(after[:, np.arange(n), stages]) - np.log(said[:, stages])
    nearer = np.abs(before - stages) - np.abs(called - stages)
    sums_of = [(weights * each).sum(axis=1) for each in (surer, nearer, called != before)]
    return sums_of[0], sums_of[1], sums_of[2], np.einsum("bn,bnk->bk", weights, after)
