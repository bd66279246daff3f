"""The table of how many patients a study needs."""

from __future__ import annotations

from fibrostage.stats.sample_size import Needed
from fibrostage.views.table import TableView, view


def needed_view(needed: Needed) -> TableView:
    """A row for each thing to be shown, the patients that it takes, and the formula's source."""
    n, share = needed.n, needed.prevalence
    title = f"{n:,} patients, {needed.positives:,} of them positive at a prevalence of {share:.3g}"
    rows = [[one.name, one.target, f"{one.n:,}", one.source] for one in needed.criteria]
    return view(title, ("figure", "to show", "patients", "after"), rows, numbers=(2,))
