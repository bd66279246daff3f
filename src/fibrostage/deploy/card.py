"""The card of a model that is handed over: what it is for, what it learned from, how well it was tested, its limits; in
the format of Hugging Face's model cards. Every number on it is the run's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.learn.known import KnownPictures
from fibrostage.learn.model import Model
from fibrostage.report.markdown import markdown_of
from fibrostage.results.metrics import Metrics
from fibrostage.views.plan import in_a_line
from fibrostage.views.run import beside_view, figures_view, stages_view
from fibrostage.views.table import TableView, figure_text


@dataclass(frozen=True)
class CardFigure:
    """One figure of the card's head."""

    type: str
    name: str
    value: float


def card(name: str, model: Model, metrics: Metrics, made: str, groups: TableView | None = None) -> str:
    """The card as Markdown with a head of YAML; `groups` is the table of how well it did in each kind of patient."""
    staging, plan = model.staging, model.plan
    tables = (figures_view(metrics, staging), stages_view(metrics, staging), beside_view(metrics, staging))
    return markdown_of(
        "fibrostage.deploy",
        "card.md",
        name=name,
        simulated=SIMULATED if metrics.simulated else "",
        notice=RESEARCH_USE,
        staging=staging,
        modalities=plan.fused,
        metrics=metrics,
        headline=headline(metrics),
        summary=summary(metrics),
        data=data(metrics),
        pictures=pictures(model),
        whose=whose(metrics, len(model.members)),
        tables=[table for table in tables if table is not None],
        groups=groups,
        limits=limits(model, metrics),
        network=in_a_line(plan),
        tool=metrics.tool,
        versions=", ".join(f"{package} {number}" for package, number in metrics.versions.items()),
        made=made,
    )


def headline(metrics: Metrics) -> list[CardFigure]:
    """Accuracy and AUCs, as the hub shows them."""
    figures = [("accuracy", "accuracy", metrics.accuracy), ("roc_auc", "average one-vs-rest AUC", metrics.auc_macro)]
    figures += [("roc_auc", f"AUC at {cut}", figure) for cut, figure in metrics.auc_at_cut.items()]
    return [
        CardFigure(kind, name, round(figure.value, 4)) for kind, name, figure in figures if figure.value is not None
    ]


def summary(metrics: Metrics) -> str:
    """The main figures in one sentence."""
    at_cuts = ", ".join(f"{cut} {figure_text(figure)}" for cut, figure in metrics.auc_at_cut.items())
    interval = f"{round(100 * metrics.confidence)} % intervals"
    return (
        f"Accuracy {figure_text(metrics.accuracy)} over {len(metrics.classes)} stages; AUC at or above {at_cuts}; on "
        f"{metrics.n_patients} test patients, {interval} in brackets."
    )


def data(metrics: Metrics) -> str:
    """Whom it learned from."""
    told = [f"Cohort {metrics.cohort.name!r}"]
    if metrics.simulated:
        told.append(f"{SIMULATED} patients")
    if metrics.flow is not None:
        told.append(f"{metrics.flow.enrolled} patients came, {metrics.flow.studied} were studied")
        told.append(f"{metrics.flow.pictures} pictures")
    if metrics.deployed is not None:
        told.append(f"all {metrics.deployed} labelled patients trained the network of this folder")
    lines = "; ".join(told) + "."
    return lines + "".join(f"\n\n- {caveat}" for caveat in metrics.caveats)


def pictures(model: Model) -> list[tuple[str, str, str, str, str]]:
    """By modality how it is stored, how its training pictures were judged, and which devices made them."""
    rows: list[tuple[str, str, str, str, str]] = []
    for modality in model.plan.modality:
        if modality.name not in model.plan.fused:
            continue
        judged = most(model.known, modality.name)
        quality = ", ".join(f"{count} {name}" for name, count in judged.items()) or "not kept"
        devices = sorted({each for one in model.known for each in one.devices.get(modality.name, ())})
        stored = f"{modality.size} × {modality.size} × {modality.stored_channels}"
        rows.append((modality.name, modality.kind, stored, quality, ", ".join(devices) or "not known"))
    return rows


def most(known: Sequence[KnownPictures], modality: str) -> Mapping[str, int]:
    """How the training pictures of the member that saw most were judged."""
    every = [one.quality.get(modality, {}) for one in known]
    return max(every, key=lambda one: sum(one.values()), default={})


def whose(metrics: Metrics, members: int) -> str:
    """Whose the figures are."""
    tested = "each tested on patients whom it had not seen"
    if metrics.deployed is not None:
        return (
            f"The figures are of the networks of the run's folds, {tested}. The network of this folder was fitted on "
            "everybody afterwards; nobody was left to test it on."
        )
    if members > 1:
        return (
            f"The figures are of {members} networks one by one, {tested}. This model averages them; the average was "
            "tested on nobody."
        )
    return "The figures are of this network, on patients whom it had not seen."


def limits(model: Model, metrics: Metrics) -> list[str]:
    """What a user must know before believing an answer."""
    decision = model.plan.decision
    lines = [f"Tested on {metrics.n_patients} patients of one cohort by a split of it, not at another hospital."]
    if metrics.sets is not None:
        lines.append(
            f"Its sets of possible stages are to hold the true one in {metrics.sets.asked:.0%}; on the test patients "
            f"they did in {figure_text(metrics.sets.covered)}, with {metrics.sets.mean_size:.1f} stages a set."
        )
    else:
        lines.append("It never learned how often it is wrong, and answers every exam with 'cannot say'.")
    if any(one.cuts for one in model.callings):
        lines.append(
            f"It rules a cut out at an NPV of {decision.npv:.0%} and in at a PPV of {decision.ppv:.0%}, at the shares "
            "of stages among its training patients; elsewhere they differ."
        )
    lines.append(
        "Pictures unlike those of training are told by their features, at a false alarm in "
        f"{decision.false_alarms:.0%} of pictures; a picture that looks alike and is not (another organ, another "
        "patient) is not."
    )
    if len(model.plan.fused) > 1:
        lines.append("A patient may lack a modality; the answer then says so, and rests on the others.")
    return lines
