"""`fibrostage package`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage import RESEARCH_USE
from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import print_json, tell
from fibrostage.cli.options import AsJson


def package(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    target: Annotated[Path, typer.Option("--out", help="A new folder for the model.")],
    name: Annotated[str | None, typer.Option(help="What the model is called; else as its run.")] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Add the networks as ONNX, for use without PyTorch.")] = False,
    as_json: AsJson = False,
) -> None:
    """A finished run's model as a folder to hand over: weights, plan, intake, figures, card and checksums."""
    from fibrostage.deploy.package import package as pack

    packed = pack(run, target, name, onnx)
    if as_json:
        print_json(packed.model_dump(mode="json"))
    tell(f"{len(packed.files)} files in {target}; its card is {target / 'README.md'}. {RESEARCH_USE}")


COMMAND = Command("package", "Train and stage", package)
