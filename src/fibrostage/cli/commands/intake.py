"""The command intake: what a dry run shows, what a real one asks and says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, make_progress, out, print_json, tell
from fibrostage.cli.options import Address, AsJson, EngineName, PlanFile, Sets
from fibrostage.cli.shown import show_description
from fibrostage.ground.errors import PlanError, Problems

if TYPE_CHECKING:
    import polars as pl

    from fibrostage.ground.files import Json

COLUMNS = {
    "file": "file",
    "format": "format",
    "frames": "frames",
    "patient": "patient",
    "series": "series",
    "device": "device",
    "regions": "regions",
    "taken_for": "taken for",
    "kpa": "kPa",
    "notes": "notes",
}


def intake(
    src: Annotated[
        list[str],
        typer.Argument(
            help="Folders (or files); the files of I.csv are relative to one of them. Or studies of an archive: "
            "'dicomwebs://HOST:PORT/PATH?StudyDate=20250101-20251231'. Or objects of a bucket: s3://BUCKET/PREFIX."
        ),
    ],
    target: Annotated[Path | None, typer.Option("--out", help="The cohort folder to make.")] = None,
    patients: Annotated[
        Path | None, typer.Option(help="P.csv: patient_id, stage, … Without it nobody has a stage.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="I.csv: file, patient_id, modality, … Without it the plan's [[rule]]s say it.")
    ] = None,
    onto: Annotated[
        Path | None,
        typer.Option(
            metavar="COHORT",
            help="A cohort that the exams join in the new one, read by its plan and hashed with its key.",
        ),
    ] = None,
    plan: PlanFile = None,
    sets: Sets = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what every file is taken for, or why it is refused.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what is bad and record it, instead of stopping.")
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(help="The key that ids are hashed with (or $FIBROSTAGE_KEY); made where there is none."),
    ] = None,
    link: Annotated[
        Path | None, typer.Option(help="Write what leads from pseudonyms back to ids and files here, for you alone.")
    ] = None,
    accept_unmasked: Annotated[
        bool, typer.Option("--accept-unmasked", help="Take pictures in that may have names burned into them.")
    ] = False,
    allow_duplicates: Annotated[
        bool, typer.Option("--allow-duplicates", help="Go on although two patients share pictures.")
    ] = False,
    accept_identity: Annotated[
        bool,
        typer.Option("--accept-identity", help="Go on although one id looks like two people, or two ids like one."),
    ] = False,
    group_near_duplicates: Annotated[
        bool,
        typer.Option("--group-near-duplicates", help="Keep patients who share pictures on one side of every split."),
    ] = False,
    boxes: Annotated[
        Path | None,
        typer.Option(help="Boxes that readers drew anew, of 'loop export --boxes': cut those pictures around them."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask whether the rules took the files for the right thing.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that read; one a core otherwise.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the CSVs; UTF-8, or what the plan's [table] says.")
    ] = None,
    images_encoding: Annotated[str | None, typer.Option(help="Encoding of I.csv, where it has another.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take a hospital's own files in as a cohort: DICOM, pictures and videos, without names.

    \f
    Raises `PlanError` without --plan or --onto, and without --out unless it is a --dry-run.
    """
    from fibrostage.api.data import dry_run as look_at
    from fibrostage.api.data import extend_cohort, take_in
    from fibrostage.cohort.describe import describe as describe_cohort
    from fibrostage.ground.shards import shards_by
    from fibrostage.intake.build.choices import Choices

    if plan is None and onto is None:
        raise PlanError(
            "intake needs --plan, whose [[modality]] rows name the modalities and their kinds; without one, "
            f"'fibrostage survey {src[0]} --out SURVEY' looks at what is there and drafts SURVEY/plan.toml"
        )
    if target is None and not dry_run:
        raise PlanError("intake needs --out, a new folder for the cohort (or --dry-run)")
    choices = Choices(
        skip_bad, key, accept_unmasked, allow_duplicates, accept_identity, group_near_duplicates, link, workers,
        engine=shards_by(engine, address),
    )  # fmt: skip
    if dry_run:
        given = look_at(
            src, plan, patients=patients, images=images, overrides=sets or [], boxes=boxes, encoding=encoding,
            images_encoding=images_encoding, choices=choices, onto=onto, progress=make_progress(),
        )  # fmt: skip
        show_survey(*given, as_json)
        return
    assert target is not None
    asked = None if yes else confirm
    if onto is None:
        cohort = take_in(
            src, target, plan, patients=patients, images=images, overrides=sets or [], boxes=boxes, encoding=encoding,
            images_encoding=images_encoding, choices=choices, confirm=asked, progress=make_progress(),
        )  # fmt: skip
    else:
        grown = extend_cohort(
            onto, src, target, plan, patients=patients, images=images, overrides=sets or [], boxes=boxes,
            encoding=encoding, images_encoding=images_encoding, choices=choices, confirm=asked,
            progress=make_progress(),
        )  # fmt: skip
        cohort = grown.cohort
        tell(
            f"{onto} and {grown.patients} new patients, {grown.pictures} new pictures; "
            f"{grown.again} pictures had come before"
        )
    description = describe_cohort(cohort)
    if as_json:
        print_json(description.as_dict())
    else:
        show_description(description)
    if len(cohort.exclusions):
        tell(f"{len(cohort.exclusions)} left out; the reasons are in {target}/exclusions.parquet")
    if (target / "contact_sheet").is_dir():
        tell(f"look at {target}/contact_sheet before you share it")
    tell(f"cohort in {target}; next: fibrostage train {target} --out RUN")


