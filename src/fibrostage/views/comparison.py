"""The tables of a comparison of scores."""

from __future__ import annotations

from fibrostage.analysis.compare_scores import Area, Comparison, Pair
from fibrostage.views.table import NONE, Cell, TableView, marked, p_text, signed_text, view

AT_CUTS = (
    "AUC of the first minus AUC of the second, of the rows that have both, with DeLong’s interval (clustered by "
    "patient where rows are of patients); p is after Holm within a column."
)


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
    rows: list[list[str | Cell]] = [
        [
            name,
            str(area.n),
            str(made.missing.get(name, 0)),
            str(area.figure),
            *(area_at_cut(cut.areas[name]) for cut in made.cuts),
        ]
        for name, area in made.main.areas.items()
    ]
    title = marked(f"{made.n} rows{people}{positives}{left}", made.simulated)
    views = [view(title, ("score", "n", "missing", main, *cuts), rows, numbers=(2,))]
    if made.main.pairs:
        views.append(pairs_view(made.main.pairs, percent, made.simulated))
    return views


def area_at_cut(area: Area) -> Cell:
    """A score's AUC at a cut, with how many of its rows are at or above it."""
    return Cell(str(area.figure), (f"{area.positives} of {area.n} positive",))


def pairs_at_cuts_view(made: Comparison) -> TableView:
    """The paired differences of the AUCs at each cut, a column a cut; no rows where there is no cut or no pair."""
    names = [(pair.a, pair.b) for pair in made.cuts[0].pairs] if made.cuts else []
    rows: list[list[str | Cell]] = []
    for at, (first, second) in enumerate(names):
        own = [cut.pairs[at] for cut in made.cuts]
        rows.append([Cell(f"{first} − {second}", (f"n = {own[0].n}",)), *map(pair_at_cut, own)])
    staging = made.data.staging
    cuts = (f"AUC {staging.cut_name(cut.name) if staging else cut.name}" for cut in made.cuts)
    title = marked("paired differences at each cut", made.simulated)
    return view(title, ("pair", *cuts), rows, AT_CUTS, range(1, len(made.cuts) + 1))


def pair_at_cut(pair: Pair) -> Cell:
    """A difference of AUCs with its interval and p, or why there is none."""
    d = pair.difference
    if d.value is None or d.lo is None or d.hi is None:
        return Cell(f"{NONE} ({d.why})")
    p = "" if pair.p_holm is None else f"p {p_text(pair.p_holm)}"
    return Cell(signed_text(d), (p or d.why,))


def pairs_view(pairs: tuple[Pair, ...], percent: str, simulated: bool = False) -> TableView:
    """The paired differences on common rows, and why there is none where there is none."""
    rows = []
    for pair in pairs:
        d, names = pair.difference, f"{pair.a} − {pair.b}"
        if d.p is None or d.value is None or d.lo is None or d.hi is None or d.z is None:
            rows.append([names, str(pair.n), d.why, NONE, NONE, NONE])
            continue
        rows.append([names, str(pair.n), signed_text(d), f"{d.z:.2f}", p_text(d.p), p_text(pair.p_holm or 0.0)])
    columns = ("pair", "n", f"difference {percent}", "z", "p", "p (Holm)")
    return view(marked("paired differences on common rows", simulated), columns, rows)
