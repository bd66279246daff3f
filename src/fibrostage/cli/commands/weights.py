"""`fibrostage weights`: whether a file of weights is what a network needs, before anything is fitted."""

from __future__ import annotations

from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import print_json
from fibrostage.cli.options import AsJson

weights = typer.Typer(help="Look at weights that networks begin from.", no_args_is_help=True)


@weights.callback()
def group() -> None:
    """Look at weights that networks begin from."""


@weights.command()
def check(
    asked: Annotated[
        str, typer.Argument(metavar="WEIGHTS", help='A file, a run, a hub id (owner/name[:file]), or "imagenet".')
    ],
    backbone: Annotated[str, typer.Option(help="The architecture that they are for.")] = "resnet50",
    as_json: AsJson = False,
) -> None:
    """Whether weights fit a backbone, how they were found in the file, and their SHA-256; else the first that does
    not."""
    from fibrostage.cli.render import show
    from fibrostage.networks.backbones import BACKBONES
    from fibrostage.networks.weights import check_weights
    from fibrostage.views.weights import weights_view

    found = check_weights(BACKBONES[backbone], asked)
    if as_json:
        print_json(
            {
                "file": str(found.file),
                "backbone": found.backbone,
                "parameters": found.parameters,
                "layout": list(found.layout),
                **found.source.model_dump(mode="json", exclude={"layout"}),
            }
        )
    else:
        show(weights_view(found.file, found.backbone, found.parameters, found.source, found.layout))


COMMAND = Command("weights", "Train and stage", weights)
