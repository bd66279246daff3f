"""The methods paragraph of a run or study, true of its plan and cohort, with what it cites.

Every sentence is made of the plan and figures that the results hold; nothing is said that they do not. Of a study it
describes the first run and names every key by which the others differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.active.strategy_expression import title_of
from fibrostage.ground.errors import PlanError
from fibrostage.ground.files import Json, write_text
from fibrostage.ground.lists import and_
from fibrostage.plan.run_plan import Plan
from fibrostage.report.references import REFERENCES
from fibrostage.report.results import Results

OPTIMISERS = {"adamw": "AdamW", "sgd": "stochastic gradient descent"}
TRAINED = {"last": "the last blocks of the backbones were", "all": "the whole network was"}
MAPS = {
    "auto": "Platt's or isotonic maps of the probability at each cut, whichever the number of patients allowed",
    "platt": "logistic maps of the probability at each cut",
    "isotonic": "isotonic maps of the probability at each cut",
}
RULES = {
    "mode": "the most probable one",
    "median": "the middle one of the probabilities",
    "least_error": "the one of least expected error in stages",
    "least_cost": "the one of least expected cost",
    "thresholds": "settled by thresholds on the training patients",
}
QUIET = ("seed", "source")  # by which runs of a study differ anyway, or are told elsewhere


@dataclass(frozen=True)
class Sentence:
    """A sentence, and the keys of `REFERENCES` that it cites."""

    text: str
    cites: tuple[str, ...] = ()

    @property
    def markdown(self) -> str:
        """The sentence with its citations before the full stop, as Pandoc reads them."""
        if not self.cites:
            return self.text
        listed = "; ".join(f"@{key}" for key in self.cites)
        return f"{self.text.removesuffix('.')} [{listed}]."


def methods_of(results: Results) -> tuple[Sentence, ...]:
    """The sentences of the paragraph, in their order; none where the plan is of a version that cannot be read."""
    try:
        plan = Plan.parse(dict(results.plans[0]))
    except PlanError:
        return ()
    parts = (
        participants,
        staging,
        division,
        preprocessing,
        network,
        training,
        calibration,
        asking,
        statistics,
        software,
    )
    return tuple(sentence for part in parts for sentence in part(results, plan))


def participants(results: Results, _: Plan) -> Iterator[Sentence]:
    """Who came and who was studied, and that they are simulated where they are."""
    flow, first = results.flow, results.first
    if first.simulated:
        yield Sentence(f"All patients are simulated ({SIMULATED}).")
    if flow is None:
        yield Sentence(f"Patients were those of the cohort {first.cohort.name!r}.")
        return
    left = sum(flow.excluded.values())
    out = f", {left} {'was' if left == 1 else 'were'} left out" if left else ""
    unknown = f", {flow.unlabelled} of them without a reference stage" if flow.unlabelled else ""
    yield Sentence(
        f"Of {flow.enrolled} patients of the cohort {first.cohort.name!r}{out}, {flow.studied} with "
        f"{flow.pictures} pictures were studied{unknown}."
    )


def staging(_: Results, plan: Plan) -> Iterator[Sentence]:
    """The reference and the cuts."""
    whole, task = plan.staging.whole(), plan.staging.task
    cuts = ", ".join(whole.cut_name(cut) for cut in whole.cuts)
    at = f"cut at {cuts}" if task is None else f"of which the network learned the cut at {whole.cut_name(task)} alone"
    yield Sentence(f"The reference was the {whole.name} stage ({', '.join(whole.classes)}), {at}.")


def division(results: Results, plan: Plan) -> Iterator[Sentence]:
    """Who trained and who tested."""
    split, judged = plan.split, results.validation
    if judged is not None:
        whose = "none of their pictures trained it" if judged.strangers else "whom it was trained on is not known"
        yield Sentence(
            f"{results.first.n_patients} patients were judged by the model {judged.model} (SHA-256 "
            f"{judged.digest[:12]}), fitted elsewhere; {whose}. What follows describes that model."
        )
        return
    if split.scheme == "holdout":
        yield Sentence(
            f"Patients, never their pictures, were divided at random and stratified by stage: {split.test:.0%} of them "
            f"tested ({results.first.n_patients} patients) and the others trained (seed {plan.seed})."
        )
    elif split.scheme == "kfold":
        times = "" if split.repeats == 1 else f", {split.repeats} times over"
        yield Sentence(
            f"Patients, never their pictures, were divided into {split.folds} folds stratified by stage, and each was "
            f"tested by a network that the other folds had trained{times} (seed {plan.seed})."
        )
    else:
        yield Sentence(
            f"Patients, never their pictures, were divided by the column {split.column!r}, and each of its values was "
            "tested by a network that the others had trained."
        )
    if split.validation:
        yield Sentence(f"{split.validation:.0%} of the training patients were set aside to stop the fit.")
    if split.use < 1:
        yield Sentence(f"Only {split.use:.0%} of the training patients were used.")
    if split.require:
        yield Sentence(f"Who lacked {' or '.join(split.require)} was left out.")


def preprocessing(_: Results, plan: Plan) -> Iterator[Sentence]:
    """What was cut out of each picture, and which measurements there were."""
    shown = [one for one in plan.modality if one.name in plan.pictured]
    parts = []
    for one in shown:
        what = "the region of the elastogram" if one.kind == "elastogram" else "the whole picture"
        fit = {"pad": "padded", "stretch": "stretched", "click": "as squares around a click"}[one.fit]
        parts.append(f"{one.name} ({what}, {fit} to {one.size} × {one.size} pixels)")
    if parts:
        yield Sentence(f"The network saw {', '.join(parts)}.")
    for one in plan.tables:
        if one.name in plan.fused:
            logs = f" ({', '.join(one.log)} by the logarithm)" if one.log else ""
            yield Sentence(
                f"The measurements {', '.join(one.columns)}{logs} were standardised on the training patients and fused "
                f"as {one.name}."
            )


def network(_: Results, plan: Plan) -> Iterator[Sentence]:
    """The network and where it began."""
    own = plan.network
    begins = "at random" if own.weights == "random" else f"from {own.weights} weights"
    fused = f"fused {len(plan.fused)} modalities" if len(plan.fused) > 1 else "was of one modality"
    lacking = "those who lacked one were kept" if own.missing == "keep" else "those who lacked one were dropped"
    lacking = lacking if len(plan.fused) > 1 else "those who lacked it were not staged"
    cited = ("gao2021",) if own.name == "mmfn" else ("wang2019",) if own.name.startswith("dlre") else ()
    yield Sentence(
        f"The network ({own.name}, backbone {own.backbone}, begun {begins}, {own.head} head, dropout {own.dropout:g}) "
        f"{fused}; {lacking}.",
        cited,
    )


def training(_: Results, plan: Plan) -> Iterator[Sentence]:
    """How it was fitted."""
    own = plan.training
    if own.finetune == "head":
        chosen = own.frozen_l2 == "chosen"
        penalty = "chosen on the training patients" if chosen else f"of {own.frozen_l2:g}"
        mirror = " and their mirror images" if own.mirror else ""
        yield Sentence(
            f"The backbones stayed frozen, and the head was fitted on their features of the pictures{mirror} for up to "
            f"{own.epochs} epochs by AdamW (learning rate {own.frozen_lr:g}, L2 penalty {penalty}).",
            ("loshchilov2019",),
        )
        return
    loss = "cross-entropy" if own.loss == "cross_entropy" else "squared error"
    yield Sentence(
        f"Of it, {TRAINED[own.finetune]} trained for up to {own.epochs} epochs on batches of {own.batch} by "
        f"{OPTIMISERS[own.optimiser]} (learning rates {own.backbone_lr:g} for the backbones and {own.head_lr:g} for "
        f"the head) with {loss} as the loss.",
        ("loshchilov2019",) if own.optimiser == "adamw" else (),
    )


def calibration(results: Results, plan: Plan) -> Iterator[Sentence]:
    """What made probabilities of the network's answers, and how a stage was called."""
    chosen, judged = plan.calibration.map, results.validation
    if judged is not None:
        how = "as calibrated on its training patients" if judged.calibrated else "without any calibration"
        yield Sentence(f"Probabilities, limits and the rule by which a stage is called were the model's own, {how}.")
        return
    if (
        results.first.strategy is not None
        or chosen == "none"
        or (chosen == "auto" and plan.training.finetune != "head")
    ):
        yield Sentence("Probabilities were not calibrated.")
    else:
        yield Sentence(
            f"Probabilities were calibrated by {MAPS[chosen]}, fitted to {plan.calibration.folds} cross-fits inside "
            "the training patients where these were enough.",
            {"auto": ("platt1999", "zadrozny2002"), "platt": ("platt1999",), "isotonic": ("zadrozny2002",)}[chosen],
        )
    yield Sentence(f"The stage called was {RULES[plan.decision.rule]}.")


