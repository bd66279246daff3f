"""From a study's files to its report: one patient's pictures, staged as predict stages them, or why they cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fibrostage.dicom.taken_over import check_one_person, hushed
from fibrostage.ground.errors import IntakeError, RunError
from fibrostage.intake.privacy import PSEUDONYM, Privacy

if TYPE_CHECKING:
    from pydicom import Dataset

    from fibrostage.deploy.answers import Wanted
    from fibrostage.deploy.station import ExamAnswer, Station
    from fibrostage.learn.predict_files import Exams

Answering: TypeAlias = "Callable[[Station, Exams, Wanted], ExamAnswer]"
NOBODY = Privacy(b"any")
MOST_REASONS = 5


class UnstageableError(Exception):
    """Why a study cannot be staged, in words that name nobody."""


@dataclass(frozen=True)
class StudyFiles:
    """The files of a study and how they are read: ids are hashed with `key` meanwhile; at `link`, which goes away with
    the answer, stands what leads back to them, as a process that is killed must not leave it just anywhere."""

    files: tuple[Path, ...]
    key: Path
    link: Path
    accept_unmasked: bool = False


@dataclass(frozen=True)
class StudyReport:
    """A study's report, and how many of its files could not be used for it."""

    report: Dataset
    refused: int


def answer_here(station: Station, exams: Exams, wanted: Wanted) -> ExamAnswer:
    """Answers in this thread, as `deploy.station` does."""
    from fibrostage.deploy.station import answer

    return answer(station, exams, wanted)


def report_of_study(station: Station, study: StudyFiles, answering: Answering = answer_here) -> StudyReport:
    """Stages a study.

    Raises `UnstageableError` where its files are of several people, no picture can be used, or the model cannot stage
    them; whatever else goes wrong is not the study's fault, and another try may help.
    """
    from fibrostage.deploy.answers import Wanted
    from fibrostage.learn.predict_files import Exams

    check_person(study.files)
    exams = Exams(study.files, key=study.key, link=study.link, accept_unmasked=study.accept_unmasked)
    study.link.unlink(missing_ok=True)
    try:
        answer = answering(station, exams, Wanted(reports=True))
    except IntakeError as error:
        raise UnstageableError(in_words(error)) from None
    finally:
        study.link.unlink(missing_ok=True)
    found = answer.found
    if len({*(one.patient_id for one in found.staged), *found.left_out}) > 1:
        raise UnstageableError("its pictures are of several patients")
    for report in answer.reports.values():
        return StudyReport(report, len(found.refused))
    reasons = [*answer.failed.values(), *found.left_out.values()]
    raise UnstageableError(reasons[0] if reasons else "the model says nothing of it")


def check_person(files: tuple[Path, ...]) -> None:
    """Raises `UnstageableError` where files say that they are of different people, reports among them."""
    import pydicom

    headers = []
    with hushed():
        for path in files:
            try:
                headers.append(pydicom.dcmread(path, stop_before_pixels=True))
            except OSError:
                raise
            except Exception:  # whatever pydicom makes of a damaged file, which intake will refuse
                continue
        try:
            check_one_person(headers)
        except RunError as error:
            raise UnstageableError(str(error)) from None


def in_words(error: IntakeError) -> str:
    """Why nothing of a study could be read, each reason once, without a name of a file, a value or a pseudonym."""
    reasons = Counter(PSEUDONYM.sub("a patient", NOBODY.problem(problem).reason) for problem in error.problems)
    if not reasons:
        return "none of its files holds a picture that can be read"
    shown = [f"{count} × {reason}" if count > 1 else reason for reason, count in reasons.most_common(MOST_REASONS)]
    more = len(reasons) - len(shown)
    return "no picture can be used: " + "; ".join([*shown, *([f"and {more} other reasons"] if more else [])])
