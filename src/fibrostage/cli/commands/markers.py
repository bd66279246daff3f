"""`fibrostage markers`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, out, print_json, show_caveats, tell
from fibrostage.cli.options import AsJson, Classes, Confidence, split
from fibrostage.cli.render import show
from fibrostage.ground.errors import IntakeError, PlanError


def markers(
    patients: Annotated[
        Path | None, typer.Argument(metavar="P.csv", help="patient_id and the columns markers need.")
    ] = None,
    target: Annotated[Path | None, typer.Option("--out", help="M.csv: P.csv with a column a marker.")] = None,
    classes: Classes = None,
    shear: Annotated[
        bool, typer.Option("--shear", help="kPa columns hold the shear modulus ρc², not Young's 3ρc².")
    ] = False,
    unit: Annotated[
        list[str] | None,
        typer.Option(help="The unit of a column, COLUMN=UNIT, where it is another, or seems to be and is not."),
    ] = None,
    known: Annotated[bool, typer.Option("--list", help="Show every marker: formula, units, cut-offs, source.")] = False,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="A plan whose [table] says how P.csv is written (docs/intake.md).")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the CSV; UTF-8, or what the plan says.")] = None,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """APRI, FIB-4, GPR, NFS, AAR and stiffness of every patient, and how well each stages.

    \f
    Raises `IntakeError` where there is neither a P.csv nor --list.
    """
    from fibrostage.analysis.marker_table import as_dict, catalogue, write_markers
    from fibrostage.api.scores import marker_table
    from fibrostage.views.markers import catalogue_view, marker_view, not_computed

    if known:
        if as_json:
            print_json(catalogue())
        else:
            show(catalogue_view(), lines=True)
        return
    if patients is None:
        raise IntakeError("markers needs a P.csv (or --list, to see what it should hold)")
    made = marker_table(
        patients, split(classes), modulus="shear" if shear else "young", units=units_of(unit), encoding=encoding,
        plan=plan, confidence=confidence,
    )  # fmt: skip
    if target is not None:
        write_markers(made, target)
    if as_json:
        print_json(as_dict(made))
    else:
        show(marker_view(made))
        if nobody := not_computed(made):
            out.print(f"nobody has, for want of: {nobody}", markup=False, soft_wrap=True)
    show_caveats(made.caveats, made.simulated)
    for refusal in made.refusals[:20]:
        err.print(f"refused: {patients.name} row {refusal.row}: {refusal.reason}", markup=False, soft_wrap=True)
    if len(made.refusals) > 20:
        err.print(f"… and {len(made.refusals) - 20} more refused; --json has them all")
    if target is not None:
        tell(f"{len(made)} patients in {target}")


def units_of(given: list[str] | None) -> dict[str, str]:
    """COLUMN=UNIT of each option. Raises `PlanError` where one is not of that form."""
    found = {}
    for text in given or []:
        column, equals, unit = text.partition("=")
        if not equals:
            raise PlanError(f"--unit {text!r} is not COLUMN=UNIT, as swe=m/s")
        found[column.strip()] = unit.strip().strip("'\"")
    return found


COMMAND = Command("markers", "Compare and report", markers)
