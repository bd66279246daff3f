"""What a reader looks for and does not find is named with its reason, and is nowhere said to be there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from fibrostage.report.compared import reasons as reasons_of_comparison
from fibrostage.report.results import Results
from fibrostage.report.sections import SECTIONS
from fibrostage.report.sections.checklists import titles_on_page
from fibrostage.report.sections.not_here import blocks, reasons
from fibrostage.report.sections.spec import Facts
from tests.report import made

LOOKED_FOR = (
    "summary", "table_one", "participants", "operating_points", "calibration", "decision_curves", "reclassification",
    "stages_called", "agreement", "subgroups", "left_out", "examples", "modalities_added", "checklists", "provenance",
)  # fmt: skip


@pytest.mark.parametrize("make", [made.manuscript, made.one_cut, made.asked])
def test_what_is_looked_for_is_on_the_page_or_named_with_its_reason(make: Callable[[], Results]) -> None:
    found = make()
    shown, named = titles_on_page(found), dict(reasons(found))
    for name in LOOKED_FOR:
        title = SECTIONS[name].title
        assert (name in shown or name == "checklists") != (title in named), f"{name} is neither there nor missed"
    assert all(re.fullmatch(r"['A-Z].*\.", why) for why in named.values()), "whole sentences"
    (facts,) = blocks(found)
    assert isinstance(facts, Facts)
    assert {"Model card", "Datasheet"} <= {name for name, _ in facts.pairs}


def test_what_was_not_kept_or_made_is_not_said_to_be_there() -> None:
    whole = made.manuscript()
    less = replace(whole, examples=None, kept=(replace(whole.kept[0], participants=None),))
    assert not {"examples", "table_one", "subgroups"} & set(titles_on_page(less))
    named = dict(reasons(less))
    assert "explain a run COHORT --examples" in named["Patients called rightly and wrongly"]
    assert "kept nothing of its patients" in named["Who the patients are"]


def test_a_comparison_says_what_it_cannot_have() -> None:
    told = " ".join(name for name, _ in reasons_of_comparison())
    for name in ("table_one", "operating_points", "calibration", "reclassification", "agreement", "checklists"):
        assert SECTIONS[name].title in told
