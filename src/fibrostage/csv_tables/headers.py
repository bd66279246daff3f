"""Columns that are called almost as a measured one: they are named, for they would be passed over in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterable

ALIASES = {
    "plt": "platelets",
    "platelet": "platelets",
    "thrombocytes": "platelets",
    "got": "ast",
    "sgot": "ast",
    "asat": "ast",
    "gpt": "alt",
    "sgpt": "alt",
    "alat": "alt",
    "alb": "albumin",
    "ggtp": "ggt",
    "gammagt": "ggt",
    "fibroscan": "te",
    "vcte": "te",
    "lsm": "te",
}


def misnamed(columns: Collection[str], known: Iterable[str]) -> dict[str, str]:
    """Columns that are not read and what they seem to mean, where no column of that name is there."""
    names = set(known)
    plain = {"".join(sign for sign in name.casefold() if sign.isalnum()): name for name in names}
    found = {}
    for column in columns:
        key = "".join(sign for sign in column.casefold() if sign.isalnum())
        meant = plain.get(key) or ALIASES.get(key)
        if column not in names and meant in names and meant not in columns:
            found[column] = str(meant)
    return found


def notes_on(columns: Collection[str], known: Iterable[str]) -> list[str]:
    """A sentence for each misnamed column."""
    return [
        f"column {column!r} is not read; if it is {meant!r} in the units of the markers, call it so"
        for column, meant in misnamed(columns, known).items()
    ]
