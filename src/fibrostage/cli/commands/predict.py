"""`fibrostage predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage import RESEARCH_USE
from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, make_progress, print_json, show_caveats, tell
from fibrostage.cli.options import AsJson, CohortFolder
from fibrostage.cli.shown import LEFT_OUT
from fibrostage.ground.errors import PlanError


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder with a model.")],
    cohort: CohortFolder,
    target: Annotated[
        Path | None, typer.Option("--out", help="A new CSV of patients and probabilities; or give --json.")
    ] = None,
    link: Annotated[
        Path | None, typer.Option(help="The file that 'intake --link' wrote: adds the ids you know as given_id.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The key of intake; with --patients, in place of --link.")] = None,
    patients: Annotated[Path | None, typer.Option(help="A CSV with the ids you know, in patient_id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Stage the patients of a cohort with a trained model.

    \f
    Raises `PlanError` where there is neither --out nor --json, or --key without --patients.
    """
    from fibrostage.cohort.store import open_cohort
    from fibrostage.intake.given_ids import ids_from_key, ids_from_link
    from fibrostage.learn.predict_cohort import predict_cohort

    if target is None and not as_json:
        raise PlanError("predict needs --out, a new CSV (or --json)")
    if (key is None) != (patients is None):
        raise PlanError("--key and --patients go together: the ids in the CSV are hashed with the key")
    given = None if link is None else ids_from_link(link)
    if key is not None and patients is not None:
        given = (given or {}) | ids_from_key(key, patients)
    opened = open_cohort(cohort)
    found = predict_cohort(run, opened, target, make_progress(), given)
    show_caveats(opened.caveats, opened.simulated)
    staged = len(found.staged)
    trained = sum(bool(one.trained_on) for one in found.staged)
    if trained:
        err.print(
            f"{trained} of {staged} patients trained this model (trained_on): it knows their stage, so what it says of "
            "them says nothing of new patients",
            soft_wrap=True,
        )
    far = sum(any(one.far.values()) for one in found.staged)
    if far:
        err.print(
            f"{far} of {staged} patients have pictures far outside those that the model was trained on "
            "(far_outside): their stages are not to be believed",
            soft_wrap=True,
        )
    for patient, reason in list(found.left_out.items())[:LEFT_OUT]:
        err.print(f"left out: {patient} {reason}", markup=False, soft_wrap=True)
    if len(found.left_out) > LEFT_OUT:
        err.print(f"… and {len(found.left_out) - LEFT_OUT} more", markup=False)
    if as_json:
        print_json(found.as_dict())
    where = "" if target is None else f" in {target}"
    tell(f"{staged} patients staged{where}. {RESEARCH_USE}")


COMMAND = Command("predict", "Train and stage", predict)
