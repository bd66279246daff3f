"""Whether the network does as well in every kind of patient: a forest plot a cut."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.judged import Judged
from fibrostage.analysis.subgroups import Subgroups
from fibrostage.ground.stage import Staging
from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.forest import ForestRow, forest_figure
from fibrostage.report.results import Results
from fibrostage.stats.auc import auc_or_why
from fibrostage.views.table import method_text, p_text, short_text


def draw(results: Results) -> list[Drawing]:
    """A plot a cut at which any group is large enough."""
    confidence = results.first.confidence
    return [
        forest_of(judged, found, results.judging, confidence, results.simulated)
        for judged, found in results.subgroups
        if any(group.auc is not None for one in found for group in one.groups)
    ]


def wanted(results: Results) -> bool:
    """Whether there is anything to compare."""
    return any(group.auc is not None for _, found in results.subgroups for one in found for group in one.groups)


def forest_of(
    judged: Judged, found: Sequence[Subgroups], staging: Staging, confidence: float, simulated: bool
) -> Drawing:
    """The forest plot of a cut: all test patients first, then each group."""
    whole = auc_or_why(judged.positive, judged.score, confidence)
    rows = [ForestRow("all test patients", whole, f"{short_text(whole)}, n = {len(judged)}")]
    small = groups = 0
    for one in found:
        small += sum(group.auc is None for group in one.groups)
        drawn = [(group, group.auc) for group in one.groups if group.auc is not None]
        if drawn:
            rows.append(
                ForestRow(one.title, None, "" if one.p_holm is None else f"interaction: p {p_text(one.p_holm)}", True)
            )
            rows += [
                ForestRow(group.name, group.auc, f"too few, n = {group.n}")
                if group.auc is None
                else ForestRow(group.name, group.auc, f"{short_text(group.auc)}, n = {group.n}")
                for group in one.groups
            ]
        groups += len(drawn)
    cut = staging.cut_name(judged.cut)
    title = f"{cut}, {method_text(judged.method)}"
    shown = "; ".join(f"{one.title} {text}" for one in found if (text := areas_in(one)))
    said = f"AUC at {cut} of {groups} subgroups beside that of all {len(judged)} test patients, {short_text(whole)}"
    few = f", {small} group{'s' if small > 1 else ''} too small to be drawn" if small else ""
    made = forest_figure(rows, whole, title, "AUC", simulated)
    interval = f"{100 * confidence:g} % intervals by DeLong; p of interaction after Holm over the characteristics"
    return Drawing(made, f"{cut}{few}", f"{said}: {shown}{few}.", f"{len(judged)} test patients", interval)


def areas_in(one: Subgroups) -> str:
    """The areas of the groups that are large enough, in words."""
    return ", ".join(f"{group.name} {short_text(group.auc)}" for group in one.groups if group.auc is not None)


FIGURE = FigureKind("subgroups", "In every kind of patient?", wanted, draw)
