"""Whether what a study wants compared can be, before anything is trained."""

from __future__ import annotations

from fibrostage.analysis.networks_and_markers import marker_columns
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, nearest
from fibrostage.study.grid_file import methods_of
from fibrostage.study.study_plan import StudyPlan


def check_comparison(study: StudyPlan, cohort: Cohort) -> None:
    """Raises `PlanError` for a reference, marker or task that is none."""
    methods, reference, cuts = methods_of(study), study.compare.reference, cohort.staging.cuts
    if reference is not None and reference not in methods:
        raise PlanError(
            f"compare.reference = {reference!r}{nearest(reference, methods)} is no method of the study; "
            f"there are {', '.join(methods)}"
        )
    for task in dict.fromkeys(task for grid in study.grids for task in grid.tasks):
        if task not in cuts:
            raise PlanError(
                f"grid.tasks: {task!r}{nearest(task, cuts)} is not a cut of cohort {cohort.name!r}; it has "
                f"{', '.join(cuts)}"
            )
    marker_columns(cohort, study.compare.markers, study.compare.units)
