"""How a notebook shows what lower rooms hold: a higher room says it, since the form is made of tables that they do
not know.

Until it has been said, a notebook shows the plain text of a thing, as it does of any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_FORMS: dict[type, Callable[..., str]] = {}


def show_as(kind: type[T], form: Callable[[T], str]) -> None:
    """Says which HTML a notebook shows of things of a kind; what was said before no longer holds."""
    _FORMS[kind] = form


def html_in_notebook(thing: object) -> str | None:
    """The HTML that a notebook shows of a thing; None where nobody said it, and it shows plain text."""
    form = _FORMS.get(type(thing))
    return None if form is None else form(thing)
