"""What to label next, and why: the open question of a loop in words that a reader understands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.strategy_expression import title_of
from fibrostage.campaign.budget import total_cost
from fibrostage.campaign.campaign import Question
from fibrostage.campaign.rounds import has_model, taught
from fibrostage.learn.learner import probabilities_of_rows
from fibrostage.loop.fitting import fit
from fibrostage.loop.opened import Loop
from fibrostage.loop.reading import wanted
from fibrostage.results.loop_report import AskedItem, AskedItems
from fibrostage.results.rounds import Round
from fibrostage.stats.poolings import POOLINGS

AVERAGED = 64  # candidates of a patient over which it is said what the model thinks
FIRST = "a first question: nobody has told the model anything yet"


@dataclass(frozen=True)
class Opinion:
    """What the model says of an item: probabilities [K], and how undecided it is by each picture alone: by modality,
    the pictures' rows and the entropy of their stages in nats."""

    probabilities: NDArray[np.float64]
    undecided: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]


def next_question(loop: Loop, count: int | None = None) -> tuple[AskedItems, Round | None]:
    """The open question, the same until it is answered; where all of it is, the model is fitted first, and the round
    that this closed is returned too.

    A new question has `count` items, or as many as the plan says. It is without items where nobody is left to ask.
    """
    question, closed = loop.campaign.ask(count), None
    if question is None and ready_to_fit(loop):
        closed = fit(loop)
        question = loop.campaign.ask(count)
    return shown(loop, question), closed


def ready_to_fit(loop: Loop) -> bool:
    """Whether all that was asked is answered, by as many readers as it takes, and there is something to learn."""
    state, campaign = loop.state, loop.campaign
    asked = state.last_round == campaign.round and not wanted(state, loop.setting.plan.loop.readers, {})
    return not campaign.over and asked and bool(loop.setting.known.size or taught(loop.setting, state))


def shown(loop: Loop, question: Question | None) -> AskedItems:
    """A question as it is told to people."""
    strategy = title_of(loop.setting.plan.active.strategy)
    round_ = loop.campaign.round if question is None else question.round
    simulated = loop.setting.cohort.simulated
    if question is None:
        return AskedItems(loop.name, round_, loop.units.name, strategy, (), simulated)
    model = has_model(loop.setting, loop.state, round_)
    if model:
        loop.campaign.ready()
    scores = question.scores or (None,) * len(question.items)
    items = [item_shown(loop, item, score, model) for item, score in zip(question.items, scores, strict=True)]
    return AskedItems(loop.name, round_, loop.units.name, strategy, tuple(items), simulated)


def item_shown(loop: Loop, item: int, score: float | None, model: bool) -> AskedItem:
    """One item of a question, with what the model says of it where there is one."""
    cost, opinion = cost_of(loop, item), opinion_of(loop, item) if model else None
    why = FIRST if opinion is None else reason(loop, opinion)
    probabilities = None
    if opinion is not None:
        values = (round(float(p), 4) for p in opinion.probabilities)
        probabilities = dict(zip(loop.classes, values, strict=True))
    return AskedItem(
        loop.text(item), loop.patient_id(item), tuple(images_of(loop, item)), score, probabilities, why, cost
    )


def cost_of(loop: Loop, item: int) -> float:
    """What an answer costs beyond what was paid already."""
    setting, paid = loop.setting, loop.state.paid
    before, after = (
        total_cost(loop.units, items, setting.plan.cost, setting.aside).cost
        for items in (paid, np.union1d(paid, [item]))
    )
    return round(after - before, 6)


def rows_shown(loop: Loop, item: int) -> dict[str, NDArray[np.int64]]:
    """The pictures of an item, by modality their rows: of a patient all of them."""
    space = loop.setting.task.space
    if loop.units.whole_patient:
        patient = int(loop.units.patient_of(item))
        first, counts = space.first_rows[patient], space.counts[patient]
        return {
            name: np.arange(start, start + count)
            for name, start, count in zip(space.modalities, first, counts, strict=True)
        }
    rows = loop.units.rows(np.array([item]))[0]
    return {
        name: np.array([row] if row >= 0 else [], dtype=np.int64)
        for name, row in zip(space.modalities, rows, strict=True)
    }


def images_of(loop: Loop, item: int) -> list[str]:
    """The ids of an item's pictures, modality after modality."""
    found: list[str] = []
    for name, rows in rows_shown(loop, item).items():
        found += image_ids(loop, name, rows)
    return found


def image_ids(loop: Loop, modality: str, rows: NDArray[np.int64]) -> list[str]:
    """The ids of pictures [n] of a modality, given by their rows [n]."""
    return loop.setting.cohort.images_of(modality)["image_id"].gather(rows.tolist()).to_list()


def opinion_of(loop: Loop, item: int) -> Opinion:
    """What the model says of an item, as a whole and by each picture alone."""
    setting, learner = loop.setting, loop.setting.learner
    tables, space = learner.head.tables(learner.features), setting.task.space
    if loop.units.whole_patient:
        patient = int(loop.units.patient_of(item))
        ids = space.draw([patient], AVERAGED, np.random.default_rng(0))
        each = probabilities_of_rows(learner.head, tables, space.decode(ids)).astype(np.float64)
        whole = POOLINGS[setting.plan.evaluation.pooling](np.zeros(len(ids), dtype=np.int64), each)[1][0]
    else:
        whole = probabilities_of_rows(learner.head, tables, loop.units.rows(np.array([item])))[0].astype(np.float64)
    undecided = {}
    for column, (name, rows) in enumerate(rows_shown(loop, item).items()):
        if len(rows):
            alone = np.full((len(rows), len(space.modalities)), -1, dtype=np.int64)
            alone[:, column] = rows
            undecided[name] = (rows, entropy(probabilities_of_rows(learner.head, tables, alone).astype(np.float64)))
    return Opinion(np.asarray(whole), undecided)


def entropy(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The entropy [n] of probabilities [n, K], in nats."""
    return np.asarray(-(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1))


def reason(loop: Loop, opinion: Opinion) -> str:
    """Why a label is wanted: between which stages the model wavers, and by what it sees."""
    order = np.argsort(-opinion.probabilities, kind="stable")
    first, second = (f"{loop.classes[k]} ({opinion.probabilities[k]:.2f})" for k in order[:2])
    parts = [f"the model wavers between {first} and {second}"]
    parts += [by_pictures(loop, opinion)] if opinion.undecided else []
    return "; ".join(parts)


def by_pictures(loop: Loop, opinion: Opinion) -> str:
    """By which modality, and which picture of it, the model is least decided."""
    means = {name: float(values.mean()) for name, (_, values) in opinion.undecided.items()}
    name = max(means, key=lambda each: means[each])
    rows, values = opinion.undecided[name]
    most, share = float(np.log(len(loop.classes))), f"{means[name]:.2f}"
    picture = image_ids(loop, name, rows[[int(np.argmax(values))]])[0]
    among = f"least decided by {name}" if len(means) > 1 else f"by {name}"
    return f"{among} (entropy {share} of {most:.2f}), above all by {picture}"
