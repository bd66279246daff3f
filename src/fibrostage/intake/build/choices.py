"""One intake while it runs: what the user gave and allowed, the files, and what was wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from fibrostage.ground.errors import Problems
from fibrostage.ground.files import Json
from fibrostage.ground.shards import RayShards
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.privacy import Privacy
from fibrostage.intake.read.outcome import ReadingJob, ReadingRules
from fibrostage.plan.run_plan import Plan


@dataclass(frozen=True)
class CohortBefore:
    """The cohort that an intake is to join: where it lies, the ids of its patients, and what tells its key."""

    path: Path
    patients: frozenset[str]
    key: str | None


@dataclass(frozen=True)
class Choices:
    """What the user allows and asks for beyond the plan."""

    skip_bad: bool = False
    key: Path | None = None
    accept_unmasked: bool = False
    allow_duplicates: bool = False
    accept_identity: bool = False
    group_near_duplicates: bool = False
    link: Path | None = None  # a CSV of the user's own that leads from pseudonyms back to ids and files
    workers: int | None = None
    confirm: Callable[[pl.DataFrame], bool] | None = None
    other_tables: bool = False  # the plan's [table] was written for others than these
    engine: RayShards | None = None  # the machines that read files; None is this one
    before: CohortBefore | None = None  # whose key is the one to hash ids with, and whose patients are known


@dataclass
class Intake:
    """What one intake has in hand while it runs."""

    sources: Sources
    plan: Plan
    choices: Choices
    jobs: list[ReadingJob]
    patients: pl.DataFrame | None  # None: whoever the files name
    setting: ReadingRules
    dicom: bool
    problems: Problems
    notes: Problems  # left out without being wrong
    tables: dict[str, Json] = field(default_factory=dict)  # how often each rule was used by which tables were read
    caveats: list[str] = field(default_factory=list)

    @property
    def privacy(self) -> Privacy:
        return self.setting.privacy

    def note(self, job: ReadingJob, row: int | None, reason: str, value: bool = False) -> None:
        """Notes a problem of a file, or of the `row` of I.csv that asked for it; with `value` it is one of a value
        alone, which stops nothing."""
        request = next((r for r in job.requests or () if r.row == row), None)
        patient = request.patient_id if request else None
        target = self.notes if value else self.problems
        where = job.name if job.requests is None or self.sources.images is None else self.sources.images.name
        text = reason if where == job.name else f"{job.name!r}: {reason}"
        target.add(
            where, text, row=request.row if request and where != job.name else None, patient_id=patient,
            file=job.name, kind="value" if value else "picture",
        )  # fmt: skip