def asking(results: Results, plan: Plan) -> Iterator[Sentence]:
    """How labels were asked for, where they were."""
    if results.first.strategy is None:
        return
    own = plan.active
    start = f"{own.initial:.0%} of the pool" if isinstance(own.initial, float) else f"{own.initial} items"
    steps = f"in up to {own.rounds} rounds, a {own.unit} at a time, from {start} on"
    if own.shares is not None:
        shares = and_([f"{share:.0%}" for share in own.shares])
        steps = f"a {own.unit} at a time, until {shares} of the pool had been asked for"
    yield Sentence(
        f"Labels were asked for by {title_of(own.strategy)}, {steps}, with {own.passes} passes of Monte-Carlo dropout "
        "where the strategy takes any."
    )


def statistics(results: Results, plan: Plan) -> Iterator[Sentence]:
    """What the figures are, and of whom."""
    own = plan.evaluation
    yield Sentence(
        f"Figures are per patient: up to {own.candidates} candidates of a patient were pooled ({own.pooling}) into one "
        "answer."
    )
    yield Sentence(
        f"Intervals are at {own.confidence:.0%}: Wilson's for shares, DeLong's for the AUC at each cut, and a "
        f"bootstrap of {own.bootstrap} resamples of patients within stages for the average AUC.",
        ("wilson1927", "delong1988"),
    )
    others = differing(results)
    if others:
        yield Sentence(
            f"The study holds {len(results.metrics)} runs, which differ in {', '.join(others)}; what is said here of "
            "one of them is of the first."
        )


