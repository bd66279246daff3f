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
    pictures: Annotated[
        int | None,
        typer.Option(min=1, help="How many test patients, one picture each (24); of --examples, pictures of each (4)."),
    ] = None,
    by: Annotated[str, typer.Option(help='"occlusion", or "gradients" (integrated).')] = "occlusion",
    modality: Annotated[str | None, typer.Option(help="Of a fused network; its first one otherwise.")] = None,
    examples: Annotated[
        bool,
        typer.Option(
            "--examples",
            help="Instead, of each stage the surest right and the surest wrong test patient, for the report: their "
            "pictures, where the answer lies in them, and what each modality adds.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Where a network looks in test pictures, and how much of that lies inside the elastogram's box.

    \f
    Raises `PlanError` where --examples stands beside what is for pictures alone.
    """
    from fibrostage.analysis.attributions import inside_box
    from fibrostage.cohort.in_bucket import open_given
    from fibrostage.ground.errors import PlanError
    from fibrostage.learn.examples import SHOWN, explain_patients
    from fibrostage.learn.explain import PICTURES, explain_run
    from fibrostage.views.attribution import examples_text, inside_text

    opened = open_given(cohort, make_progress())
    if examples:
        if (by, modality) != ("occlusion", None):
            raise PlanError("--examples are of all modalities, by gradients: leave --by and --modality out")
        explained = explain_patients(run, opened, pictures or SHOWN, make_progress())
        show_caveats(opened.caveats, opened.simulated)
        if as_json:
            print_json({"patients": [one.as_dict() for one in explained.patients], "simulated": opened.simulated})
        else:
            out.print(examples_text(explained), markup=False, soft_wrap=True)
        tell(f"examples in {run}; next: fibrostage report {run}, whose page then holds pictures of patients")
        return
    table = explain_run(run, opened, pictures or PICTURES, by, modality, make_progress())
    show_caveats(opened.caveats, opened.simulated)
    if as_json:
        print_json({"pictures": table.to_dicts(), "simulated": opened.simulated})
    else:
        out.print(inside_text(inside_box(table), len(table)), markup=False, soft_wrap=True)
    tell(f"attributions in {run}; next: fibrostage report {run}")


COMMAND = Command("explain", "Train and stage", explain)
