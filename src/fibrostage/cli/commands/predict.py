"""`fibrostage predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage import RESEARCH_USE
from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, make_progress, show_caveats
from fibrostage.cli.options import CohortFolder


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder with a model.")],
    cohort: CohortFolder,
    target: Annotated[Path, typer.Option("--out", help="A new CSV of patients and probabilities.")],
) -> None:
    """Stage the patients of a cohort with a trained model."""
    from fibrostage.cohort.store import open_cohort
    from fibrostage.learn.model import predict_cohort

    opened = open_cohort(cohort)
    table = predict_cohort(run, opened, target, make_progress())
    show_caveats(opened.caveats, opened.simulated)
    far = int((table["far_outside"] > 0).sum())
    if far:
        err.print(
            f"{far} of {len(table)} patients have pictures far outside those that the model was trained on "
            "(far_outside): their stages are not to be believed",
            soft_wrap=True,
        )
    left = len(opened.patients) - len(table)
    if left:
        err.print(f"{left} patients have no picture that the model can use, and are left out", soft_wrap=True)
    err.print(f"{len(table)} patients staged in {target}. {RESEARCH_USE}", soft_wrap=True)


COMMAND = Command("predict", "Train and stage", predict)
