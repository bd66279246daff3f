"""A model that is kept open to answer one exam after another, as a service does: read, stage, and what goes back.

Nothing of an exam stays: its pictures live in a temporary folder while it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fibrostage.deploy.answers import Asked, Wanted, asked_of, page_of, report_of
from fibrostage.deploy.patient_page import page_html
from fibrostage.ground.errors import FibrostageError
from fibrostage.ground.files import Json
from fibrostage.learn.exam_files import Exams, TakenExams, reading_plan, refused, taken_exams
from fibrostage.learn.hub import located
from fibrostage.learn.model import Model, open_model
from fibrostage.learn.predict_cohort import PredictedCohort
from fibrostage.learn.stage_together import stage_together
from fibrostage.plan.calibration import DecisionPlan
from fibrostage.plan.run_plan import Plan

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class Station:
    """An open model, the plan that its exams are `read` by, and what is `asked` of its answers."""

    model: Model
    read: Plan
    asked: Asked


@dataclass(frozen=True)
class ExamAnswer:
    """What is said of exams: `found` as predict says it; by patient the `pages` as HTML and the `reports` that were
    wanted, and why one could not be made; `caveats` of reading. `files` leads from what `found.refused` calls a file to
    the file itself."""

    found: PredictedCohort
    caveats: tuple[str, ...]
    pages: Mapping[str, str] = field(default_factory=dict)
    reports: Mapping[str, Dataset] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds: as predictions.json, with the caveats."""
        return self.found.as_dict() | {"caveats": list(self.caveats)}


def open_station(folder: Path, decision: DecisionPlan | None = None) -> Station:
    """Opens a run, a model or a model on the hub; of `decision`, coverage and predictive values hold instead of the
    model's own. Raises `RunError` where it cannot be opened, or does not say how its pictures were read."""
    here = located(folder)
    model = open_model(here)
    return Station(model, reading_plan(here), asked_of(here, model.plan, decision or model.plan.decision))


def answer(station: Station, exams: Exams, wanted: Wanted = Wanted()) -> ExamAnswer:  # noqa: B008
    """Reads exams from their files and answers them. Raises `IntakeError` where no picture can be used; what cannot be
    made of a single patient is said in the answer."""
    with taken_exams(station.read, exams) as taken:
        found = answer_together(station, [taken], [wanted])[0]
    if isinstance(found, FibrostageError):
        raise found
    return found


def answer_together(
    station: Station, taken: Sequence[TakenExams], wanted: Sequence[Wanted]
) -> list[ExamAnswer | FibrostageError]:
    """Answers several exams that were taken in, in one pass of the model, each as if it were alone; or the error that
    one alone raises."""
    given = [one.given if own.ids else None for one, own in zip(taken, wanted, strict=True)]
    told = stage_together(station.model, [one.cohort for one in taken], given, station.asked.decision)
    return [
        found if isinstance(found, FibrostageError) else made(station, one, found, own)
        for one, own, found in zip(taken, wanted, told, strict=True)
    ]


def made(station: Station, taken: TakenExams, found: PredictedCohort, wanted: Wanted) -> ExamAnswer:
    """The answer to exams of which the model said what was `found`, with everything that is wanted beside it."""
    found = replace(found, refused=refused(taken.cohort.exclusions))
    pages, reports, failed = {}, {}, {}
    for one in found.staged:
        try:
            if wanted.pages:
                pages[one.patient_id] = page_html(page_of(one, found, taken.cohort, station.asked))
            if wanted.reports:
                reports[one.patient_id] = report_of(one, found, taken.cohort, station.asked.name, taken.files)
        except FibrostageError as error:
            failed[one.patient_id] = str(error)
    return ExamAnswer(found, taken.cohort.caveats, pages, reports, failed, taken.files)