def software(results: Results, _: Plan) -> Iterator[Sentence]:
    """What computed it."""
    first = results.first
    packages = ", ".join(f"{name} {number}" for name, number in first.versions.items())
    yield Sentence(f"All was computed by fibrostage {first.tool} with {packages}.")


def differing(results: Results) -> tuple[str, ...]:
    """The plan's keys by which the runs of a study differ, but for the seed."""
    flat = [dict(keys_of(plan)) for plan in results.plans]
    every = sorted({key for one in flat for key in one})
    return tuple(
        key
        for key in every
        if not any(part in QUIET for part in key.split(".")) and len({repr(one.get(key)) for one in flat}) > 1
    )


def keys_of(plan: Mapping[str, Json], within: str = "") -> Iterator[tuple[str, Json]]:
    """Every value of a plan with its dotted key."""
    for name, value in plan.items():
        if isinstance(value, Mapping):
            yield from keys_of(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value


def write_methods(folder: Path, results: Results) -> None:
    """Writes methods.md and references.bib, which holds what it cites; nothing where there is no paragraph."""
    sentences = methods_of(results)
    if not sentences:
        return
    title = f"# Methods of {results.name}\n\n"
    text = " ".join(sentence.markdown for sentence in sentences)
    write_text(folder / "methods.md", f"{title}{RESEARCH_USE}\n\n{text}\n")
    cited = dict.fromkeys(key for sentence in sentences for key in sentence.cites)
    write_text(folder / "references.bib", "\n\n".join(REFERENCES[key] for key in cited) + "\n")
