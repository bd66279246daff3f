"""Whether the network does as well in every kind of patient: a forest plot a cut, and a table."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.judged import Judged
from fibrostage.analysis.networks_and_markers import NETWORK
from fibrostage.analysis.subgroups import Subgroups, subgroups_of
from fibrostage.ground.stage import Staging
from fibrostage.report.forest import ForestRow, forest_figure
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Drawing, Note, Section, ShownTable
from fibrostage.report.sections.table_one import NOT_KEPT
from fibrostage.stats.auc import auc_or_why
from fibrostage.views.subgroups import subgroups_view
from fibrostage.views.table import method_text, short_text

ALONE = "Nothing is known of these patients in which two kinds of them could be compared."


def blocks(results: Results) -> list[Block]:
    """Of a run its network, of a study the reference."""
    confidence, staging = results.first.confidence, results.staging
    name = results.kept[0].method
    known = {run.task: run.participants for run in results.kept if run.method == name}
    shown: list[Block] = []
    tables = []
    for judged in results.judged:
        participants = known.get(None, known.get(judged.cut))
        if judged.kind != NETWORK or judged.method != name:
            continue
        if participants is None:
            return [Note(NOT_KEPT)]
        found = subgroups_of(judged, participants, confidence)
        tables.append(found)
        if any(group.auc is not None for one in found for group in one.groups):
            shown.append(forest_of(judged, found, staging, confidence, results.simulated))
    if not tables or not tables[0]:
        return [Note(ALONE)]
    return [*shown, ShownTable(subgroups_view(tables, staging, results.simulated))]


def forest_of(
    judged: Judged, found: Sequence[Subgroups], staging: Staging, confidence: float, simulated: bool
) -> Drawing:
    """The forest plot of a cut: all test patients first, then each group."""
    whole = auc_or_why(judged.positive, judged.score, confidence)
    rows = [ForestRow("all test patients", whole, f"{short_text(whole)}, n = {len(judged)}")]
    small = 0
    for one in found:
        for group in one.groups:
            if group.auc is None:
                small += 1
                continue
            rows.append(ForestRow(f"{one.title}: {group.name}", group.auc, f"{short_text(group.auc)}, n = {group.n}"))
    cut = staging.cut_name(judged.cut)
    title = f"{cut}, {method_text(judged.method)}"
    said = f"AUC at {cut} of {len(rows) - 1} subgroups beside that of all {len(judged)} test patients"
    few = f", {small} groups too small to be drawn" if small else ""
    made = forest_figure(rows, whole, title, "AUC", simulated)
    interval = f"{100 * confidence:g} % intervals by DeLong"
    return Drawing(made, f"{cut}{few}", f"{said}{few}", f"{len(judged)} test patients", interval)


SECTION = Section("subgroups", "In every kind of patient?", lambda results: bool(results.kept), blocks)
