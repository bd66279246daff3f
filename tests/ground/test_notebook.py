"""Who says how a notebook shows a thing."""

from __future__ import annotations

from dataclasses import dataclass

from fibrostage.ground.notebook import html_in_notebook, show_as


@dataclass(frozen=True)
class Shown:
    word: str


def test_a_thing_is_text_until_somebody_says_how_it_is_shown() -> None:
    assert html_in_notebook(Shown("one")) is None
    show_as(Shown, lambda thing: f"<b>{thing.word}</b>")
    assert html_in_notebook(Shown("one")) == "<b>one</b>"
    show_as(Shown, lambda thing: f"<i>{thing.word}</i>")
    assert html_in_notebook(Shown("one")) == "<i>one</i>"
