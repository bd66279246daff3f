"""Intake: a hospital's own files → a cohort, whole or not at all.

Every problem is collected and reported together, with file and row. Without `skip_bad` any problem stops the intake and
nothing is written; with it, what is bad is left out and recorded in exclusions.parquet. While it runs, what has been
read is kept in a journal beside the target: an intake that was killed or interrupted goes on without reading it again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from fibrostage.cohort.store import Cohort, open_cohort, whole_or_absent
from fibrostage.csv_tables.reader import read_csv
from fibrostage.ground.errors import CohortError, IntakeError, Problems
from fibrostage.ground.files import refuse_bucket
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.quantities import Quantity
from fibrostage.intake.build.choices import Choices, CohortBefore, Intake
from fibrostage.intake.build.find_files import Sources, any_dicom, jobs_of, survey
from fibrostage.intake.build.gather import gather
from fibrostage.intake.build.journal import Journal, alone_at, code_of, folder_beside
from fibrostage.intake.build.read_tables import own_columns, read_tables
from fibrostage.intake.build.workers import read_all
from fibrostage.intake.build.write_cohort import finish
from fibrostage.intake.privacy import KEY_BYTES, PSEUDONYM, Privacy, default_key, read_key, refuse_key_inside
from fibrostage.intake.read.drawn import COLUMNS as BOX_COLUMNS
from fibrostage.intake.read.drawn import parse_drawn
from fibrostage.intake.read.outcome import Outcome, ReadingJob, ReadingRules
from fibrostage.intake.read.tables import NO_MORE, Request
from fibrostage.plan.run_plan import Plan

KEPT = "What was read is kept for the next call, which reads only what has changed, in"

__all__ = ["Choices", "Sources", "look_at", "take_in", "taken_in"]


def take_in(
    sources: Sources,
    out: Path,
    plan: Plan,
    skip_bad: bool = False,
    progress: Progress = SILENT,
    choices: Choices | None = None,
) -> Cohort:
    """Makes the cohort at `out`, whole or not at all. Raises `IntakeError` with every problem that was found, and
    `CohortError` where `out` is not empty, cannot be written, or another intake is at it.

    An intake that was interrupted, refused or had no room leaves a journal beside `out`, and the next one goes on from
    it.
    """
    with taken_in(sources, out, plan, skip_bad, progress, choices) as cohort:
        return cohort


@contextmanager
def taken_in(
    sources: Sources,
    out: Path,
    plan: Plan,
    skip_bad: bool = False,
    progress: Progress = SILENT,
    choices: Choices | None = None,
) -> Iterator[Cohort]:
    """As `take_in`, for what is to be done with the cohort: where that fails, what was read is kept too."""
    refuse_bucket(out)
    own, plan = own_columns(plan), plan.without_tables
    choices = replace(choices or Choices(), skip_bad=skip_bad or bool(choices and choices.skip_bad))
    intake = begin(sources, plan, choices, out, own)
    with alone_at(out):
        journal = Journal(folder_beside(out), intake.setting)
        try:
            with whole_or_absent(out) as work:
                codes = read_into(journal, intake, progress)
                finish(journal, codes, intake, work, out, progress)
            yield open_cohort(out)
        except IntakeError as error:
            if not journal.known:
                journal.remove()
                raise
            journal.close()
            raise IntakeError(f"{error} {KEPT} {journal.folder}.", error.problems) from None
        except (CohortError, OSError, pl.exceptions.PolarsError) as error:  # mostly a full disk
            if not journal.known:
                journal.remove()
                raise
            journal.close()
            reason = str(error) if isinstance(error, CohortError) else f"cannot write the cohort {out}: {error}"
            raise CohortError(f"{reason.rstrip('.')}. {KEPT} {journal.folder}.") from None
        except BaseException:
            (journal.close if journal.known else journal.remove)()
            raise
        journal.remove()


def begin(
    sources: Sources, plan: Plan, choices: Choices, out: Path | None, own: Mapping[str, Quantity] = NO_MORE
) -> Intake:
    """Reads the CSVs, finds the files and the key. `out` is None in a dry run, which needs no rule; `own` are columns
    of P.csv that are numbers, beside the measured ones.

    Raises `IntakeError` where a source or CSV is missing or cannot be read, I.csv comes without P.csv, neither I.csv
    nor a rule of the plan says what a file is, or key or link cannot be where they are.
    """
    sources.check()
    if choices.link is not None and out is not None:
        check_link(choices.link, out)
    problems, notes = Problems(), Problems()
    read = read_tables(sources, plan, problems, notes, choices.other_tables, own)
    if read.requests is not None and read.patients is not None:
        names = [modality.name for modality in plan.modality]
        jobs = jobs_of(in_request_order(read.requests, read.patients["patient_id"].to_list(), names), sources)
    else:
        if not plan.rule and out is not None:
            raise IntakeError(
                "without images.csv the plan must say what a file is: give it [[rule]] entries, or --images I.csv; "
                "--dry-run shows what the files say of themselves, and 'fibrostage survey' drafts the rules"
            )
        jobs = survey(sources, problems)
    dicom = any_dicom(jobs)
    privacy = Privacy()
    if dicom or sources.images is None or choices.key is not None:
        privacy = Privacy(key_for(choices.key or default_key(), out, make=choices.before is None))
    if choices.before is not None:
        check_key(privacy, choices.before)
    drawn = {}
    if sources.boxes is not None:
        clicked = frozenset(modality.name for modality in plan.modality if modality.fit == "click")
        drawn = parse_drawn(read_csv(sources.boxes, BOX_COLUMNS, problems), clicked, problems)
    setting = ReadingRules(plan, privacy, choices.accept_unmasked, drawn)
    intake = Intake(sources, plan, choices, jobs, read.patients, setting, dicom, problems, notes)
    intake.tables, intake.caveats = read.counted, [*read.caveats]
    return intake


def key_for(path: Path, out: Path | None, make: bool = True) -> bytes:
    """Returns the user's key, which must not lie in `out`, made where there is none and `make` says so; a dry run,
    which writes nothing and has no `out`, makes do with one that nobody will know."""
    if out is None:
        return read_key(path, make=False) if path.exists() else secrets.token_bytes(KEY_BYTES)
    refuse_key_inside(path, out)
    return read_key(path, make)


def check_key(privacy: Privacy, before: CohortBefore) -> None:
    """Raises `IntakeError` where ids would be written otherwise than in the cohort that they are to join: by another
    key, or hashed in one and as given in the other."""
    hashed = all(PSEUDONYM.fullmatch(patient) for patient in before.patients)
    if privacy.mark == before.key or (before.key is None and hashed == privacy.hides):
        return
    was = "as they were given" if before.key == "" or not (before.key or hashed) else "hashed with another key"
    now = "with the key that you have" if privacy.hides else "not"
    raise IntakeError(
        f"the ids in {before.path} are {was}, and those of these files would be hashed {now}: a patient of both would "
        "be two; name the cohort's own key with --key"
    )


def check_link(link: Path, out: Path) -> None:
    """Checks where the link file is to be written. Raises `IntakeError` where it lies in the cohort, its folder is
    missing, or it exists already."""
    if link.resolve().is_relative_to(out.resolve()):
        raise IntakeError(f"--link {link} lies in the cohort {out}; it must stay with you, choose another place")
    if not link.parent.is_dir():
        raise IntakeError(f"--link {link}: there is no folder {link.parent}")
    if link.exists():
        raise IntakeError(f"--link {link} exists and is not overwritten; choose another place")


def in_request_order(requests: list[Request], patients: list[str], modalities: list[str]) -> list[Request]:
    """Sorts requests by modality, then patient, then row."""
    patient_rank = {patient: rank for rank, patient in enumerate(patients)}
    modality_rank = {modality: rank for rank, modality in enumerate(modalities)}
    return sorted(requests, key=lambda r: (modality_rank[r.modality], patient_rank[r.patient_id], r.row))


def read_into(journal: Journal, intake: Intake, progress: Progress) -> list[str | None]:
    """Reads every file that the journal does not have; returns each job's code, None for a file that is gone."""
    codes = codes_of(intake)
    known = {id(job): code for job, code in zip(intake.jobs, codes, strict=True) if code is not None}
    pending = [job for job in intake.jobs if id(job) in known and known[id(job)] not in journal.known]
    if journal.known:
        progress.say(f"{len(known) - len(pending)} of {len(intake.jobs)} files were read before")
    noted = 0
    with progress.task("reading files", len(pending)) as advance:
        choices = intake.choices
        for job, outcome in read_all(
            pending, intake.setting, choices.workers, processes=intake.dicom, engine=choices.engine
        ):
            journal.add(known[id(job)], outcome)
            noted += bool(outcome.facts.get("notes"))
            advance(1)
    if noted:
        progress.say(
            f"{noted} files say of themselves what is not so, or have lettering in them: --dry-run says of each what; "
            "look at the contact sheet"
        )
    return codes


