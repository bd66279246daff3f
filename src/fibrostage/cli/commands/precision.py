"""`fibrostage precision`."""

from __future__ import annotations

from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import out, print_json
from fibrostage.cli.options import AsJson, Confidence


def precision(
    patients: Annotated[int, typer.Argument(help="How many patients will be tested.")],
    prevalence: Annotated[float, typer.Option(help="Share of them that is positive at the cut.")] = 0.3,
    auc: Annotated[float, typer.Option(help="The AUC hoped for.")] = 0.85,
    accuracy: Annotated[float, typer.Option(help="The accuracy hoped for.")] = 0.7,
    width: Annotated[float, typer.Option(help="Also: patients for an AUC interval this wide.")] = 0.1,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """The intervals to expect of a number of patients, before the study is done."""
    from fibrostage.stats.precision import expected_precision, patients_for

    found = expected_precision(patients, prevalence, auc, accuracy, confidence)
    enough = patients_for(width, prevalence, auc, confidence)
    if as_json:
        print_json(
            {
                "n": found.n,
                "positives": found.positives,
                "accuracy": found.accuracy.as_dict(),
                "auc": found.auc.as_dict(),
                "confidence": confidence,
                "width": width,
                "n_for_width": enough,
            }
        )
        return
    out.print(f"{found.n} patients, {found.positives} positive, {100 * confidence:g} % intervals to expect:")
    out.print(f"  accuracy {found.accuracy}\n  AUC      {found.auc}")
    out.print(f"an AUC of {auc:g} within ±{width / 2:g} needs about {enough} patients")


COMMAND = Command("precision", "Compare and report", precision)
