"""The tables of markers."""

from __future__ import annotations

from fibrostage.analysis.marker_table import AucAtCut, MarkerSummary, MarkerTable, summary
from fibrostage.ground.stage import KNOWN
from fibrostage.markers import MARKERS
from fibrostage.views.table import NONE, Cell, TableView, figure_text, marked, view


def marker_view(made: MarkerTable) -> TableView:
    """A row a marker that somebody has: how many, why others lack it, its spread, its AUC at each cut."""
    found = [one for one in (summary(made, marker) for marker in MARKERS) if one.n]
    classes = () if made.staging is None else made.staging.classes[1:]
    cuts = [cut for cut in classes if any(cut in (one.auc_at_cut or {}) for one in found)]
    rows: list[list[str | Cell]] = []
    for one in found:
        assert one.quartiles is not None
        q1, median, q3 = one.quartiles
        at_cut = one.auc_at_cut or {}
        figures = [auc_text(at_cut.get(cut), one.n) for cut in cuts]
        spread = f"{median:.3g} [{q1:.3g}–{q3:.3g}] {one.marker.unit}".rstrip()
        rows.append([one.marker.title, str(one.n), missing_text(one), spread, *figures])
    names = [f"AUC {made.staging.cut_name(cut)}" for cut in cuts] if made.staging is not None else []
    staging = f" · {made.staging.name}" if made.staging is not None else ""
    title = marked(f"{len(made)} patients{staging}", made.simulated)
    return view(title, ("marker", "n", "missing", "median [quartiles]", *names), rows)


def auc_text(found: AucAtCut | None, n: int) -> Cell:
    """An AUC with its interval, and its own n where that is not the marker's; beside it how many are positive."""
    if found is None or found.figure.value is None:
        return Cell(NONE)
    fewer = f", n = {found.n}" if found.n != n else ""
    return Cell(figure_text(found.figure) + fewer, (f"{found.positives} positive",))


def not_computed(made: MarkerTable) -> str:
    """The markers nobody has, and for want of what."""
    absent = [one for one in (summary(made, marker) for marker in MARKERS) if not one.n]
    return "; ".join(f"{one.marker.title} ({', '.join((*one.lacking, *one.refused))})" for one in absent)


def missing_text(one: MarkerSummary) -> str:
    """How many lack a marker and for want of what; what was assumed is said too."""
    parts = [f"no {name}: {count}" for name, count in one.lacking.items()]
    parts += [f"{name} refused: {count}" for name, count in one.refused.items()]
    parts += [f"{name} assumed: {count}" for name, count in one.assumed.items()]
    return f"{one.missing}" + (f" ({', '.join(parts)})" if parts else "")


def catalogue_view() -> TableView:
    """What every marker is made of, and the cut-offs that were published for it."""
    rows = []
    for marker in MARKERS:
        needs = [f"{need.column} [{need.quantity.unit}]" for need in marker.needs]
        needs += [f"or {marker.speed.column} [{marker.speed.unit}]"] if marker.speed else []
        cutoffs = [
            f"{KNOWN[c.system].cut_name(c.cut)} {c.value:g}{'' if c.role == 'single' else f' ({c.role})'}, {c.whom}: "
            f"{c.source}{'' if c.verified else ' (not verified against the paper)'}"
            for c in marker.cutoffs
        ]
        rows.append([marker.title, "\n".join(needs), f"{marker.formula}\n{marker.source}", "\n".join(cutoffs) or NONE])
    return view("markers", ("marker", "columns", "formula and source", "cut-offs"), rows)
