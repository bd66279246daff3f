"""`fibrostage validate`: a model on a cohort it has never seen, with the whole report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress, print_json, show_caveats, tell
from fibrostage.cli.options import AsJson, CohortFolder


def validate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A run's or a model's folder, or a model on the hub.")],
    cohort: CohortFolder,
    out: Annotated[Path, typer.Option(help="A new folder for figures, predictions and the report.")],
    training: Annotated[
        Path | None, typer.Option(metavar="COHORT", help="The cohort that trained it: its patients' table is compared.")
    ] = None,
    leave_out_trained: Annotated[
        bool, typer.Option("--leave-out-trained", help="Leave out who trained the model, instead of refusing.")
    ] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Write every figure as PDF and PNG too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Judge a model on a cohort it has never seen: figures, drift, and what recalibration would do."""
    from fibrostage.cli.render import show
    from fibrostage.cohort.in_bucket import open_given
    from fibrostage.deploy.answers import asked_of
    from fibrostage.deploy.validate import validate as judge
    from fibrostage.learn.hub import located
    from fibrostage.learn.model import open_model
    from fibrostage.report.forms import write_report
    from fibrostage.views.run import figures_view
    from fibrostage.views.validation import drift_view, recalibration_view, ruled_view

    folder = located(model)
    opened = open_model(folder)
    name = asked_of(folder, opened.plan, opened.plan.decision).name
    progress = make_progress()
    known = None if training is None else open_given(training, progress)
    found = judge(opened, name, open_given(cohort, progress), out, known, leave_out_trained, progress)
    page = write_report(out, figures=figures)
    metrics, staging = found.metrics, opened.staging
    if as_json:
        print_json({**metrics.as_dict(), "validation": found.validation.model_dump(mode="json")})
    else:
        show(figures_view(metrics, staging))
        if found.validation.drift:
            show(drift_view(found.validation, metrics.simulated))
        show(recalibration_view(found.validation, staging, metrics.simulated))
        show(ruled_view(found.validation, staging, metrics.simulated))
    show_caveats(metrics.caveats, metrics.simulated)
    tell(f"report in {page}")


COMMAND = Command("validate", "Train and stage", validate)
