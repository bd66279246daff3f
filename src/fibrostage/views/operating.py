"""The tables of operating points: what a threshold does, at other prevalences too, and the grey zone."""

from __future__ import annotations

from collections.abc import Sequence

from fibrostage.analysis.judged import Judged
from fibrostage.analysis.operating_points import Chosen, GreyZone, PointAtRule
from fibrostage.ground.stage import Staging
from fibrostage.stats.prevalence import predictive_values_at
from fibrostage.views.table import NONE, Cell, TableView, bare_text, marked, method_text, short_text, view

POINTS = (
    "Positive is who reaches the threshold. Thresholds are chosen on training patients alone, by what models that had"
    " not seen them said of them (of a marker, by its values), and judged on test patients; published ones are taken "
    "as printed. Youden’s is the threshold of the highest sensitivity + specificity, the others the one that keeps 90"
    " % of one and has most of the other. Shares with Wilson’s interval, likelihood ratios (LR) with an interval on "
    "the log scale; a dash is where a count of nobody defines none. Predictive values (PPV, NPV) hold at this "
    "cohort’s prevalence; beneath, where another share has it, by Bayes’ theorem from the likelihood ratios and their"
    " intervals, which assumes that sensitivity and specificity stay as they are where fewer are ill."
)
GREY = (
    "Ruled out is who lies below the threshold that keeps 90 % sensitivity, ruled in who reaches the one that keeps "
    "90 % specificity, both on training patients; between them the method does not decide. Shares of the test "
    "patients with Wilson’s interval. A rate that holds on training patients need not hold on others: the table above"
    " shows what it is here."
)


def prevalence_text(judged: Judged, staging: Staging) -> str:
    """A cut with how many test patients have it."""
    share = f"{judged.positives / len(judged):.0%}" if len(judged) else NONE
    return f"{staging.cut_name(judged.cut)} · {judged.positives} of {len(judged)} test patients ({share})"


def threshold_text(chosen: Chosen) -> str:
    """A threshold, or its range over folds."""

    def one(value: float) -> str:
        return f"{value:.3g}" if abs(value) < float("inf") else "any" if value < 0 else "none"

    low, high = one(chosen.lowest), one(chosen.highest)
    return f"≥ {low}" if low == high else f"≥ {low} … {high} by fold"


def method_cell(point: PointAtRule, sources: Sequence[str]) -> Cell:
    """A method with the rule of its threshold and on whom it was chosen, or the number of its source."""
    if point.chosen is None:
        return Cell(method_text(point.method), (point.rule,))
    chosen = point.chosen
    whom = f"on {chosen.n} training patients" if chosen.n else f"source {sources.index(chosen.source) + 1}"
    return Cell(method_text(point.method), (f"{chosen.rule}: {threshold_text(chosen)}", whom))


def sources_of(points: Sequence[PointAtRule]) -> list[str]:
    """Where published thresholds are from, each once, in their order."""
    return list(dict.fromkeys(one.chosen.source for one in points if one.chosen is not None and one.chosen.source))


def points_view(
    points: Sequence[PointAtRule],
    sources: Sequence[str],
    prevalences: Sequence[float],
    staging: Staging,
    simulated: bool,
) -> TableView:
    """What each threshold of one cut does, a row a method and rule where that can be computed; predictive values at
    other prevalences beneath."""
    rows: list[list[str | Cell]] = []
    for one in points:
        point, head = one.point, method_cell(one, sources)
        if point is None:
            continue
        elsewhere = [(share, *predictive_values_at(point, share)) for share in prevalences]
        rows.append(
            [
                head,
                Cell(short_text(point.sensitivity), (f"{point.tp} of {point.tp + point.fn}",)),
                Cell(short_text(point.specificity), (f"{point.tn} of {point.tn + point.fp}",)),
                Cell(
                    short_text(point.ppv),
                    (
                        f"{point.tp} of {point.tp + point.fp}",
                        *(f"at {share:.0%}: {bare_text(ppv)}" for share, ppv, _ in elsewhere),
                    ),
                ),
                Cell(
                    short_text(point.npv),
                    (
                        f"{point.tn} of {point.tn + point.fn}",
                        *(f"at {share:.0%}: {bare_text(npv)}" for share, _, npv in elsewhere),
                    ),
                ),
                Cell(f"+ {bare_text(point.lr_positive, 1)}", (f"− {bare_text(point.lr_negative)}",)),
            ]
        )
    cut = "" if not points else staging.cut_name(points[0].cut)
    columns = ("method", "sensitivity", "specificity", "PPV", "NPV", "likelihood ratios")
    return view(marked(f"{cut}: operating points", simulated), columns, rows, "", range(1, 6))


def grey_view(zones: Sequence[GreyZone], staging: Staging, simulated: bool) -> TableView:
    """Who is ruled out, ruled in and neither, a row a cut, method and source of the thresholds that have a zone."""
    rows: list[list[str | Cell]] = []
    for zone in zones:
        head = Cell(f"{staging.cut_name(zone.cut)}, {method_text(zone.method)}", (zone.source.partition(";")[0],))
        if zone.grey is None or zone.out_below is None or zone.in_from is None:
            continue
        below = threshold_text(zone.out_below).replace("≥", "below")
        rows.append(
            [
                head,
                Cell(short_text(zone.ruled_out), (below, f"NPV {short_text(zone.npv)}")),
                Cell(short_text(zone.grey), (f"n = {zone.n}",)),
                Cell(short_text(zone.ruled_in), (threshold_text(zone.in_from), f"PPV {short_text(zone.ppv)}")),
            ]
        )
    columns = ("cut and method", "ruled out", "grey zone", "ruled in")
    return view(marked("grey zone", simulated), columns, rows, GREY, range(1, 4))
