"""`bench next-exam`: is the exam that the model would make next the one that helps most? On SIMULATED cohorts.

In each cohort a network learns from patients with every modality. Of new patients all modalities but one are hidden,
each in turn; one of the others is examined, and then truly shown. What that brings is the fall of the log loss of the
true stage, and of the distance between the stage called and the true one. The exam is chosen by the model (by either
expected gain), as the modality with the highest average AUC on the training patients whoever the patient is, by chance,
or by oracles: in hindsight, with the answers after every exam and the true stage; or knowing the true stage and not the
pictures. A regret is how much is missed of what an oracle gains over chance. Where half of the patients are examined,
it is also chosen who. Intervals are over cohorts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from fibrostage.bench.timing import machine
from fibrostage.cohort.pictures import ExamPictures
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.lacking import Member
from fibrostage.learn.model import Model, look, open_model
from fibrostage.learn.next_exam import expected
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.shares import stage_shares
from fibrostage.learn.soundness import never_certain
from fibrostage.learn.task import make_task
from fibrostage.learn.train import train
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.run_plan import Plan
from fibrostage.stats.auc import auc
from fibrostage.stats.calling import together
from fibrostage.stats.recalibration import mean_log_loss

Table = NDArray[np.float64]
USUAL = ("training.mirror=false", "calibration.penalties=[1.0,0.3,0.1]", "evaluation.bootstrap=100")
MEASURES = ("log loss", "stage error")
MODEL, MODEL_ERROR = "model, by log loss", "model, by stage error"
FIXED, CHANCE = "highest average AUC, always", "chance"
HINDSIGHT = ("oracle in hindsight, by log loss", "oracle in hindsight, by stage error")
STAGE = ("oracle of the stage, by log loss", "oracle of the stage, by stage error")
POLICIES = (MODEL, MODEL_ERROR, FIXED, CHANCE, *STAGE, *HINDSIGHT)


@dataclass(frozen=True)
class Choice:
    """New patients of one cohort [n] who showed one modality and may show one of M others: what each truly `gains`
    [n, M, 2], in the order of MEASURES, what was `expected` of it, and by training shares that had been `seen`; by
    policy the `scores` [n, M] of which it takes the largest. `entropy` [n] is of what was said, `moved` how far the
    expected answer lies from what was said, and `losses` [2] the mean log loss of what was said and of what the map of
    patients with everything would have said."""

    gains: Table
    expected: Table
    seen: Table
    scores: Mapping[str, Table]
    entropy: Table
    moved: float
    losses: Table


def bench_next_exam(
    cohorts: int = 10,
    patients: int = 200,
    new: float = 0.25,
    pictures: int = 1,
    overrides: tuple[str, ...] = (),
    progress: Progress = SILENT,
    first: int = 0,
) -> dict[str, Any]:
    """Gains, regrets and who is examined, over cohorts of so many patients, a share of whom is `new`, with so many
    pictures of each modality; `first` is the seed of the first cohort."""
    began, began_cpu = time.perf_counter(), time.process_time()
    found: list[list[Choice]] = []
    with progress.task("cohorts", cohorts) as advance:
        for seed in range(first, first + cohorts):
            found.append(choices_of(seed, Recipe(patients, seed, bad=0, missing=0, pictures=pictures), new, overrides))
            advance(1)
    gains = {name: per_cohort(found, partial(mean_taken, name)) for name in POLICIES}
    return {
        "simulated": True,
        "cohorts": cohorts,
        "patients": patients,
        "new": [len(own[0].gains) for own in found],
        "pictures": pictures,
        "rows": [row_of(name, gains) for name in POLICIES],
        "half": half_rows(found),
        "told": told_rows(found),
        "moved": clustered([float(np.mean([one.moved for one in own])) for own in found]),
        "of one modality": loss_row(per_cohort(found, lambda one: one.losses)),
        "machine": machine(),
        "wall_s": time.perf_counter() - began,
        "cpu_s": time.process_time() - began_cpu,
    }


def choices_of(seed: int, recipe: Recipe, new: float, overrides: tuple[str, ...]) -> list[Choice]:
    """Simulates a cohort, trains on it, and lets everybody choose for its new patients, who show each modality in
    turn."""
    with tempfile.TemporaryDirectory() as folder:
        source, target, run = (Path(folder) / name for name in ("source", "cohort", "run"))
        write_phantom(source, recipe)
        take_in(
            Sources(source, source / "patients.csv", source / "images.csv"), target, Plan.load(source / "plan.toml")
        )
        cohort = open_cohort(target)
        sets = (*USUAL, f"split.test={new}", f"seed={seed}", *overrides)
        plan = plan_for(cohort, {}, sets, "bench next-exam")
        train(cohort, plan, run)
        fold, model = make_task(cohort, plan).folds[0], open_model(run)
        return [choice_of(model, cohort, fold.train, fold.test, name) for name in model.plan.fused]


def choice_of(model: Model, cohort: Cohort, training: NDArray[np.int64], rows: NDArray[np.int64], shown: str) -> Choice:
    """What everybody chooses for new patients (rows [n]) who show one modality."""
    names, stages = model.plan.fused, cohort.stages[rows]
    others = [name for name in names if name != shown]
    (member,), decision = model.tellers, together(model.callings)
    sums, said = sums_of(model, exams(cohort, rows, [shown])), answers_of(model, cohort, rows, [shown])
    lacking = np.tile([name != shown for name in names], (len(rows), 1))
    everybody = np.arange(len(rows))

    def gains(by: Member, belief: Table) -> tuple[Table, Table]:
        each = [expected([by], [sums], name, everybody, said, belief, lacking, decision) for name in others]
        both = np.stack([np.stack([one.gain_entropy, one.gain_error], axis=1) for one in each], axis=1)
        return both, np.stack([one.answer for one in each], axis=1)

    own, moved = gains(member, said)
    knowing, _ = gains(member, np.eye(said.shape[1])[stages])
    seen, _ = gains(seeing(model, member, cohort, training), said)
    after = [answers_of(model, cohort, rows, [shown, name]) for name in others]
    true = np.stack([improved(said, each, stages, decision) for each in after], axis=1)
    scores = {
        MODEL: own[..., 0],
        MODEL_ERROR: own[..., 1],
        FIXED: np.tile([average_auc(member, name) for name in others], (len(rows), 1)),
        **{name: knowing[..., at] for at, name in enumerate(STAGE)},
        **{name: true[..., at] for at, name in enumerate(HINDSIGHT)},
    }
    far = np.abs(moved - said[:, None]).sum(axis=-1).mean() / 2
    whole = never_certain(member.calling.probabilities(member.pooled(sums)))
    losses = np.array([mean_log_loss(stages, table) for table in (said, whole)])
    return Choice(true, own, seen, scores, -(said * np.log(said)).sum(axis=1), float(far), losses)


def improved(before: Table, after: Table, stages: NDArray[np.int64], decision: Callable[[Table], Any]) -> Table:
    """By how much log loss and stage error [n, 2] fall from answers before [n, K] to those after."""
    at = np.arange(len(stages)), stages
    error = [np.abs(decision(table) - stages) for table in (before, after)]
    return np.stack([np.log(after[at]) - np.log(before[at]), error[0] - error[1]], axis=1)


def exams(cohort: Cohort, rows: NDArray[np.int64], modalities: Sequence[str]) -> ExamPictures:
    """The pictures of some modalities of a cohort's patients (rows [n], ascending), in memory."""
    arrays, owners = {}, {}
    for name in modalities:
        own = np.isin(cohort.owners(name), rows)
        arrays[name] = np.asarray(cohort.pixels(name)[own])
        owners[name] = np.searchsorted(rows, cohort.owners(name)[own])
    return ExamPictures([cohort.patient_ids[row] for row in rows], cohort.modalities, arrays, owners)


