"""A cohort grows: exams that came later are taken in and join those that are there, in a folder of their own.

Only the new files are read. The old cohort stays as it is, as runs name it by its fingerprint; the grown one points at
its pixels. Ids are hashed with the same key, so a patient who comes again is the same patient.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fibrostage.cohort.store import Cohort, check_free, open_cohort, taken_in_with
from fibrostage.ground.errors import CohortError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.choices import Choices, CohortBefore
from fibrostage.intake.build.contact_sheet import FOLDER
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.journal import alone_at
from fibrostage.intake.build.merge import MergeChoices, merged, write_merged
from fibrostage.intake.build.take_in import taken_in
from fibrostage.plan.run_plan import Plan


@dataclass(frozen=True)
class Growth:
    """A grown cohort, and what it has that the old one had not: patients, pictures, and how many pictures came
    again."""

    cohort: Cohort
    patients: int
    pictures: int
    again: int


def plan_of(onto: Path, overrides: Sequence[str] = ()) -> Plan:
    """The plan that a cohort was taken in by, with `overrides` as `--set` has them. Raises `CohortError` where the
    cohort does not say it."""
    told = taken_in_with(open_cohort(onto))
    if told is None:
        raise CohortError(f"{onto} does not say how its pictures were read: give the plan with --plan")
    return Plan.parse(told, list(overrides), str(onto))


def before_of(cohort: Cohort) -> CohortBefore:
    """What an intake must know of the cohort that it is to join."""
    return CohortBefore(cohort.path, frozenset(cohort.patient_ids), cohort.key)


def grow(
    onto: Path,
    sources: Sources,
    out: Path,
    plan: Plan | None = None,
    choices: Choices | None = None,
    progress: Progress = SILENT,
) -> Growth:
    """Makes the cohort at `out` of that at `onto` and the files of `sources`, whole or not at all; the files are read
    by the cohort's own plan, or by `plan`.

    Raises `IntakeError` with every problem of the files, or where they would be hashed with another key, and
    `CohortError` where old and new do not go together, or `out` is not empty.
    """
    before, choices = open_cohort(onto), choices or Choices()
    plan = plan or plan_of(onto)
    check_free(out)
    for name in before.modality_names:
        before.pixels(name)  # damage is said before the new files are read
    newcomer = out.parent / f".{out.name}.newcomer"
    with alone_at(out):
        shutil.rmtree(newcomer, ignore_errors=True)  # of one that was killed
        joining = replace(choices, before=before_of(before))
        meeting = MergeChoices(None, (), True, choices.allow_duplicates, choices.group_near_duplicates)
        try:
            with taken_in(sources, newcomer, plan, progress=progress, choices=joining) as came:
                try:
                    joined = merged([before, came], meeting, progress)
                except CohortError as error:
                    raise CohortError(str(error).replace(str(newcomer), "the new exams")) from None
                joined = replace(joined, source="; ".join(dict.fromkeys((before.source, came.source))))
                write_merged(joined, out, before.name, came.key, taken_in_with(came), newcomer / FOLDER)
        finally:
            shutil.rmtree(newcomer, ignore_errors=True)
    news = len(joined.patients) - len(before.patients)
    pictures = len(joined.images) - len(before.images)
    return Growth(open_cohort(out), news, pictures, len(came.images) - pictures)
