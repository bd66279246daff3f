"""Whose a file is, as hashes that may be written and compared."""

from __future__ import annotations

from dataclasses import dataclass

from fibrostage.dicom.identity import PatientIdentity
from fibrostage.ground.words import plain
from fibrostage.intake.privacy import Privacy

PLACEHOLDERS = frozenset(
    (
        "anon", "anonym", "anonymous", "anonymised", "anonymized", "deidentified", "unknown", "none", "name", "noname",
        "patient", "person", "test",
    )
)  # fmt: skip
NO_BIRTH = ("19000101", "00000000", "19700101")  # what de-identified files say
SEXES = ("M", "F")


@dataclass(frozen=True)
class HashedPerson:
    """Whose a file is, as hashes: the words of the name, the day of birth, the sex and who gave the id."""

    name: frozenset[str] = frozenset()
    birth: str = ""
    sex: str = ""
    issuer: str = ""

    @property
    def known(self) -> bool:
        return bool(self.name or self.birth or self.sex or self.issuer)

    def differences(self, other: HashedPerson) -> list[str]:
        """What both say and say otherwise; names differ where they share no word."""
        found = ["name"] if self.name and other.name and not self.name & other.name else []
        pairs = {"birth date": "birth", "sex": "sex", "issuer of the id": "issuer"}
        for shown, field in pairs.items():
            a, b = getattr(self, field), getattr(other, field)
            if a and b and a != b:
                found.append(shown)
        return found

    def agrees(self, other: HashedPerson) -> bool:
        """Whether it is the same person by name and birth date, and nothing but the issuer speaks against it."""
        fewer, more = sorted((self.name, other.name), key=len)
        same = self.birth == other.birth and bool(fewer) and fewer <= more
        return same and bool(self.birth) and "sex" not in self.differences(other)


def hashed(person: PatientIdentity, patient: str, privacy: Privacy) -> HashedPerson:
    """A person as it may be written; placeholders of de-identified files say nothing."""
    said = {word for word in person.name if word not in PLACEHOLDERS and word != plain(patient)}
    return HashedPerson(
        frozenset(privacy.word(word) for word in said),
        privacy.word(person.birth) if person.birth and person.birth not in NO_BIRTH else "",
        privacy.word(person.sex) if person.sex in SEXES else "",
        privacy.word(person.issuer) if person.issuer else "",
    )