def answers_of(model: Model, cohort: Cohort, rows: NDArray[np.int64], modalities: Sequence[str]) -> Table:
    """What the model says [n, K] of patients (rows [n]) who show some modalities."""
    staged = model.stage(exams(cohort, rows, modalities))
    return np.array([list(one.probabilities.values()) for one in staged])


def sums_of(model: Model, pictures: ExamPictures) -> Table:
    """The sums of shares [n, outputs] that the model's one network has of pictures."""
    ((network, plan),), (known,) = model.members, model.known
    return look(network, plan, pictures, known, SILENT).shares.sums


def seeing(model: Model, member: Member, cohort: Cohort, training: NDArray[np.int64]) -> Member:
    """The same network with the shares that it has itself of the training patients (rows [p]) that it was fitted on."""
    names = model.plan.fused
    shares = {}
    for name in names:
        sums = sums_of(model, exams(cohort, training, [name]))
        shares[name] = sums - np.sum([member.offset(other) for other in names if other != name], axis=0)
    kept = member.shares
    assert kept is not None, "it was just trained"
    return Member(member.head, member.calling, stage_shares(cohort.stages[training], shares, kept.pictures, False))


def average_auc(member: Member, modality: str) -> float:
    """The average one-vs-rest AUC of a modality alone on the training patients, by networks that had not seen them."""
    assert member.shares is not None, "it was just trained"
    others = [member.offset(name) for name in member.head.modalities if name != modality]
    table = member.pooled(member.shares.table(modality) + np.sum(others, axis=0))
    stages = np.array(member.shares.stages)
    return float(np.mean([auc(stages == k, table[:, k]) for k in np.unique(stages)]))


def picked(one: Choice, policy: str) -> NDArray[np.int64]:
    """Which of the modalities [n] a policy takes."""
    return np.asarray(one.scores[policy].argmax(axis=1))


