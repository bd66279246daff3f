"""What several commands show: a cohort, a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fibrostage.cli.console import out, print_json, show_caveats, tell
from fibrostage.cli.render import show

if TYPE_CHECKING:
    from fibrostage.api.runs import FinishedRun
    from fibrostage.cohort.describe import Description
    from fibrostage.cohort.store import Cohort


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


def show_run(run: FinishedRun, cohort: Cohort, as_json: bool) -> None:
    """A finished run's figures, and what to do next."""
    from fibrostage.analysis.few_patients import too_few
    from fibrostage.views.run import figures_view, stages_view

    target, metrics = run.path, run.metrics
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