def show_survey(rows: Sequence[Mapping[str, Json]], problems: Problems, as_json: bool) -> None:
    """Every file with what it is taken for or why not, then how many of each."""
    if as_json:
        others = [{"file": problem.file, "reason": str(problem)} for problem in problems]
        print_json({"files": [dict(row) for row in rows], "problems": others, "written": False})
        return
    shown = [key for key in COLUMNS if key == "taken_for" or any(row.get(key) not in (None, "") for row in rows)]
    table = Table(*(COLUMNS[key] for key in shown), title="a dry run; nothing was written")
    for row in rows:
        cells = [text_of(row.get(key)) for key in shown]
        if row.get("refused"):
            reason = f"[red]{escape(str(row['refused']))}[/]"
            at = shown.index("taken_for")
            cells[at] = f"{cells[at]} {reason}".strip()
        table.add_row(*cells)
    out.print(table)
    for problem in problems:
        out.print(f"[red]{escape(str(problem))}[/]", soft_wrap=True)
    taken = Counter(str(row["taken_for"]).split(" ×")[0] for row in rows if row.get("taken_for"))
    refused = sum(bool(row.get("refused")) for row in rows)
    summary = ", ".join(f"{count} files as {name}" for name, count in sorted(taken.items())) or "no file"
    out.print(f"{summary}; {refused} refused; {len(rows)} files in all", markup=False, soft_wrap=True)


def text_of(value: object) -> str:
    """Writes a value as a cell of a table: nothing for None, one decimal for a number with decimals, markup escaped."""
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) else escape(str(value))


def confirm(counts: pl.DataFrame) -> bool:
    """Shows what the rules made of the files; asks where somebody can answer."""
    table = Table("taken for", "pictures", "files", "patients")
    for row in counts.iter_rows():
        table.add_row(*map(str, row))
    err.print(table)
    if not err.is_terminal:
        return True
    return asked("write the cohort?")


def asked(question: str) -> bool:
    """A question that a person must answer: Enter asks again, as a long reading hangs on it."""
    while True:
        answer = err.input(f"{question} [y/n] ", markup=False).strip().lower()
        if answer in ("y", "yes", "n", "no"):
            return answer.startswith("y")
        err.print("please answer y or n")


COMMAND = Command("intake", "Bring data in", intake)
