"""`fibrostage predict`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fibrostage import RESEARCH_USE
from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, make_progress, print_json, show_caveats, tell
from fibrostage.cli.options import Address, AsJson, EngineName, Gpus
from fibrostage.cli.shown import LEFT_OUT
from fibrostage.ground.errors import PlanError
from fibrostage.ground.shards import shards_by

if TYPE_CHECKING:
    from fibrostage.learn.predict_cohort import PredictedCohort


def predict(
    run: Annotated[Path, typer.Argument(metavar="MODEL", help="A run's or a model's folder, or a model on the hub.")],
    src: Annotated[
        list[Path],
        typer.Argument(
            metavar="SRC…",
            help="A cohort; or files and folders, read as the training pictures were. Also s3://BUCKET/PREFIX.",
        ),
    ],
    target: Annotated[
        Path | None, typer.Option("--out", help="A new folder, or a new .csv of the table alone; or give --json.")
    ] = None,
    pages: Annotated[bool, typer.Option("--report", help="Add a page a patient to the folder, HTML and PDF.")] = False,
    heat: Annotated[
        bool, typer.Option("--heat", help="Show on the pages where in each picture the answer lies.")
    ] = False,
    reports: Annotated[
        bool, typer.Option("--sr", help="Add a DICOM structured report a patient, for the archive.")
    ] = False,
    captures: Annotated[
        bool, typer.Option("--sc", help="Add the page of a patient as a DICOM picture, for the archive.")
    ] = False,
    coverage: Annotated[
        float | None, typer.Option(help="How often the set of possible stages is to hold the true one.")
    ] = None,
    npv: Annotated[float | None, typer.Option(help="How often a cut that is ruled out is to be so.")] = None,
    ppv: Annotated[float | None, typer.Option(help="How often a cut that is ruled in is to be so.")] = None,
    link: Annotated[
        Path | None, typer.Option(help="The file that 'intake --link' wrote: adds the ids you know as given_id.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The key of intake; with --patients, in place of --link.")] = None,
    patients: Annotated[
        Path | None,
        typer.Option(help="P.csv: the ids you know in patient_id and, with files, what was measured of them."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="I.csv: file, patient_id, modality, … of pictures that do not say it themselves."),
    ] = None,
    write_link: Annotated[
        Path | None, typer.Option(help="Write what leads from pseudonyms back to ids and files here, for you alone.")
    ] = None,
    accept_unmasked: Annotated[
        bool, typer.Option("--accept-unmasked", help="Take pictures that may have names burned into them.")
    ] = False,
    next_exam: Annotated[
        bool, typer.Option("--next-exam", help="Say which of the exams that a patient lacks to make next.")
    ] = False,
    engine: EngineName = "local",
    address: Address = None,
    gpus: Gpus = 0.0,
    as_json: AsJson = False,
) -> None:
    """Stage the patients of a cohort, or of the exams just made, with a trained model.

    \f
    Raises `PlanError` where there is neither --out nor --json.
    """
    from fibrostage.api.answers import predict as stage

    if target is None and not as_json:
        raise PlanError("predict needs --out, a new folder or .csv (or --json)")
    made = stage(
        run, src, target, pages=pages, heat=heat, reports=reports, captures=captures, coverage=coverage, npv=npv,
        ppv=ppv, link=link, key=key, patients=patients, images=images, write_link=write_link,
        accept_unmasked=accept_unmasked, next_exam=next_exam, engine=shards_by(engine, address, gpus),
        progress=make_progress(),
    )  # fmt: skip
    found = made.found
    show_caveats(made.caveats, found.simulated)
    show_doubts(found, made.failed)
    if as_json:
        print_json(found.as_dict())
    where = "" if target is None else f" in {target}"
    tell(f"{len(found.staged)} patients staged{where}. {RESEARCH_USE}")


def show_doubts(found: PredictedCohort, failed: Mapping[str, str]) -> None:
    """Says what is not to be believed of the answers, who was left out, and what was not taken or not written."""
    for patient, reason in list(failed.items())[:LEFT_OUT]:
        err.print(f"not written: {patient}: {reason}", markup=False, soft_wrap=True)
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
    for file, reason in found.refused[:LEFT_OUT]:
        err.print(f"not taken: {file}: {reason}", markup=False, soft_wrap=True)
    if len(found.refused) > LEFT_OUT:
        err.print(f"… and {len(found.refused) - LEFT_OUT} more; --json has them all", markup=False)


COMMAND = Command("predict", "Train and stage", predict)
