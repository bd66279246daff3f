"""What a model says of patients: those of a cohort, or of exams just made."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fibrostage.api.data import SourcesGiven
from fibrostage.api.plans import PathGiven
from fibrostage.api.progress import default_progress
from fibrostage.api.runs import opened_cohort
from fibrostage.cohort.in_bucket import is_cohort_given
from fibrostage.cohort.store import Cohort
from fibrostage.deploy.answers import Wanted, asked_of, write_answers
from fibrostage.ground.errors import PlanError
from fibrostage.ground.files import check_new
from fibrostage.ground.progress import Progress
from fibrostage.ground.shards import RayShards
from fibrostage.intake.given_ids import ids_from_key, ids_from_link
from fibrostage.intake.pulled import pulled
from fibrostage.learn.heat_maps import HeatMaps
from fibrostage.learn.hub import located
from fibrostage.learn.model import open_model
from fibrostage.learn.predict_cohort import PredictedCohort, check_target, stage_cohort, write_table
from fibrostage.learn.predict_files import Exams, TakenExams, reading_plan, stage_taken, taken_exams


@dataclass(frozen=True)
class PatientAnswers:
    """What a model says of patients: `found` in full, `failed` whose page or report could not be written and why, and
    the `caveats` of their intake."""

    found: PredictedCohort
    failed: Mapping[str, str]
    caveats: tuple[str, ...]

    @property
    def table(self) -> pl.DataFrame:
        """One row a patient who was staged: the stage called, p_<class>, p_ge_<cut>, and what to know."""
        return self.found.table()


def predict(
    model: PathGiven,
    sources: Cohort | SourcesGiven,
    out: PathGiven | None = None,
    *,
    pages: bool = False,
    heat: bool = False,
    reports: bool = False,
    captures: bool = False,
    coverage: float | None = None,
    npv: float | None = None,
    ppv: float | None = None,
    link: PathGiven | None = None,
    key: PathGiven | None = None,
    patients: PathGiven | None = None,
    images: PathGiven | None = None,
    write_link: PathGiven | None = None,
    accept_unmasked: bool = False,
    next_exam: bool = False,
    engine: RayShards | None = None,
    progress: Progress | None = None,
) -> PatientAnswers:
    """Stages the patients of a cohort, or of files read as the training pictures were, with a run's or model's folder.

    `out` is a new .csv of the table alone, or a new folder: then with `pages` (and `heat`), DICOM `reports`, and
    `captures` of the pages. `link`, or `key` and `patients`, add the ids that you know as given_id. The nodes of an
    `engine` (`fibrostage.ground.shards`) read files and compute features. Raises `PlanError` for what does not go
    together, `RunError` where the folder holds no model, and `IntakeError` where no picture of the files can be used.

    >>> answers = predict("RUN", "COHORT")
    >>> answers.table.select("patient_id", "stage").height
    20
    """
    told = default_progress(progress)
    target = None if out is None else Path(out)
    folder = target if target is not None and target.suffix != ".csv" else None
    if folder is None and (pages or reports or captures):
        raise PlanError("--report, --sr and --sc are written to a folder: give --out one, not a .csv")
    if heat and not (pages or captures):
        raise PlanError("--heat is shown on the pages: give --report or --sc too")
    if folder is not None:
        check_new(folder)
    whole = cohort_of(sources)
    if whole is not None and (images is not None or write_link is not None or accept_unmasked):
        raise PlanError("--images, --write-link and --accept-unmasked are for files; a cohort has been taken in")
    if whole is not None and (key is None) != (patients is None):
        raise PlanError("--key and --patients go together: the ids in the CSV are hashed with the key")
    given = None if link is None else ids_from_link(Path(link))
    if key is not None and patients is not None:
        given = (given or {}) | ids_from_key(Path(key), Path(patients))
    run = located(Path(model))
    opened = open_model(run)
    decision = opened.plan.decision.asked_for(coverage=coverage, npv=npv, ppv=ppv)
    csv = None if folder else target
    check_target(csv)
    with ExitStack() as stack:
        if whole is not None:
            taken = TakenExams(opened_cohort(whole), {})
            found = stage_cohort(opened, taken.cohort, told, given, asked=decision, next_exam=next_exam, engine=engine)
        else:
            tables = as_path(images), as_path(key), as_path(write_link)
            reading = reading_plan(run)
            files = stack.enter_context(pulled(files_of(sources), None, reading.dicom.modalities, told))
            exams = Exams(tuple(files), *tables, accept_unmasked, as_path(patients))
            taken = stack.enter_context(taken_exams(reading, exams, told, engine))
            found = stage_taken(opened, taken, told, given, decision, next_exam, engine)
        write_table(found, csv)
        failed: Mapping[str, str] = {}
        if folder is not None:
            who, wanted = asked_of(run, opened.plan, decision), Wanted(pages, reports, captures=captures)
            maps = HeatMaps(opened) if heat else None
            failed = write_answers(folder, found, taken.cohort, who, wanted, taken.files, told, maps)
        return PatientAnswers(found, failed, tuple(taken.cohort.caveats))


def as_path(given: PathGiven | None) -> Path | None:
    """A path, where one was given."""
    return None if given is None else Path(given)


def files_of(sources: Cohort | SourcesGiven) -> tuple[PathGiven, ...]:
    """The files and folders of sources that are no cohort, and where others lie."""
    if isinstance(sources, Cohort):
        return ()
    return (sources,) if isinstance(sources, str | Path) else tuple(sources)


def cohort_of(sources: Cohort | SourcesGiven) -> Cohort | PathGiven | None:
    """The cohort that sources are, opened or where it lies; None where they are files."""
    if isinstance(sources, Cohort):
        return sources
    files = files_of(sources)
    return files[0] if len(files) == 1 and is_cohort_given(files[0]) else None
