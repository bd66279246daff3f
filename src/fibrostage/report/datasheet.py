"""A datasheet of a cohort (Gebru et al. 2021, "Datasheets for datasets"): what its files say of it, and what only the
people who collected it can say. No patient stands in it."""

from __future__ import annotations

import polars as pl

from fibrostage import RESEARCH_USE, SIMULATED, __version__
from fibrostage.analysis.subgroups import SOME
from fibrostage.analysis.table_one import by_stage
from fibrostage.cohort.describe import describe
from fibrostage.cohort.flow import flow_of, has_all
from fibrostage.cohort.store import Cohort, taken_in_with
from fibrostage.ground.files import Json
from fibrostage.report.markdown import markdown_of
from fibrostage.results.participants import COMPLETE, known_of_patients
from fibrostage.views.table import TableView
from fibrostage.views.table_one import table_one_view

NOT_KNOWN = "not known"


def datasheet(cohort: Cohort) -> str:
    """The datasheet as Markdown."""
    return markdown_of(
        "fibrostage.report",
        "datasheet.md",
        cohort=cohort,
        simulated=SIMULATED if cohort.simulated else "",
        notice=RESEARCH_USE,
        tool=__version__,
        told=describe(cohort),
        flow=flow_of(cohort),
        people=characteristics_by_stage(cohort),
        devices=counted(cohort, "device"),
        formats=counted(cohort, "format"),
        quality=counted(cohort, "quality"),
        plan=taken_in_with(cohort) or {},
        hashed=hashed(cohort),
    )


def characteristics_by_stage(cohort: Cohort) -> TableView:
    """What is known of the patients, by stage."""
    known = known_of_patients(cohort.patients)
    pictured = pl.Series("modalities", which_pictures(cohort))
    people = known.with_columns(cohort.patients["stage"], pictured)
    return table_one_view(by_stage(people, cohort.staging), "patients by stage", cohort.simulated)


def which_pictures(cohort: Cohort) -> list[str]:
    """Of each patient whether every modality has a picture."""
    return [COMPLETE if whole else SOME for whole in has_all(cohort, cohort.modality_names)]


def counted(cohort: Cohort, column: str) -> list[tuple[str, int]]:
    """How many pictures are of each kind that a column of the images table names."""
    if column not in cohort.images.columns:
        return []
    counts = cohort.images[column].cast(pl.String).fill_null(NOT_KNOWN).value_counts(sort=True)
    return [(str(name), int(count)) for name, count in counts.iter_rows()]


def hashed(cohort: Cohort) -> Json:
    """Whether patients' ids were hashed with a key: a sentence."""
    if cohort.key is None:
        return "Whether ids were hashed with a key is not known."
    return "Ids were hashed with a key that is not in the cohort." if cohort.key else "Ids are as they were given."
