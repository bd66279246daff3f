"""What thresholds do that were chosen on training patients, or published: cut by cut, on test patients."""

from __future__ import annotations

from fibrostage.analysis.operating_points import all_points, grey_zones
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Heading, Note, Section, ShownTable
from fibrostage.views.operating import POINTS, grey_view, points_view, prevalence_text, sources_of
from fibrostage.views.table import reasons_of


def blocks(results: Results) -> list[Block]:
    """A table a cut of what can be computed, why the rest cannot, where published thresholds are from, and the grey
    zone."""
    staging, confidence, simulated = results.judging, results.first.confidence, results.simulated
    points = all_points(results.judged, staging.name, confidence)
    sources = sources_of(points)
    shown: list[Block] = []
    for cut in staging.cuts:
        judged = [one for one in results.judged if one.cut == cut]
        own = [point for point in points if point.cut == cut and point.point is not None]
        if own:
            shown.append(Heading(prevalence_text(judged[0], staging)))
            shown.append(ShownTable(points_view(own, sources, results.prevalences, staging, simulated)))
    shown += [Note(line) for line in reasons_of((one.method, one.why) for one in points)]
    if any(point.point is not None for point in points):
        shown.append(Note(POINTS))
    if sources:
        shown.append(Note("Sources: " + " ".join(f"{k}. {source}." for k, source in enumerate(sources, start=1))))
    zones = [zone for one in results.judged for zone in grey_zones(one, staging.name, confidence)]
    if zones:
        table = grey_view(zones, staging, simulated)
        shown += [Heading("Grey zone"), *([ShownTable(table)] if table.rows else [])]
        whys = ((one.method, one.why) for one in zones)
        shown += [Note(line) for line in reasons_of(whys, "no grey zone at some cut")]
    return shown


SECTION = Section("operating_points", "Thresholds, and what they do", lambda results: bool(results.judged), blocks)
