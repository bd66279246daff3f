"""`fibrostage phantom`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage import SIMULATED
from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress, tell


def phantom(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder for pictures and CSVs.")],
    patients: Annotated[int, typer.Option(min=5, help="How many patients.")] = 168,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    bmode_signal: Annotated[float, typer.Option(min=0, help="How much B-mode shows of fibrosis.")] = 1.0,
    bad: Annotated[float, typer.Option(min=0, max=1, help="Share of bad pictures.")] = 0.08,
    missing: Annotated[
        float, typer.Option(min=0, max=1, help="Share of patients lacking LUS, LSTQ or SSTE, each.")
    ] = 0.08,
    video: Annotated[float, typer.Option(min=0, max=1, help="Share of patients with 20–30 more B-mode frames.")] = 0.0,
    modality: Annotated[
        list[str] | None, typer.Option(help="Only this modality (repeat for several): LSTE LUS LSTQ SSTE.")
    ] = None,
    pictures: Annotated[
        int | None, typer.Option(min=1, help="Pictures of each modality a patient; else as in the MMFN paper.")
    ] = None,
    excluded: Annotated[
        int, typer.Option(min=0, help="How many of the patients carry a reason not to be studied.")
    ] = 0,
    form: Annotated[
        str, typer.Option("--format", help='"png" pictures, or "dicom": scanner screens with names to remove.')
    ] = "png",
    model: Annotated[
        str,
        typer.Option(help='"distinct": each modality shows something of its own; "common": as in the first versions.'),
    ] = "distinct",
) -> None:
    """Simulate a cohort: pictures, CSVs and a plan, with the truth in files of its own."""
    from fibrostage.api.data import simulate
    from fibrostage.phantom.recipe import COUNTS

    simulate(
        target, patients, seed, modalities=modality or tuple(COUNTS), pictures=pictures, excluded=excluded,
        bmode_signal=bmode_signal, bad=bad, missing=missing, video=video, form=form, model=model,
        progress=make_progress(),
    )  # fmt: skip
    tell(f"{SIMULATED} cohort of {patients} patients in {target}")
    # one pair in thousands of simulated B-mode pictures looks alike by chance
    listed = "" if form == "dicom" else f"--images {target}/images.csv "  # rules of the plan tell DICOM files apart
    tell(
        f"next: fibrostage intake {target} --patients {target}/patients.csv {listed}"
        f"--plan {target}/plan.toml --group-near-duplicates --out COHORT"
    )


COMMAND = Command("phantom", "Try and measure", phantom)
