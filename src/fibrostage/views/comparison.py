"""The tables of a comparison of scores."""

from __future__ import annotations

from fibrostage.analysis.compare_scores import Comparison, Pair
from fibrostage.views.table import NONE, TableView, marked, p_text, view


def comparison_views(made: Comparison) -> list[TableView]:
    """The areas, at each cut too when the truth is stages, and the paired differences where there are several
    scores."""
    people = f" of {made.clusters} patients" if made.clusters is not None else ""
    positives = "" if made.positives is None else f", {made.positives} positive"
    left = f" · {made.without_truth} rows without {made.question.truth} left out" if made.without_truth else ""
    percent = f"[{100 * made.question.confidence:g} % CI]"
    staging = made.data.staging
    cuts = [f"AUC {staging.cut_name(cut.name) if staging else cut.name}" for cut in made.cuts]
    main = f"{'Obuchowski index' if made.question.ordinal else 'AUC'} {percent}"
    rows = [
        [
            name,
            str(area.n),
            str(made.missing.get(name, 0)),
            str(area.figure),
            *(str(cut.areas[name].figure) for cut in made.cuts),
        ]
        for name, area in made.main.areas.items()
    ]
    title = marked(f"{made.n} rows{people}{positives}{left}", made.simulated)
    views = [view(title, ("score", "n", "missing", main, *cuts), rows, numbers=(2,))]
    if made.main.pairs:
        views.append(pairs_view(made.main.pairs, percent))
    return views


def pairs_view(pairs: tuple[Pair, ...], percent: str) -> TableView:
    """The paired differences on common rows, and why there is none where there is none."""
    rows = []
    for pair in pairs:
        d, names = pair.difference, f"{pair.a} − {pair.b}"
        if d.p is None or d.value is None or d.lo is None or d.hi is None or d.z is None:
            rows.append([names, str(pair.n), d.why, NONE, NONE, NONE])
            continue
        shown = f"{d.value:+.3f} [{d.lo:+.3f}, {d.hi:+.3f}]"
        rows.append([names, str(pair.n), shown, f"{d.z:.2f}", p_text(d.p), p_text(pair.p_holm or 0.0)])
    columns = ("pair", "n", f"difference {percent}", "z", "p", "p (Holm)")
    return view("paired differences on common rows", columns, rows)
