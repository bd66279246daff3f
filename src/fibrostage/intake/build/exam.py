"""The exam just made: its files become pictures in memory, by the same reading as a cohort's, and nothing is
written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fibrostage.cohort.pictures import ExamPictures
from fibrostage.cohort.store import Modality
from fibrostage.ground.errors import Problems
from fibrostage.intake.build.find_files import Sources, jobs_of, survey
from fibrostage.intake.build.workers import read_all
from fibrostage.intake.read.outcome import ReadingRules, Taken
from fibrostage.intake.read.tables import Request
from fibrostage.plan.run_plan import Plan


@dataclass(frozen=True)
class Exam:
    """What files gave: pictures that a model can stage, and why the others gave none."""

    pictures: ExamPictures
    problems: Problems


def read_exam(files: Sequence[Path], plan: Plan, requests: Sequence[Request] = (), workers: int | None = None) -> Exam:
    """Reads files, or folders of them, as the plan's intake would; the first is where names are relative to.

    Without `requests` the plan's rules say what each file is, and the files whose it is. Raises `IntakeError` where
    there is nothing to read.
    """
    sources, problems = Sources(files[0], None, None, more=tuple(files[1:])), Problems()
    jobs = jobs_of(requests, sources) if requests else survey(sources, problems)
    taken: list[Taken] = []
    for job, outcome in read_all(jobs, ReadingRules(plan), workers):
        taken += outcome.taken
        for refusal in outcome.refused:
            problems.add(job.name, refusal.reason, file=job.name, kind="value" if refusal.value else "picture")
    return Exam(in_memory(taken, plan), problems)


def in_memory(taken: Sequence[Taken], plan: Plan) -> ExamPictures:
    """Pictures by modality, and their patients in the order in which they were met."""
    patients = list(dict.fromkeys(one.record["patient_id"] for one in taken))
    row = {patient: index for index, patient in enumerate(patients)}
    arrays, rows = {}, {}
    for modality in plan.modality:
        own = [one for one in taken if one.record["modality"] == modality.name]
        own.sort(key=lambda one: row[one.record["patient_id"]])
        if own:
            arrays[modality.name] = np.stack([one.pixels for one in own])
            rows[modality.name] = np.array([row[one.record["patient_id"]] for one in own], dtype=np.int64)
    stored = tuple(Modality(m.name, m.kind, m.size, m.stored_channels, m.fit) for m in plan.modality)
    return ExamPictures(patients, stored, arrays, rows)
