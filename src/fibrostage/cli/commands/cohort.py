"""`fibrostage cohort`: cohorts put together, cut down, compared, and written for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import make_progress, out, print_json, show_caveats, tell
from fibrostage.cli.options import AsJson, CohortFolder, OwnCohort
from fibrostage.cli.render import show as show_table
from fibrostage.cli.shown import show_description

cohort = typer.Typer(
    help="Put cohorts together, keep a part of one, compare two, write one for other programs or send one.",
    no_args_is_help=True,
)

NewCohort = Annotated[Path, typer.Option("--out", metavar="NEW", help="The cohort folder to make.")]
Ids = typer.Option(metavar="CSV", help="A CSV with a column patient_id.")


@cohort.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="COHORT…", help="Two cohort folders or more.")],
    target: NewCohort,
    name: Annotated[str | None, typer.Option(help="What to call it; its folder's name if left out.")] = None,
    site: Annotated[
        list[str] | None, typer.Option(help="A site for a cohort's patients without one; one a cohort, in their order.")
    ] = None,
    same_patients: Annotated[
        bool, typer.Option("--same-patients", help="Equal ids are the same people, though no key says so.")
    ] = False,
    allow_duplicates: Annotated[
        bool, typer.Option("--allow-duplicates", help="Go on although patients of two cohorts share pictures.")
    ] = False,
    group_near_duplicates: Annotated[
        bool,
        typer.Option("--group-near-duplicates", help="Keep patients who share pictures on one side of every split."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make one cohort of several; none of them is changed, and no pixel is copied."""
    from fibrostage.intake.build.merge import MergeChoices
    from fibrostage.intake.build.merge import merge as merge_cohorts

    choices = MergeChoices(name, tuple(site or ()), same_patients, allow_duplicates, group_near_duplicates)
    merge_cohorts(folders, target, choices, make_progress())
    describe_made(target, as_json)


@cohort.command("filter")
def filter_(
    folder: CohortFolder,
    target: NewCohort,
    patients: Annotated[
        str | None, typer.Option(metavar="SQL", help="Keep patients for whom this holds: \"age >= 40 AND site = 'A'\".")
    ] = None,
    pictures: Annotated[
        str | None, typer.Option(metavar="SQL", help="Keep pictures for which this holds: \"quality = 'good'\".")
    ] = None,
    modality: Annotated[list[str] | None, typer.Option(help="Keep this modality (repeat for several).")] = None,
    labelled: Annotated[bool, typer.Option("--labelled", help="Keep patients with a stage.")] = False,
    complete: Annotated[bool, typer.Option("--complete", help="Keep patients with every modality.")] = False,
    only: Annotated[Path | None, Ids] = None,
    without: Annotated[Path | None, Ids] = None,
    key: Annotated[
        Path | None, typer.Option(help="The key that ids were hashed with, where a CSV has them as they were given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a cohort of a part of one; the pixels of what goes are not copied."""
    from fibrostage.cohort.narrowed import KeptPart, narrow

    kept = None if only is None else ids_in(only, key)
    gone = [] if without is None else ids_in(without, key)
    wanted = KeptPart(patients, pictures, kept, gone, tuple(modality or ()), labelled, complete)
    narrow(folder, target, wanted, make_progress())
    describe_made(target, as_json)


@cohort.command()
def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A cohort folder.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    as_json: AsJson = False,
) -> None:
    """What differs between two cohorts: patients, their stages and values, pictures, and how they are kept."""
    from fibrostage.cohort.differences import difference
    from fibrostage.cohort.in_bucket import open_given
    from fibrostage.views.cohort import changes_view, difference_view

    found = difference(*(open_given(one, make_progress()) for one in (first, second)))
    if as_json:
        print_json(found.as_dict())
        return
    show_caveats((), found.a.simulated or found.b.simulated)
    show_table(difference_view(found))
    if found.changed:
        show_table(changes_view(found))
    for line in found.kept:
        out.print(line, markup=False, soft_wrap=True)
    if found.same:
        tell("the same patients, values and pictures")


@cohort.command()
def export(
    folder: CohortFolder,
    target: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder.")],
    layout: Annotated[
        str,
        typer.Option(help="csv (read back by 'intake'), monai (a datalist), imagefolder (Hugging Face) or bids."),
    ] = "csv",
    test: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the labelled patients who test; not of csv and bids.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="What deals patients to training and testing.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write a cohort's pictures as PNG, with tables that other programs read."""
    from fibrostage.cohort.exported import ExportChoices
    from fibrostage.cohort.exported import export as export_cohort
    from fibrostage.cohort.in_bucket import open_given

    opened = open_given(folder, make_progress())
    show_caveats(opened.caveats, opened.simulated)
    count = export_cohort(opened, target, layout, ExportChoices(test, seed), make_progress())
    if as_json:
        print_json({"pictures": count, "layout": layout, "simulated": opened.simulated, "folder": str(target)})
    tell(f"{count} pictures in {target}; ids are those of the cohort: guard them as you guard it")


@cohort.command()
def send(
    folder: OwnCohort,
    target: Annotated[str, typer.Argument(metavar="s3://BUCKET/PREFIX", help="Where in a bucket nothing lies yet.")],
    as_json: AsJson = False,
) -> None:
    """Send a cohort to an object store, whole or not at all; credentials are those of the environment."""
    from fibrostage.cohort.in_bucket import send_cohort
    from fibrostage.cohort.store import open_cohort
    from fibrostage.ground.buckets import parse_place

    place, opened = parse_place(target), open_cohort(folder)
    show_caveats(opened.caveats, opened.simulated)
    count = send_cohort(opened, place, make_progress())
    if as_json:
        print_json({"files": count, "fingerprint": opened.fingerprint, "place": str(place)})
    tell(f"{count} files at {place}; next: fibrostage describe {place}")


def ids_in(path: Path, key: Path | None) -> list[str]:
    """The ids of a CSV, as a cohort has them: hashed with the key where one is given. Raises `IntakeError` where the
    CSV or the key cannot be read."""
    from fibrostage.csv_tables.reader import read_csv
    from fibrostage.ground.errors import IntakeError, Problems
    from fibrostage.intake.given_ids import ids_from_key

    if key is not None:
        return list(ids_from_key(key, path))
    problems = Problems()
    table = read_csv(path, ("patient_id",), problems)
    if len(problems):
        raise IntakeError(f"{path} cannot be read:\n{problems.text()}", problems)
    return [row["patient_id"] for _, row in table.rows if row["patient_id"]]


def describe_made(target: Path, as_json: bool) -> None:
    """What is in a cohort that was just made, and what to do next."""
    from fibrostage.cohort.describe import describe
    from fibrostage.cohort.store import open_cohort

    description = describe(open_cohort(target))
    if as_json:
        print_json(description.as_dict())
    else:
        show_description(description)
    tell(f"cohort in {target}; next: fibrostage train {target} --out RUN")


COMMAND = Command("cohort", "Bring data in", cohort)
