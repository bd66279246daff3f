"""Which line of a plan's [table] would read what was refused, so that a refusal names the way forward.

A line is proposed and never followed: that two things mean the same is for the table's owner to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from fibrostage.csv_tables.headers import meant_by
from fibrostage.csv_tables.reading import BOUND

COMMA = re.compile(r"[+-]?\d+,\d+")
POINT = re.compile(r"[+-]?\d+\.\d+")
ENCODINGS = ("gb18030", "shift_jis", "cp1252")  # tried in this order, the last fits nearly anything
NOTHING = frozenset(("na", "n/a", "nan", "null", "none", "n.d.", "nd", "k.a.", "unknown", "unbekannt"))
ROMAN = {"0": "0", "i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6"}


def quoted(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def line(content: str) -> str:
    """How a line of [table] is proposed at the end of a refusal."""
    return f"; if so, say it in the plan: [table] {content}"


def columns_line(missing: Sequence[str], columns: Sequence[str], needed: Sequence[str]) -> str:
    """The line that says which columns of a header are those that are missing."""
    free = [column for column in columns if column not in needed]
    pairs = []
    for name in missing:
        meant = next((column for column in free if meant_by(column, [name])), None) or "THE COLUMN'S NAME"
        pairs.append(f"{quoted(meant)} = {quoted(name)}")
    return line(f"columns = {{ {', '.join(pairs)} }}")


def encoding_line(data: bytes) -> str:
    """The line that names an encoding in which the bytes can be read at all."""
    for name in ENCODINGS:
        try:
            data.decode(name)
        except UnicodeDecodeError:
            continue
        return line(f"encoding = {quoted(name)}")
    return ""


def number_line(text: str, decimal: str) -> str:
    """The line that would read a cell that is no number as it stands; nothing where none would."""
    if BOUND.fullmatch(text):
        return line('censored = "bound" takes it for the bound, "missing" for no value')
    if decimal == "." and COMMA.fullmatch(text):
        return line('decimal = ","')
    if decimal == "," and POINT.fullmatch(text):
        return ' (the plan says decimal = ",", and a table has one)'
    return "" if any(sign.isdigit() for sign in text) else line(f"missing = [{quoted(text)}]")


def stage_line(text: str, classes: Sequence[str]) -> str:
    """The line that would read a stage that is written otherwise: the class with the same number, where there is one,
    or, of a text without any, that it holds none."""
    meant = class_like(text, classes)
    if meant is not None:
        return line(f"stages = {{ {quoted(text)} = {quoted(meant)} }}")
    if not any(sign.isalnum() for sign in text) or text.casefold() in NOTHING:
        return line(f"missing = [{quoted(text)}]")
    return line(f"stages = {{ {quoted(text)} = {quoted(classes[0])} }}, or whichever of {', '.join(classes)} it is")


def class_like(text: str, classes: Sequence[str]) -> str | None:
    """The class that a text seems to mean: by its letters whatever the case, or by its number alone, also in Roman
    numerals."""
    plain = {name.casefold(): name for name in classes}
    key = re.sub(r"[\s_-]+", "", text.casefold())
    if key in plain:
        return plain[key]
    number = re.fullmatch(r"([a-z]*)(\d+)(?:[.,]0+)?", key)
    letters, digits = (number[1], number[2]) if number else ("", ROMAN.get(key, ""))
    found = [name for name in classes if digits and re.sub(r"\D", "", name) == digits]
    same = [name for name in found if not letters or re.sub(r"\d", "", name).casefold() == letters]
    return same[0] if len(same) == 1 else None
