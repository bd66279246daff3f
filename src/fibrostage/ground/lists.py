"""Names as a sentence lists them."""

from __future__ import annotations

from collections.abc import Sequence


def and_(names: Sequence[str]) -> str:
    """All of them: "a, b and c"; "" of none."""
    return last_by("and", names)


def or_(names: Sequence[str]) -> str:
    """Any of them: "F2, F3 or F4"; "" of none."""
    return last_by("or", names)


def last_by(word: str, names: Sequence[str]) -> str:
    """Names with commas between them, and a word before the last."""
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else "".join(names)


def first_of(names: Sequence[str], most: int) -> str:
    """The first of them, and how many more there are: "a, b, c and 4 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
