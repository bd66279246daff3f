"""The tables of a loop: what to label next, and where it stands."""

from __future__ import annotations

from fibrostage.results.loop_report import AskedItem, AskedItems, LoopStatus
from fibrostage.views.table import NONE, Cell, TableView, figure_text, marked, number_text, signed_text, view

KINDS = {
    "audit": "audited patients: drawn at random, never learned from",
    "weighted": "all answers, weighted by how they were chosen",
    "naive": "what was asked for, unweighted (of the hardest, and so misleading)",
}


def question_view(asked: AskedItems) -> TableView:
    """A question, a row an item."""
    rows: list[list[str | Cell]] = [
        [
            str(number),
            Cell(item.patient_id, () if item.item == item.patient_id else (item.item,)),
            str(len(item.images)),
            called(item),
            number_text(item.score),
            f"{item.cost:g}",
            item.why,
        ]
        for number, item in enumerate(asked.items, 1)
    ]
    title = f"round {asked.round}: {len(asked.items)} {asked.unit}s wait for an answer · {asked.strategy}"
    columns = ("", "patient", "pictures", "model says", "score", "cost", "why")
    return view(marked(title, asked.simulated), columns, rows, numbers=(0, 2, 4, 5))


def called(item: AskedItem) -> str:
    """The stage that the model thinks likeliest; a dash where there is no model."""
    said = item.probabilities
    return NONE if said is None else max(said, key=lambda name: said[name])


def status_view(found: LoopStatus) -> TableView:
    """Where a loop stands, a row a fact."""
    stages = ", ".join(f"{name} {count}" for name, count in found.by_stage.items())
    readers = ", ".join(f"{who} {count}" for who, count in found.readers.items()) or NONE
    audited = f"{found.labels} ({found.audited} of them audits), {found.unusable} unusable or unsure"
    rows = [
        ["cohorts", ", ".join(found.cohorts)],
        ["patients", f"{found.patients} without a stage when they came, {found.known} with one"],
        ["answers", audited],
        ["patients by stage", stages],
        ["readers", readers],
        ["waiting for an answer", str(found.waiting)],
        [f"{found.unit}s left to ask about", str(found.left)],
        ["in dispute", ", ".join(found.disputed) or "none"],
        ["cost so far", f"{found.cost:g}"],
        ["rounds fitted", str(found.rounds)],
    ]
    rows += [[f"{more} more answers", expected] for more, expected in gains(found).items()]
    return view(marked(f"loop {found.loop}", found.simulated), ("", "where it stands"), rows)


def gains(found: LoopStatus) -> dict[int, str]:
    """What more answers are expected to bring."""
    return {
        more: f"accuracy {signed_text(gain)}" if gain.value is not None else gain.why
        for more, gain in found.gains.items()
    }


def estimates_view(found: LoopStatus) -> TableView:
    """How well the last model stages, by the kind of sample that says so."""
    counts = {"audit": found.n_audit, "weighted": found.n_audit + found.n_asked, "naive": found.n_asked}
    rows = [
        [KINDS[which], str(counts[which]), figure_text(own["accuracy"]), figure_text(own["auc_macro"])]
        for which, own in found.estimates.items()
    ]
    title = f"the model of round {found.rounds - 1}" if found.rounds else "no model yet"
    return view(
        marked(title, found.simulated), ("measured on", "n", "accuracy", "average AUC"), rows, numbers=(1, 2, 3)
    )


def curve_view(found: LoopStatus) -> TableView:
    """The learning curve: every round's model on the audited patients."""
    rows = [[str(point.round), str(point.labels), str(point.n), figure_text(point.accuracy)] for point in found.curve]
    columns = ("round", "answers", "audited patients", "accuracy")
    return view(marked("learning curve", found.simulated), columns, rows, numbers=(0, 1, 2, 3))
