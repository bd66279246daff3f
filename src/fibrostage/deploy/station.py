"""A model that is kept open to answer one exam after another, as a service does: read, stage, and what goes back.

Nothing of an exam stays: its pictures live in a temporary folder while it is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fibrostage.deploy.answers import Asked, Wanted, asked_of, page_of, report_of
from fibrostage.deploy.patient_page import page_html
from fibrostage.ground.errors import FibrostageError
from fibrostage.ground.files import Json
from fibrostage.learn.hub import located
from fibrostage.learn.model import Model, open_model
from fibrostage.learn.predict_cohort import PredictedCohort
from fibrostage.learn.predict_files import Exams, reading_plan, stage_taken, taken_exams
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
class Answer:
    """What is said of exams: `found` as predict says it; by patient the `pages` as HTML and the `reports` that were
    wanted, and why one could not be made; `caveats` of reading."""

    found: PredictedCohort
    caveats: tuple[str, ...]
    pages: Mapping[str, str] = field(default_factory=dict)
    reports: Mapping[str, Dataset] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds: as predictions.json, with the caveats."""
        return self.found.as_dict() | {"caveats": list(self.caveats)}


def open_station(folder: Path, decision: DecisionPlan | None = None) -> Station:
    """Opens a run, a model or a model on the hub; of `decision`, coverage and predictive values hold instead of the
    model's own. Raises `RunError` where it cannot be opened, or does not say how its pictures were read."""
    here = located(folder)
    model = open_model(here)
    return Station(model, reading_plan(here), asked_of(here, model.plan, decision or model.plan.decision))


def answer(station: Station, exams: Exams, wanted: Wanted = Wanted()) -> Answer:  # noqa: B008
    """Reads exams from their files and answers them. Raises `IntakeError` where no picture can be used; what cannot be
    made of a single patient is said in the answer."""
    with taken_exams(station.read, exams) as taken:
        found = stage_taken(station.model, taken, asked=station.asked.decision)
        pages, reports, failed = {}, {}, {}
        for one in found.staged:
            try:
                if wanted.pages:
                    pages[one.patient_id] = page_html(page_of(one, found, taken.cohort, station.asked))
                if wanted.reports:
                    reports[one.patient_id] = report_of(one, found, taken.cohort, station.asked.name, taken.files)
            except FibrostageError as error:
                failed[one.patient_id] = str(error)
        return Answer(found, taken.cohort.caveats, pages, reports, failed)
