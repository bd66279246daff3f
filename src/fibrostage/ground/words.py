"""Words and days in a text, written alike however they came: what names of people are looked for by."""

from __future__ import annotations

import re
import unicodedata

SHORTEST = 2  # letters of a word that is looked for
UNSEEN = dict.fromkeys([0x00AD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF])  # soft hyphen, zero widths, directions
FORMULA = re.compile(r'="([^"]*)"')
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{3,}")
YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})[-./ ]?(\d{2})[-./ ]?(\d{2})(?!\d)")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH_NAMED = re.compile(rf"(?<!\d)(\d{{1,2}})[-. ]*({'|'.join(MONTHS)})[a-z]*[-., ]*(\d{{4}})(?!\d)", re.IGNORECASE)
YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})[-./ ](\d{1,2})[-./ ](\d{4})(?!\d)")


LONGEST_ID = 64  # signs, as DICOM allows (PS3.5, LO)
TURNS = frozenset("\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # change the direction of writing


def oddity_of_id(text: str) -> str | None:
    """Why a text cannot be a patient's id: longer than a line, or with signs that nobody sees or that turn the writing
    round; None where it can."""
    shown = repr(text[:24]) + ("…" if len(text) > 24 else "")
    if len(text) > LONGEST_ID:
        return f"patient_id {shown} has {len(text)} signs; an id has at most {LONGEST_ID}"
    if TURNS & set(text):
        return f"patient_id {shown} has signs that turn the direction of writing, which an id cannot have; type it anew"
    if not is_one_line(text):
        return f"patient_id {shown} has a line break or another control character, which an id cannot have"
    return None


def is_one_line(text: str) -> bool:
    """Whether a text has neither a line break nor another control character."""
    return all(unicodedata.category(sign) not in ("Cc", "Zl", "Zp") for sign in text)


def tidy(text: str) -> str:
    """A cell or an id as it was meant: its letters in one spelling (NFC), without signs that nobody sees, and without
    the formula by which spreadsheets keep a number's zeros (="007")."""
    text = unicodedata.normalize("NFC", text.translate(UNSEEN)).strip()
    formula = FORMULA.fullmatch(text)
    return formula[1].strip() if formula else text


def plain(text: str) -> str:
    """A text as it is compared: one spelling of each letter, no capitals."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def bare(text: str) -> str:
    """An id as it is compared with others that may be the same: without case and zeros in front."""
    return plain(text).lstrip("0") or "0"


def parts_of(text: str) -> list[str]:
    """Splits a text, as it is compared, into its runs of letters and digits."""
    return [part for part in re.split(r"[\W_]+", plain(text)) if part]


def dates_in(text: str) -> set[str]:
    """The days that a text may mean, as YYYYMMDD; both where day and month may be either."""
    found = {(int(y), int(m), int(d)) for y, m, d in YEAR_FIRST.findall(text)}
    for day, month, year in MONTH_NAMED.findall(text):
        found.add((int(year), MONTHS.index(month.lower()) + 1, int(day)))
    for first, second, year in YEAR_LAST.findall(text):
        found |= {(int(year), int(first), int(second)), (int(year), int(second), int(first))}
    return {f"{y:04d}{m:02d}{d:02d}" for y, m, d in found if 1900 <= y <= 2100 and 1 <= m <= 12 and 1 <= d <= 31}


def names_within(text: str) -> set[str]:
    """What may be a name in a text that puts no spaces between words: two to four signs of Chinese, Japanese or Korean
    that follow each other."""
    runs = UNSPACED.findall(plain(text))
    return {run[at : at + size] for run in runs for size in (2, 3, 4) for at in range(len(run) - size + 1)}


def words_of(text: str, least: int = SHORTEST) -> set[str]:
    """A text as a whole, its parts of `least` letters or more, and the days in it."""
    parts = parts_of(text)
    return {word for word in {" ".join(parts), "".join(parts), *parts} if len(word) >= least} | dates_in(text)
