"""What a header says of whose it is: words that must not leave, in whatever alphabet they were written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fibrostage.dicom.elements import bytes_of, text_of
from fibrostage.ground.words import words_of

ENCODINGS = (  # that names are found in, declared or not
    "utf-8", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "iso2022_jp_2", "iso2022_kr", "latin-1", "cp1252",
    "iso8859-2", "cp1250", "iso8859-5", "cp1251", "koi8-r", "iso8859-7", "iso8859-9", "iso8859-6", "iso8859-8",
    "tis-620",
)  # fmt: skip
ESCAPE = 0x1B  # begins a change of alphabet
ASCII = 0x80


@dataclass(frozen=True)
class PatientIdentity:
    """Whose a file is, beyond the id: the words of the name, the day of birth, the sex and who gave the id, each empty
    where the header leaves it out."""

    name: frozenset[str] = frozenset()
    birth: str = ""
    sex: str = ""
    issuer: str = ""


def identity_of(dataset: Any) -> PatientIdentity:
    return PatientIdentity(
        frozenset(words for words in words_in(dataset, "PatientName", 1) if words),
        text_of(dataset, "PatientBirthDate").replace(".", ""),
        text_of(dataset, "PatientSex").upper(),
        text_of(dataset, "IssuerOfPatientID").casefold(),
    )


IDENTIFYING = (
    "PatientName", "PatientID", "OtherPatientIDs", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers",
    "PatientBirthName", "PatientMotherBirthName", "AccessionNumber", "StudyID", "InstitutionName", "InstitutionAddress",
    "InstitutionalDepartmentName", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName",
    "NameOfPhysiciansReadingStudy", "StationName", "DeviceSerialNumber", "StudyDate", "SeriesDate", "ContentDate",
    "AcquisitionDate", "PatientInsurancePlanCodeSequence", "MedicalRecordLocator", "RequestingPhysician",
)  # fmt: skip


def identifying(dataset: Any) -> frozenset[str]:
    """The words of identifying tags, so that a cohort can be searched for them; short ones only of names."""
    found: set[str] = set()
    for keyword in IDENTIFYING:
        found |= words_in(dataset, keyword, 2 if "Name" in keyword or "Physician" in keyword else 4)
    return frozenset(found)


def words_in(dataset: Any, keyword: str, least: int) -> set[str]:
    """The words of a tag of `least` letters or more, as every encoding that its bytes may be in spells them."""
    found: set[str] = set()
    for text in spellings(dataset, keyword):
        for spelling in text.split("="):  # a name in letters, in signs, and as it sounds
            found |= words_of(spelling, least)
    return found


def spellings(dataset: Any, keyword: str) -> Iterator[str]:
    """A tag's text as its file declares it, and where it goes beyond ASCII as others would."""
    raw = bytes_of(dataset, keyword)  # before it is read, which turns it into text
    yield text_of(dataset, keyword)
    if raw is None or (ESCAPE not in raw and all(byte < ASCII for byte in raw)):
        return
    for encoding in ENCODINGS:
        with suppress(UnicodeDecodeError):
            yield raw.decode(encoding)
