"""From a hospital's files, or a simulation, to a cohort."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

from fibrostage.api.plans import PathGiven, PlanGiven, read_plan
from fibrostage.api.progress import default_progress
from fibrostage.cohort.in_bucket import folder_here, open_given
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, Problems, nearest
from fibrostage.ground.files import Json
from fibrostage.ground.notebook import show_as
from fibrostage.ground.progress import Progress
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.grow import Growth, before_of, grow, plan_of
from fibrostage.intake.build.take_in import Sources, look_at
from fibrostage.intake.build.take_in import take_in as take_files_in
from fibrostage.intake.pulled import pulled
from fibrostage.phantom.recipe import COUNTS, Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.commands import INTAKE, refuse_unread
from fibrostage.plan.run_plan import Plan
from fibrostage.views.notebook import cohort_html

SourcesGiven = PathGiven | Sequence[PathGiven]
USUAL = Choices()
show_as(Cohort, cohort_html)


def open_cohort(folder: PathGiven) -> Cohort:
    """Opens a cohort folder; its tables are polars frames and its pixels stay on disk until they are asked for.

    A cohort at "s3://BUCKET/PREFIX" is copied into the cache first. Raises `CohortError` where there is none, or it is
    damaged, and `ArchiveError` where the store does not give it.

    >>> cohort = open_cohort("COHORT")
    >>> cohort.modality_names
    ('LSTE', 'LUS')
    >>> cohort.patients.height, cohort.simulated
    (20, True)
    """
    return open_given(folder)


def simulate(
    out: PathGiven,
    patients: int = 168,
    seed: int = 0,
    *,
    modalities: Sequence[str] = tuple(COUNTS),
    pictures: int | None = None,
    excluded: int = 0,
    bmode_signal: float = 1.0,
    bad: float = 0.08,
    missing: float = 0.08,
    video: float = 0.0,
    form: str = "png",
    model: str = "distinct",
    progress: Progress | None = None,
) -> Path:
    """Writes a SIMULATED hospital to a new folder, and returns it: pictures, patients.csv, images.csv and plan.toml.

    `pictures` is how many of each modality a patient has, else as many as in the MMFN paper; `bad` is the share of bad
    pictures, `missing` of patients who lack a modality, `video` of those with more B-mode frames. `form` is "png" or
    "dicom". Raises `PlanError` for an unknown modality or model, and where `excluded` leaves fewer than 5 patients.

    >>> hospital = simulate("NEW", patients=6, modalities=["LUS"], pictures=1)
    >>> sorted(file.name for file in hospital.glob("*.csv"))
    ['images.csv', 'patients.csv', 'truth_images.csv', 'truth_patients.csv']
    """
    for name in modalities:
        if name not in COUNTS:
            raise PlanError(f"--modality {name!r}{nearest(name, COUNTS)}; the phantom has {', '.join(COUNTS)}")
    if excluded > patients - 5:
        raise PlanError(
            f"--excluded {excluded} leaves {patients - excluded} of {patients} patients; at least 5 must stay"
        )
    recipe = Recipe(
        patients, seed, bmode_signal, bad, missing, video, tuple(modalities), pictures, excluded, form, model
    )
    write_phantom(Path(out), recipe, default_progress(progress))
    return Path(out)


def take_in(
    sources: SourcesGiven,
    out: PathGiven,
    plan: PlanGiven,
    *,
    patients: PathGiven | None = None,
    images: PathGiven | None = None,
    overrides: Sequence[str] = (),
    boxes: PathGiven | None = None,
    encoding: str | None = None,
    images_encoding: str | None = None,
    choices: Choices = USUAL,
    confirm: Callable[[pl.DataFrame], bool] | None = None,
    progress: Progress | None = None,
) -> Cohort:
    """Takes a hospital's own files in as a cohort at `out`, whole or not at all, without names.

    `sources` are folders, files, studies of an archive ("dicomwebs://…"), or "s3://BUCKET/PREFIX". `patients` and
    `images` are CSVs; without `images` the plan's rules say what a file is, and `confirm` is shown what they made of
    the files.
    Raises `IntakeError` with every problem that was found, `PlanError` for a plan that cannot be followed, and
    `CohortError` where `out` is not empty or cannot be written.

    >>> made = take_in(
    ...     "SOURCE", "TAKEN", "SOURCE/plan.toml", patients="SOURCE/patients.csv", images="SOURCE/images.csv"
    ... )
    >>> made.name, made.images.height
    ('simulated cohort', 40)
    """
    told, target = default_progress(progress), Path(out)
    tables = table_paths(patients, images, boxes)
    with read_sources(sources, plan, overrides, tables, (encoding, images_encoding), target, told) as (found, parsed):
        asked = (confirm or choices.confirm) if images is None else None
        return take_files_in(found, target, parsed, progress=told, choices=replace(choices, confirm=asked))


def dry_run(
    sources: SourcesGiven,
    plan: PlanGiven,
    *,
    patients: PathGiven | None = None,
    images: PathGiven | None = None,
    overrides: Sequence[str] = (),
    boxes: PathGiven | None = None,
    encoding: str | None = None,
    images_encoding: str | None = None,
    choices: Choices = USUAL,
    onto: PathGiven | None = None,
    progress: Progress | None = None,
) -> tuple[Sequence[Mapping[str, Json]], Problems]:
    """What `take_in` would take every file for, a mapping a file, and what is wrong; nothing is written. With `onto`,
    what would join that cohort.

    Raises `IntakeError` and `PlanError` as `take_in` does.

    >>> files, problems = dry_run(
    ...     "SOURCE", "SOURCE/plan.toml", patients="SOURCE/patients.csv", images="SOURCE/images.csv"
    ... )
    >>> len(files), len(problems)
    (40, 0)
    """
    told = default_progress(progress)
    tables = table_paths(patients, images, boxes)
    encodings, cohort = (encoding, images_encoding), None if onto is None else folder_here(onto, told)
    if cohort is not None:
        choices = replace(choices, before=before_of(open_given(cohort)))
    with read_sources(sources, plan, overrides, tables, encodings, None, told, cohort) as (found, parsed):
        return look_at(found, parsed, choices, told)


def extend_cohort(
    onto: PathGiven,
    sources: SourcesGiven,
    out: PathGiven,
    plan: PlanGiven = None,
    *,
    patients: PathGiven | None = None,
    images: PathGiven | None = None,
    overrides: Sequence[str] = (),
    boxes: PathGiven | None = None,
    encoding: str | None = None,
    images_encoding: str | None = None,
    choices: Choices = USUAL,
    confirm: Callable[[pl.DataFrame], bool] | None = None,
    progress: Progress | None = None,
) -> Growth:
    """Takes later exams in and makes a cohort at `out` of them and that at `onto`, which stays as it is; without a plan
    they are read by the cohort's own. The rest is as for `take_in`, and raises what it raises."""
    told, target = default_progress(progress), Path(out)
    cohort = folder_here(onto, told)
    encodings, tables = (encoding, images_encoding), table_paths(patients, images, boxes)
    with read_sources(sources, plan, overrides, tables, encodings, target, told, cohort) as (found, parsed):
        asked = confirm if images is None else None
        return grow(cohort, found, target, parsed, replace(choices, confirm=asked), told)


Tables = tuple[Path | None, Path | None, Path | None]  # of patients, pictures and boxes


def table_paths(*given: PathGiven | None) -> Tables:
    """The tables that were given, as paths."""
    patients, images, boxes = (None if one is None else Path(one) for one in given)
    return patients, images, boxes


@contextmanager
def read_sources(
    given: SourcesGiven,
    plan: PlanGiven,
    overrides: Sequence[str],
    tables: Tables,
    encodings: tuple[str | None, str | None],
    out: Path | None,
    progress: Progress,
    onto: Path | None = None,
) -> Iterator[tuple[Sources, Plan]]:
    """The sources of an intake, an archive's studies fetched among them while the block runs, and its plan, which is
    that of the cohort that they are to join where none is given."""
    refuse_unread(overrides, INTAKE)
    if plan is None and onto is not None:
        parsed = plan_of(onto, overrides)
    else:
        data, name = read_plan(plan, INTAKE, progress)
        parsed = Plan.parse(data, overrides, name)
    named = [given] if isinstance(given, str | Path) else list(given)
    patients, images, boxes = tables
    with pulled(named, out, parsed.dicom.modalities, progress) as (first, *others):
        yield Sources(first, patients, images, encodings[0], tuple(others), encodings[1], boxes), parsed
