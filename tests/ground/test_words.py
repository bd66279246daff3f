"""What is written alike however it came, and what a hint may propose."""

from __future__ import annotations

import pytest

from fibrostage.ground.errors import nearest
from fibrostage.ground.words import names_within, tidy

STAGES = ("F0", "F1", "F2", "F3", "F4")


@pytest.mark.parametrize(
    ("came", "meant"),
    [
        ('="007"', "007"), (" 007 ", "007"), ("Mu\u0308ller", "M\u00fcller"), ("P\u200b1", "P1"), ("\ufeffP1", "P1"),
        ("P\u00ad1", "P1"), ('="', '="'), ("", ""), ("\uff26\uff12", "\uff26\uff12"),
    ],
)  # fmt: skip
def test_a_cell_is_what_was_meant(came: str, meant: str) -> None:
    assert tidy(came) == meant
    assert tidy(meant) == meant


@pytest.mark.parametrize(
    ("came", "proposed"),
    [
        ("F\uff12", "F2"), ("\uff26\uff12", "F2"), ("f2", "F2"), ("F 2", "F2"), ("F0-1", None), ("F1-2", None),
        ("S2", None), ("F5", None), ("2", None), ("F12", None), ("IV", None),
    ],
)  # fmt: skip
def test_a_hint_for_a_stage_means_that_stage(came: str, proposed: str | None) -> None:
    assert nearest(came, STAGES) == ("" if proposed is None else f", did you mean {proposed!r}?")


@pytest.mark.parametrize(("came", "proposed"), [("LST", "LSTE"), ("resnet5", "resnet50"), ("epoch", "epochs")])
def test_a_hint_for_a_longer_name(came: str, proposed: str) -> None:
    assert nearest(came, [proposed, "nothing"]) == f", did you mean {proposed!r}?"


def test_names_in_texts_without_spaces() -> None:
    assert {"\u738b\u5c0f\u4e1c", "\u5c0f\u4e1c"} <= names_within("\u60a3\u8005\u738b\u5c0f\u4e1c\u590d\u67e5")
    assert names_within("Doe, Jane") == set()
