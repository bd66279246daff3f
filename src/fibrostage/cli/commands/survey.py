"""`fibrostage survey`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, make_progress, out, print_json, show_caveats, tell
from fibrostage.cli.options import AsJson
from fibrostage.ground.lists import first_of

if TYPE_CHECKING:
    from fibrostage.intake.survey.survey import Surveyed

MOST_FILES = 3  # named of each reason
MOST_REASONS = 12


def survey(
    src: Annotated[
        list[str],
        typer.Argument(help="Folders, files, s3://BUCKET/PREFIX: whatever there is. Nothing in them is changed."),
    ],
    target: Annotated[
        Path | None, typer.Option("--out", help="A new folder for the page, survey.json and the draft plan.toml.")
    ] = None,
    patients: Annotated[Path | None, typer.Option(help="The table of patients, as it is: CSV, Excel, ODS.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="The table of pictures, where the pictures do not say whose they are.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the tables; told where it can be.")] = None,
    modality: Annotated[
        list[str] | None, typer.Option(help="DICOM modalities that are ultrasound here; US without it.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that read; one a core otherwise.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at a hospital's files without any plan: what is here, what would be refused, and a draft of the plan.

    \f
    Raises `IntakeError` where nothing can be read.
    """
    from fibrostage.ground.files import check_new
    from fibrostage.intake.build.find_files import Sources
    from fibrostage.intake.pulled import pulled
    from fibrostage.intake.survey.survey import survey as look
    from fibrostage.report.survey_page import write_survey

    if target is not None:
        check_new(target)
    wanted, progress = tuple(modality or ("US",)), make_progress()
    with pulled(src, target, wanted, progress) as (first, *more):
        sources = Sources(first, patients, images, encoding, tuple(more))
        found = look(sources, progress, workers, wanted)
        if target is not None:
            write_survey(found, target)
    if as_json:
        print_json(found.as_dict(named=True))
    else:
        show_surveyed(found, target is not None)
    listed = f" --images {images}" if images else ""
    people = f" --patients {patients}" if patients else ""
    if target is not None:
        tell(f"look at {target}/index.html and at what {target}/plan.toml says of itself, then try it:")
        tell(f"fibrostage intake {' '.join(src)}{people}{listed} --plan {target}/plan.toml --dry-run")
    else:
        tell("--out DIR writes the draft plan, and a page with pictures")


def show_surveyed(found: Surveyed, written: bool) -> None:
    """What is here as tables, why files are refused, and the draft where it was not written."""
    show_caveats([], found.simulated)
    facts = found.as_dict(named=True)
    dates = facts["dates"]
    span = f", {' to '.join(map(str, dates))}" if isinstance(dates, Sequence) and dates else ""
    reports = f"{facts['structured_reports']} structured reports with {facts['readings']} readings"
    out.print(
        f"{facts['files']} files: {facts['patients']} patients, {facts['studies']} studies{span}; "
        f"{facts['loops']} loops, {reports}, {facts['duplicates']} copies",
        markup=False,
        soft_wrap=True,
    )
    table = Table("device", "series or view", "files", "patients", "loops", "boxes", "bars", "regions", "colours")
    for group in found.groups():
        cells = [group["device"], group["series"] or group["view"], group["files"], group["patients"], group["loops"]]
        cells += [group["colour_boxes"], group["colour_bars"]]
        cells += [", ".join(kinds) for name in ("regions", "photometric") if isinstance(kinds := group[name], Mapping)]
        table.add_row(*(escape(str(cell)) for cell in cells))
    out.print(table)
    taken = ", ".join(f"{count} of {name}" for name, count in found.taken.items()) or "none"
    out.print(f"with the draft, intake takes pictures: {taken}", markup=False, soft_wrap=True)
    show_reasons("cannot be opened", found.refused)
    show_reasons("would be left out", found.left_out)
    if not written:
        out.print(found.plan, markup=False, soft_wrap=True)


def show_reasons(title: str, refusals: Sequence[tuple[str, str]]) -> None:
    """Reasons by how often they come, each with some of its files."""
    reasons: dict[str, list[str]] = {}
    for file, reason in refusals:
        reasons.setdefault(reason, []).append(file)
    for reason, files in sorted(reasons.items(), key=lambda item: -len(item[1]))[:MOST_REASONS]:
        out.print(f"[red]{title}[/]: {escape(first_of(files, MOST_FILES))}: {escape(reason)}", soft_wrap=True)
    if len(reasons) > MOST_REASONS:
        err.print(f"… and {len(reasons) - MOST_REASONS} more reasons; --json has them all")


COMMAND = Command("survey", "Bring data in", survey)
