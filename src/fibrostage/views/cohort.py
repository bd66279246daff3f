"""What is in a cohort, as a table."""

from __future__ import annotations

from fibrostage.cohort.describe import Description
from fibrostage.views.table import TableView, marked, view


def description_view(description: Description) -> TableView:
    """Patients, images and candidates by stage."""
    cohort = description.cohort
    named = [("patients", description.patients), *((row.name, row) for row in description.images)]
    named.append((f"candidates {description.candidates.name}", description.candidates))
    if description.incomplete.total:
        named.append((description.incomplete.name, description.incomplete))
    rows = [[name, f"{row.total:,}", *(f"{count:,}" for count in row.by_stage)] for name, row in named]
    columns = ("", "total", *description.columns)
    title = marked(f"{cohort.name} · {cohort.staging.name}", cohort.simulated)
    return view(title, columns, rows, numbers=range(1, len(columns)))
