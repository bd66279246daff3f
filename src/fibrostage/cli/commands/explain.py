"""`fibrostage explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress, out, print_json, show_caveats, tell
from fibrostage.cli.options import AsJson, CohortFolder


def explain(
    run: Annotated[Path, typer.Argument(help="A run folder with a model.")],
    cohort: CohortFolder,
    pictures: Annotated[int, typer.Option(min=1, help="How many test patients, one picture each.")] = 24,
    by: Annotated[str, typer.Option(help='"occlusion", or "gradients" (integrated).')] = "occlusion",
    modality: Annotated[str | None, typer.Option(help="Of a fused network; its first one otherwise.")] = None,
    as_json: AsJson = False,
) -> None:
    """Where a network looks in test pictures, and how much of that lies inside the elastogram's box."""
    from fibrostage.analysis.attributions import inside_box
    from fibrostage.cohort.store import open_cohort
    from fibrostage.learn.explain import explain_run
    from fibrostage.views.attribution import inside_text

    opened = open_cohort(cohort)
    table = explain_run(run, opened, pictures, by, modality, make_progress())
    show_caveats(opened.caveats, opened.simulated)
    if as_json:
        print_json({"pictures": table.to_dicts(), "simulated": opened.simulated})
    else:
        out.print(inside_text(inside_box(table), len(table)), markup=False, soft_wrap=True)
    tell(f"attributions in {run}; next: fibrostage report {run}")


COMMAND = Command("explain", "Train and stage", explain)
