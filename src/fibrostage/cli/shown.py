"""What several commands show: a cohort, a run, a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fibrostage.cli.console import out, print_json, show_caveats, tell
from fibrostage.cli.render import show

if TYPE_CHECKING:
    import polars as pl

    from fibrostage.cohort.describe import Description
    from fibrostage.cohort.store import Cohort
    from fibrostage.results.study_folder import StudyFolder, StudyRecord


LEFT_OUT = 8  # reasons shown


def show_description(description: Description) -> None:
    """What is in a cohort, and who lacks what."""
    from fibrostage.views.cohort import description_view

    show_caveats(description.cohort.caveats, description.cohort.simulated)
    show(description_view(description))
    for name, count in description.missing.items():
        if count:
            out.print(f"{count} patients have no {name}", markup=False)
    if description.no_images:
        out.print(f"{description.no_images} patients have no image at all")
    for kind, reason, count in description.left_out[:LEFT_OUT]:
        out.print(f"left out: {count} × {kind}: {reason}", markup=False, soft_wrap=True)
    if len(description.left_out) > LEFT_OUT:
        more = len(description.left_out) - LEFT_OUT
        out.print(f"… and for {more} more reasons; all are in {description.cohort.path}/exclusions.csv", markup=False)
    out.print(f"fingerprint {description.cohort.fingerprint[:16]}")


def show_run(target: Path, cohort: Cohort, as_json: bool) -> None:
    """A finished run's figures, and what to do next."""
    from fibrostage.analysis.few_patients import too_few
    from fibrostage.results.run_folder import RunFolder
    from fibrostage.views.run import figures_view, stages_view

    run = RunFolder(target)
    metrics = run.read_metrics()
    show_caveats([*too_few(metrics), *cohort.caveats], cohort.simulated)
    if as_json:
        print_json(metrics.as_dict())
    else:
        staging = metrics.staging(cohort.staging.name)
        show(figures_view(metrics, staging))
        called = stages_view(metrics, staging)
        if called is not None:
            show(called)
    if metrics.deployed is not None:
        tell(
            f"for new patients: a network fitted on all {metrics.deployed} patients. The figures are not its own, but "
            "of networks fitted the same way and tested on patients they had not seen"
        )
    tell(f"run in {target}; next: fibrostage report {target}")


def show_study(
    folder: StudyFolder, record: StudyRecord, results: pl.DataFrame, beside: Mapping[str, pl.DataFrame]
) -> None:
    """A study's tables."""
    from fibrostage.plan.staging import StagingPlan
    from fibrostage.results.study_folder import COMMON, COUNTED, EFFICIENCY, PUBLISHED
    from fibrostage.views.diagnosis import study_views
    from fibrostage.views.study import common_view, counted_view, efficiency_view, published_view, results_view

    if record.supervised:
        first = next(iter(folder.runs(record)))
        staging = StagingPlan.model_validate(first.read_plan()["staging"]).whole()
        for view in study_views(results, beside, staging, record.compare.reference or results["method"][0]):
            show(view)
        if PUBLISHED in beside:
            show(published_view(beside[PUBLISHED], record.paper))
        return
    if COUNTED in beside:
        show(counted_view(beside[COUNTED]))
    show(results_view(results))
    if COMMON in beside:
        show(common_view(beside[COMMON]))
    if len(beside[EFFICIENCY]):
        show(efficiency_view(beside[EFFICIENCY]))
    if PUBLISHED in beside:
        show(published_view(beside[PUBLISHED], record.paper))