def codes_of(intake: Intake) -> list[str | None]:
    """Each job's code, None for a file that is gone, which is noted."""
    codes: list[str | None] = []
    for job in intake.jobs:
        try:
            codes.append(code_of(job, intake.setting))
        except OSError as error:
            codes.append(None)
            intake.note(job, None, error.strerror or "cannot be read")
    return codes


def look_at(
    sources: Sources,
    plan: Plan,
    choices: Choices,
    progress: Progress = SILENT,
    watch: Callable[[ReadingJob, Outcome], None] = lambda job, outcome: None,
) -> tuple[list[dict[str, Any]], Problems]:
    """Makes a dry run: returns what every file is taken for, or why it is refused, and the problems of tables, folders
    and people; they are found as `take_in` finds them, and nothing is written. `watch` is shown each file with what it
    gave."""
    intake = begin(sources, plan, choices, None, own_columns(plan))
    rows: dict[str, dict[str, Any]] = {job.name: {"file": job.name} for job in intake.jobs}
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "dry", intake.setting)
        codes = codes_of(intake)
        with progress.task("looking at files", len(intake.jobs)) as advance:
            known = {id(job): code for job, code in zip(intake.jobs, codes, strict=True) if code is not None}
            jobs = [job for job in intake.jobs if id(job) in known]
            for job, outcome in read_all(
                jobs, intake.setting, choices.workers, processes=intake.dicom, engine=choices.engine
            ):
                watch(job, outcome)
                rows[job.name] |= outcome.facts | taken_for(outcome)
                journal.add(known[id(job)], without_pixels(outcome))
                advance(1)
        gather(journal, codes, intake, progress)
        journal.remove()
    others = Problems()
    for problem in intake.problems:
        row = rows.get(problem.file or "")
        if row is None:
            others.items.append(problem)
        else:
            row["refused"] = "; ".join(filter(None, (row.get("refused"), problem.reason)))
    return list(rows.values()), others


def without_pixels(outcome: Outcome) -> Outcome:
    """An outcome as a dry run keeps it."""
    taken = [replace(each, pixels=each.pixels[:0], thumb=b"") for each in outcome.taken]
    return replace(outcome, taken=taken)


def taken_for(outcome: Outcome) -> dict[str, Any]:
    """Returns what a dry run says of one file: how many pictures of which modality, a stiffness in kPa, how sure its
    box is, and which values were left out."""
    kinds: dict[str, int] = {}
    for each in outcome.taken:
        kinds[each.record["modality"]] = kinds.get(each.record["modality"], 0) + 1
    values = dict.fromkeys(refused.reason for refused in outcome.refused if refused.value)
    found: dict[str, Any] = {"refused": None}
    found["notes"] = "; ".join(filter(None, (outcome.facts.get("notes"), *values))) or None
    if kinds:
        found["taken_for"] = ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in kinds.items())
        found["kpa"] = next((e.record["kpa"] for e in outcome.taken if e.record.get("kpa") is not None), None)
        found["box_confidence"] = outcome.taken[0].record.get("box_confidence")
    return found
