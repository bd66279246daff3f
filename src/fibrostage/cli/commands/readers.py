"""`fibrostage readers`: how readers agree, and whether a model differs from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import print_json
from fibrostage.cli.options import AsJson, Classes, Confidence, Encoding, split
from fibrostage.cli.render import show as show_table
from fibrostage.ground.errors import PlanError
from fibrostage.ground.stage import METAVIR


def readers(
    readings: Annotated[
        Path,
        typer.Argument(metavar="R.csv", help="patient_id, reader, stage, and perhaps item: 'loop export --readings'."),
    ],
    truth: Annotated[Path | None, typer.Option(metavar="T.csv", help="patient_id and stage, of histology say.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="P.csv", help="What 'predict' wrote: compared with the readers; with --truth."),
    ] = None,
    classes: Classes = None,
    confidence: Confidence = 0.95,
    encoding: Encoding = "utf-8",
    as_json: AsJson = False,
) -> None:
    """How readers agree: kappa of pairs, Krippendorff's alpha, Gwet's AC2; and a model against them.

    \f
    Raises `PlanError` for --model without --truth, or the other way round.
    """
    from fibrostage.analysis.reader_agreement import against_model, agreement, read_readings, read_scores, read_truth
    from fibrostage.views.readers import against_model_view, agreement_view

    if (truth is None) != (model is None):
        raise PlanError("--truth and --model go together: the model and the readers are compared by the truth")
    stages = split(classes) or METAVIR.classes
    found = read_readings(readings, stages, encoding)
    figures = agreement(found, len(stages), confidence)
    studies = []
    if truth is not None and model is not None:
        told = read_truth(truth, stages, encoding)
        studies = against_model(found, told, read_scores(model, encoding), stages, confidence)
    if as_json:
        print_json(
            {
                "readers": list(found.readers),
                "items": len(found.patients),
                "agreement": [one.as_dict() for one in figures],
                "model": [one.as_dict() for one in studies],
            }
        )
        return
    show_table(agreement_view(figures))
    if studies:
        show_table(against_model_view(studies))


COMMAND = Command("readers", "Compare and report", readers)