def taken(one: Choice, policy: str) -> Table:
    """What each patient gains [n, 2] by the exam that a policy takes."""
    if policy == CHANCE:
        return np.asarray(one.gains.mean(axis=1))
    return np.asarray(one.gains[np.arange(len(one.gains)), picked(one, policy)])


def mean_taken(policy: str, one: Choice) -> Table:
    """What a patient gains [2] on average by the exam that a policy takes."""
    return np.asarray(taken(one, policy).mean(axis=0))


def mean_of(field: str, one: Choice) -> Table:
    """The mean [2] over patients and modalities of a choice's table."""
    return np.asarray(getattr(one, field).mean(axis=(0, 1)))


def per_cohort(found: Sequence[Sequence[Choice]], figure: Callable[[Choice], Table]) -> Table:
    """The mean [cohorts, …] over a cohort's modalities shown of what is said of each choice."""
    return np.array([np.mean([figure(one) for one in own], axis=0) for own in found])


def row_of(name: str, gains: Mapping[str, Table]) -> dict[str, Any]:
    """A policy's gains, what it gains over chance and over the fixed choice, and its regrets, by measure; an oracle's
    by its own."""
    row: dict[str, Any] = {"policy": name}
    for at, measure in enumerate(MEASURES):
        if name in (STAGE[1 - at], HINDSIGHT[1 - at]):
            continue
        own, chance, fixed = (gains[each][:, at] for each in (name, CHANCE, FIXED))
        row[measure] = {
            "gain": clustered(own),
            "over chance": clustered(own - chance),
            "over the fixed choice": clustered(own - fixed),
            **{
                f"regret, {title}": ratio(gains[oracle[at]][:, at] - own, gains[oracle[at]][:, at] - chance)
                for title, oracle in (("hindsight", HINDSIGHT), ("stage", STAGE))
            },
        }
    return row


def half_rows(found: Sequence[Sequence[Choice]]) -> list[dict[str, Any]]:
    """What an exam brings where half of the patients are examined, by who chooses whom and what."""

    def half(scores: Callable[[Choice], Table], policy: str) -> Table:
        def figure(one: Choice) -> Table:
            first = np.argsort(-scores(one), kind="stable")[: len(one.gains) // 2]
            return np.asarray(taken(one, policy)[first].mean(axis=0))

        return per_cohort(found, figure)

    ways = {
        MODEL: half(lambda one: one.expected[..., 0].max(axis=1), MODEL),
        MODEL_ERROR: half(lambda one: one.expected[..., 1].max(axis=1), MODEL_ERROR),
        "most uncertain, highest average AUC": half(lambda one: one.entropy, FIXED),
        "anybody, highest average AUC": per_cohort(found, partial(mean_taken, FIXED)),
    }
    last = [*ways.values()][2]
    return [
        {
            "policy": name,
            **{
                measure: {"gain": clustered(own[:, at]), "over the most uncertain": clustered((own - last)[:, at])}
                for at, measure in enumerate(MEASURES)
            },
        }
        for name, own in ways.items()
    ]


def loss_row(losses: Table) -> dict[str, Any]:
    """The log loss [cohorts, 2] of what is said of patients with one modality, and of what the map of patients with
    everything would have said."""
    said, whole = losses.T
    return {"said": clustered(said), "by the whole map": clustered(whole), "difference": clustered(said - whole)}


def told_rows(found: Sequence[Sequence[Choice]]) -> dict[str, Any]:
    """The mean expected gain of an exam beside the true one, and beside that by shares which had been seen."""
    fields = {"true": "gains", "expected": "expected", "expected of seen patients": "seen"}
    means = {name: per_cohort(found, partial(mean_of, field)) for name, field in fields.items()}
    return {
        measure: {name: clustered(each[:, at]) for name, each in means.items()}
        | {"expected − true": clustered((means["expected"] - means["true"])[:, at])}
        for at, measure in enumerate(MEASURES)
    }


def clustered(values: Sequence[float] | Table) -> dict[str, float | None]:
    """The mean of the cohorts' figures [C] with its t interval; of one cohort without."""
    own = np.asarray(values, dtype=np.float64)
    if len(own) < 2:
        return {"value": float(own.mean()), "lo": None, "hi": None}
    half = float(student.ppf(0.975, len(own) - 1) * own.std(ddof=1) / np.sqrt(len(own)))
    return {"value": float(own.mean()), "lo": float(own.mean()) - half, "hi": float(own.mean()) + half}


def ratio(above: Table, below: Table) -> dict[str, float | None]:
    """The ratio of two means over cohorts [C], with the t interval of its linear approximation."""
    value = float(above.mean() / below.mean())
    found = clustered((above - value * below) / below.mean())
    return {key: None if each is None else each + value for key, each in found.items()}
