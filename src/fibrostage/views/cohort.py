"""What is in a cohort, and what differs between two, as tables."""

from __future__ import annotations

from fibrostage.cohort.describe import Description
from fibrostage.cohort.differences import CohortDifference
from fibrostage.views.table import NONE, TableView, marked, view


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


def difference_view(found: CohortDifference) -> TableView:
    """How many patients and pictures of each modality are in one of two cohorts, and in both."""
    both = len(found.a.patients) - len(found.gone)
    rows = [["patients", f"{len(found.gone):,}", f"{len(found.come):,}", f"{both:,}"]]
    rows += [[name, *(f"{count:,}" for count in counts)] for name, counts in found.pictures.items()]
    title = marked(f"{found.a.name} | {found.b.name}", found.a.simulated or found.b.simulated)
    return view(title, ("", "only in the first", "only in the second", "in both"), rows, numbers=(1, 2, 3))


def changes_view(found: CohortDifference) -> TableView:
    """Values of patients in both cohorts that differ, a row each."""
    rows = [[one.patient_id, one.column, one.before or NONE, one.after or NONE] for one in found.changed]
    title = marked("values that differ", found.a.simulated or found.b.simulated)
    return view(title, ("patient", "column", "first", "second"), rows)
