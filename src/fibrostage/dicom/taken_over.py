"""Whose the pictures of an exam are and of which study: what a report about them repeats to find its way back.

What a header says goes over as it stands, however long, since the archive knows the patient by it. What cannot be a
date, a time or a sex is left empty, as DICOM allows, and so is what is absent or unreadable: nothing is invented.
Letters of an alphabet that a file does not declare are read as Latin-1. No message names what stands in a header.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from fibrostage.dicom.elements import number_of, quiet, value_of
from fibrostage.dicom.identity import identity_of
from fibrostage.dicom.simulated import says_simulated
from fibrostage.ground.errors import RunError

UID = re.compile(r"\d+(\.\d+)+")
LONGEST_UID = 64
DATE = re.compile(r"\d{4}(\.?)\d\d\1\d\d")  # with dots before 1993
TIME = re.compile(r"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d{1,6})?)?)?")
UNREADABLE = re.compile("[\ufffd\\x00-\\x1f]")  # what is left where bytes are no letters of the alphabet declared


@dataclass(frozen=True)
class SourcePicture:
    """A picture that a report refers to: UIDs of its series, of itself, and of its class."""

    series: str
    instance: str
    kind: str


@dataclass(frozen=True)
class SourceExam:
    """Pictures of one patient in one study. `said` are the values of the patient and the study by keyword, empty where
    no picture says it; `simulated` whether one of the pictures says that it is of nobody."""

    study: str
    pictures: tuple[SourcePicture, ...]
    said: Mapping[str, str]
    simulated: bool


@contextmanager
def hushed() -> Iterator[None]:
    """Keeps pydicom and highdicom from logging and warning, which quote names and UIDs; as talkative as before when the
    block ends."""
    names = [name for name in list(logging.root.manager.loggerDict) if name.partition(".")[0] == "highdicom"]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    with ExitStack() as stack:
        stack.enter_context(quiet())
        for logger, disabled in zip(loggers, before, strict=True):
            stack.callback(setattr, logger, "disabled", disabled)
            logger.disabled = True
        yield


def as_date(text: str) -> str:
    """A date as YYYYMMDD, or nothing where it is none."""
    if DATE.fullmatch(text):
        digits = text.replace(".", "")
        try:
            datetime.datetime.strptime(digits, "%Y%m%d")
        except ValueError:
            return ""
        return digits
    return ""


def as_time(text: str) -> str:
    """A time as HHMMSS with or without a fraction, or nothing where it is none."""
    return text.replace(":", "") if TIME.fullmatch(text) else ""


def as_sex(text: str) -> str:
    """M, F or O, or nothing where it is none of them."""
    return text.upper() if text.upper() in ("M", "F", "O") else ""


def as_text(text: str) -> str:
    """A text as it stands, or nothing where its letters cannot be read."""
    return "" if UNREADABLE.search(text) else text


ALWAYS: dict[str, Callable[[str], str]] = {  # of type 2: there, if empty
    "PatientName": as_text,
    "PatientID": as_text,
    "PatientBirthDate": as_date,
    "PatientSex": as_sex,
    "StudyDate": as_date,
    "StudyTime": as_time,
    "ReferringPhysicianName": as_text,
    "StudyID": as_text,
    "AccessionNumber": as_text,
}
WHERE_SAID: dict[str, Callable[[str], str]] = {"IssuerOfPatientID": as_text, "StudyDescription": as_text}
IDENTIFIERS = ("PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID")  # worse than absent where mutilated


def source_exam(sources: Sequence[Any]) -> SourceExam:
    """What a report says of the exam whose pictures are given as data sets, pixels or not; each counts once.

    Raises `RunError` for none, for what is no picture or lacks a UID, for several studies or patients, and for an
    identifier that cannot be read; it names no identifier.
    """
    if not sources:
        raise RunError("a report needs the pictures that it is about; none were given")
    with hushed():
        check_one_person(sources)  # first: it looks at how names were written, which reading them forgets
        studies = {uid_of(source, "StudyInstanceUID") for source in sources}
        if len(studies) > 1:
            raise RunError(f"the pictures are of {len(studies)} studies, and a report is about one: give those of one")
        pictures = tuple(dict.fromkeys(map(picture_in, sources)))
        if len({picture.instance for picture in pictures}) < len(pictures):
            raise RunError("two pictures have the same SOPInstanceUID and are of different series or classes")
        said = {keyword: first_said(sources, keyword, tidy) for keyword, tidy in (ALWAYS | WHERE_SAID).items()}
        simulated = any(says_simulated(source) for source in sources)
    return SourceExam(studies.pop(), pictures, said, simulated)


def hand_over(exam: SourceExam, dataset: Any) -> None:
    """Writes patient and study into a data set that is in UTF-8; raises `RunError` where a value cannot be written."""
    with hushed():
        for keyword, value in exam.said.items():
            if not value and keyword in WHERE_SAID:
                continue
            try:
                setattr(dataset, keyword, value)
            except Exception:
                raise RunError(f"{keyword} of the pictures cannot be written into a report") from None


def picture_in(source: Any) -> SourcePicture:
    """The picture that a data set holds; raises `RunError` where it holds none."""
    if not number_of(source, "Rows") or not number_of(source, "Columns"):
        raise RunError("a report is about pictures, and one of the sources holds none (no Rows and Columns)")
    return SourcePicture(
        *(uid_of(source, keyword) for keyword in ("SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"))
    )


def uid_of(source: Any, keyword: str) -> str:
    """A UID of a picture; raises `RunError` where there is none, or what stands there is none."""
    text = told(source, keyword)
    if not UID.fullmatch(text) or len(text) > LONGEST_UID:
        raise RunError(
            f"a picture has no valid {keyword}; a report can refer only to pictures that an archive can hold"
        )
    return text


def first_said(sources: Sequence[Any], keyword: str, tidy: Callable[[str], str]) -> str:
    """The first value of a tag that is one; "" where no picture has it. Raises `RunError` where an identifier has
    letters that cannot be read."""
    texts = [text for source in sources if (text := told(source, keyword))]
    if keyword in IDENTIFIERS and any(map(UNREADABLE.search, texts)):
        raise RunError(
            f"{keyword} of a picture cannot be read in the alphabet that its file declares (SpecificCharacterSet), and "
            "a report with another would be of somebody else"
        )
    return next(filter(None, map(tidy, texts)), "")


def told(source: Any, keyword: str) -> str:
    """A tag's text, all of its values; "" where it is absent."""
    value = value_of(source, keyword)
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    try:
        return "\\".join("" if one is None else str(one) for one in (value if several else [value])).strip(" \0")
    except Exception:  # whatever pydicom makes of a damaged name
        return "\ufffd"


def check_one_person(sources: Sequence[Any]) -> None:
    """Raises `RunError` where pictures say that they are of different people: by id, name, birth date, sex, or who gave
    the id. Names differ where they share no word."""
    people = [identity_of(source) for source in sources]
    differing = {
        "ids": {told(source, "PatientID") for source in sources},
        "birth dates": {as_date(person.birth) for person in people} - {""},
        "sexes": {person.sex for person in people} & {"M", "F"},
        "issuers of the id": {person.issuer for person in people} - {""},
    }
    found = [what for what, values in differing.items() if len(values) > 1]
    names = {person.name for person in people if person.name}
    found += ["names"] if any(not a & b for a, b in combinations(names, 2)) else []
    if found:
        raise RunError(
            f"the pictures are of several patients (their {' and '.join(found)} differ), and a report is about one: "
            "give those of one exam"
        )
