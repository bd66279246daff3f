"""Nothing that names a person leaves intake: ids become keyed hashes, words of the headers are looked for everywhere.

The key is 32 random bytes in a file that stays with the user; with it the same person has the same pseudonym in every
cohort, without it a pseudonym leads nowhere. What is written names sources by hash too; only the user's own terminal
sees file names, values and ids. Dates are moved by one secret number of days, so that intervals stay true.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fibrostage.cohort.tables import PATIENT_KEY
from fibrostage.ground.errors import IntakeError, Problem
from fibrostage.ground.files import LARGEST_TEXT, read_whole
from fibrostage.ground.words import dates_in, names_within, parts_of, tidy, words_of
from fibrostage.markers import measured

VARIABLE = "FIBROSTAGE_KEY"
KEY_BYTES = 32
DIGITS = 16  # of a pseudonym: 64 bits
DATE_SPAN = 3650  # days
PSEUDONYM = re.compile(rf"P[0-9a-f]{{{DIGITS}}}")
NAMES = """
    name names surname firstname lastname forename initials birth born dob birthday birthdate mrn ssn address street
    phone telephone mobile email mail insurance accession date nachname vorname geburtsdatum anschrift nom prenom
    naissance nombre apellido nacimiento 姓名 患者姓名 出生日期 身份证 身份证号
"""
NAMED = frozenset(NAMES.split())  # words of a column's name that say what it holds
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(?<== )-?\d[\d.,eE+-]*")
GONE = "…"


@dataclass(frozen=True)
class Privacy:
    """How ids and file names are written: as keyed hashes, or without a key as the user gave them."""

    key: bytes | None = None

    @property
    def hides(self) -> bool:
        return self.key is not None

    @property
    def mark(self) -> str:
        """What tells this key from others and leads to none: a keyed hash of nothing, or empty without a key."""
        return "" if self.key is None else self.digest("key", "")

    def patient(self, given: str) -> str:
        """Returns a patient's id as it is written; the pseudonym of an earlier intake stays what it is."""
        if self.key is None or PSEUDONYM.fullmatch(given):
            return given
        return "P" + self.digest("patient", tidy(given))

    def source(self, name: str) -> str:
        """Returns a file's name as it is written: a keyed hash, or without a key the name itself."""
        return name if self.key is None else "F" + self.digest("source", name)

    def word(self, text: str) -> str:
        """Returns a word of a header as it may be compared and written down."""
        return self.digest("word", text)

    def day(self, date: datetime.date) -> int:
        """Returns a date as a number whose differences are days."""
        return date.toordinal() + int(self.digest("day", "")[:8], 16) % DATE_SPAN

    def digest(self, what: str, text: str) -> str:
        """Returns 16 hexadecimal digits of the keyed hash (HMAC-SHA-256) of a text; `what` keeps texts of different
        kinds apart."""
        return hmac.new(
            self.key or b"none", f"{what}:{text}".encode("utf-8", "surrogateescape"), hashlib.sha256
        ).hexdigest()[:DIGITS]

    def problem(self, problem: Problem) -> Problem:
        """A problem as it may be written: without ids, file names and what stood in a cell."""
        if self.key is None:
            return problem
        return Problem(
            where="files" if problem.row is None else "a table",
            reason=QUOTED.sub(GONE, problem.reason),
            row=problem.row,
            patient_id=None if problem.patient_id is None else self.patient(problem.patient_id),
            file=None if problem.file is None else self.source(problem.file),
            kind=problem.kind,
        )


def default_key() -> Path:
    """Returns the path of the key: $FIBROSTAGE_KEY, or intake.key under the user's configuration."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "fibrostage" / "intake.key"


def read_key(path: Path, make: bool = True) -> bytes:
    """Returns the 32-byte key in a file; where there is none and `make` says so, makes one that the user alone can
    read. Raises `IntakeError` where the file holds anything but 64 hexadecimal digits, or cannot be read or made."""
    try:
        if not path.exists() and make:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(KEY_BYTES) + "\n")
        text = read_whole(path, LARGEST_TEXT).decode("ascii").strip()
        key = bytes.fromhex(text)
    except FileExistsError:
        return read_key(path, make=False)
    except (UnicodeDecodeError, ValueError):
        raise IntakeError(f"{path} is no key: it must hold {2 * KEY_BYTES} hexadecimal digits") from None
    except OSError as error:
        raise IntakeError(f"cannot read or make the key {path}: {error.strerror}; name another with --key") from None
    if len(key) != KEY_BYTES:
        raise IntakeError(f"{path} is no key: it holds {len(text)} characters, not {2 * KEY_BYTES} hexadecimal digits")
    return key


def refuse_key_inside(key: Path, cohort: Path) -> None:
    """Raises `IntakeError` where the key lies in the cohort folder, which may be passed on."""
    if key.resolve().is_relative_to(cohort.resolve()):
        raise IntakeError(f"the key {key} lies in the cohort {cohort}; it must stay with you, choose another place")


def identifying_columns(
    patients: pl.DataFrame, words: Collection[str], privacy: Privacy, keep: Iterable[str]
) -> dict[str, str]:
    """Columns beyond the known ones that name or date people, and why: by their name, or by what stands in them."""
    kept, numbers = set(keep), measured()
    found: dict[str, str] = {}
    for column in patients.columns:
        if column in PATIENT_KEY or column in numbers or column in kept:
            continue
        values = [str(value) for value in patients[column] if value is not None]
        if NAMED & set(parts_of(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column))):
            found[column] = "its name says that it identifies"
        elif any(dates_in(value) for value in values):
            found[column] = "it holds dates"
        elif any(identifies(value, words, privacy) for value in values):
            found[column] = "it holds what stands in identifying tags of the files"
    return found


def identifies(text: str, words: Collection[str], privacy: Privacy) -> bool:
    """Whether a text has a word in it that stands in identifying tags, also where it puts no spaces between words."""
    return bool(words) and any(privacy.word(word) in words for word in words_of(text) | names_within(text))
