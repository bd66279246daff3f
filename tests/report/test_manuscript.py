"""What a paper needs stands on the page of a run that kept it, and where it did not, why."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import polars as pl

from fibrostage.analysis.judged import NOTHING_KEPT
from fibrostage.cohort.store import Cohort
from fibrostage.learn.train import train
from fibrostage.plan.run_plan import Plan
from fibrostage.report.figures.roc_beside_markers import names_of, panels_of
from fibrostage.report.forms import write_forms, write_report
from fibrostage.report.page import render, sections_of
from fibrostage.report.sections.spec import Drawing
from tests.report import made as made_of

N = 100


def test_what_a_paper_needs_stands_on_the_page() -> None:
    made = made_of.manuscript(N)
    sections = sections_of(made)
    names = [section.name for section, _ in sections]
    for name in ("summary", "operating_points", "agreement", "calibration", "decision_curves", "reclassification",
                 "subgroups", "table_one", "modalities_added", "examples", "roc_beside_markers"):  # fmt: skip
        assert name in names
    page = render(made, sections)
    text = re.sub(r"<[^>]+>", " ", page)
    assert "tested on 100 patients" in text
    assert "withheld from the network" in text
    assert "sensitivity 90%" in text
    assert "against TE" in text
    assert "on 100 training patients" in text
    assert not re.search(r"\bnan\b|\bNone\b", text)
    assert "cannot be computed" not in text


def test_every_new_figure_says_what_is_seen_how_many_and_the_interval() -> None:
    made = made_of.manuscript(N)
    (blocks,) = (blocks for section, blocks in sections_of(made) if section.name == "subgroups")
    drawn = [block for block in blocks if isinstance(block, Drawing)]
    assert len(drawn) == 3
    for one in drawn:
        assert "100 test patients" in one.alt
        assert re.search(r"sex f 0\.\d\d \[", one.alt), "what is drawn is said"
        assert one.counted == "100 test patients"
        assert "95 %" in one.interval
        assert one.alt in unescape(render(made, sections_of(made)))


def test_a_run_that_learned_one_cut_has_its_own_page(
    cohort: Cohort, tiny_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    train(cohort, tiny_plan("staging.task=F3", "training.epochs=1", "split.scheme=kfold"), tmp_path / "run")
    text = re.sub(r"<[^>]+>", " ", write_report(tmp_path / "run").read_text(encoding="utf-8"))
    assert "of the patients rightly" in text
    assert "stage (METAVIR): F4" in text, "patients are told by their finest stage"
    assert "all patients (n = 20)" in text
    assert write_forms(tmp_path / "run", tmp_path / "forms", ["html"]) == [tmp_path / "forms" / "index.html"]
    assert sorted(path.name for path in (tmp_path / "forms").iterdir()) == [
        "index.html",
        "methods.md",
        "references.bib",
    ]


def test_a_run_from_before_says_why() -> None:
    made = made_of.manuscript(N)
    older = replace(made, kept=(replace(made.kept[0], callings={}, participants=None),))
    text = re.sub(r"<[^>]+>", " ", render(older, sections_of(older)))
    assert f": cannot be computed because {NOTHING_KEPT}." in text
    assert "operating points" not in text, "a table of nothing is no help"
    assert "Cannot be made because the run kept nothing of its patients" in text


def test_a_run_of_one_cut_stands_beside_the_markers_as_a_whole_one_does() -> None:
    whole, made = made_of.manuscript(N, False), made_of.one_cut(N)
    both = [one.beside_markers for one in (whole, made)]
    assert all(one is not None for one in both)
    ours, theirs = (one.comparison.filter(pl.col("cut") == "F2") for one in both if one is not None)
    assert ours.rows() == theirs.rows(), "the cut is the same, and so are its patients"
    sections = [section.name for section, _ in sections_of(made)]
    assert "≥F2, test cohort" in render(made, sections_of(made))
    assert {"roc_beside_markers", "reference_against_each", "operating_points", "reclassification"} <= set(sections)
    assert "roc_curves" not in sections, "its curve stands there already"
    assert {one.cut for one in made.judged} == {"F2"}


def test_curves_of_too_few_patients_are_not_drawn_beside_the_markers_either() -> None:
    found = made_of.manuscript(N).beside_markers
    assert found is not None
    few = found.scores["patient_id"].unique().sort().head(12)
    short = replace(found, scores=found.scores.filter(pl.col("patient_id").is_in(few.implode())))
    staging = made_of.manuscript(N).judging
    drawn = panels_of(found, staging, "test", names_of(found))
    assert any(line is not None for _, lines, _ in drawn for line in lines)
    for _, lines, why in panels_of(short, staging, "test", names_of(short)):
        assert all(line is None for line in lines)
        assert "at least 20, and 5 of each, are needed" in why


def test_a_study_that_asks_tells_who_its_patients_are() -> None:
    made = made_of.asked()
    first = made.kept[0]
    assert first.method == "LSTE+LUS RAND", "the one that sees most, and never the one that tests best"
    assert first.participants is not None
    counts = dict(first.participants["cohort"].value_counts().iter_rows())
    assert counts == {"both": 40, "test": 20, "train": 40}
    page = render(made, sections_of(made))
    assert "all patients (n = 100)" in page
    assert made.beside_markers is not None
    assert "LSTE+LUS RAND" not in page, "a method is written in one way"
    assert "LSTE ESD" not in set(made.beside_markers.scores["method"]), "strategies are not compared there"
    text = re.sub(r"<[^>]+>", " ", page)
    assert "LSTE with LUS, asking by RAND, tested on 60 patients" in text
    assert "in one or more of its 2 runs" in text
    assert '<section id="subgroups"' in page
    without = replace(made, kept=tuple(replace(one, participants=None) for one in made.kept))
    assert without.beside_markers is None
    assert "Cannot be made because the run kept nothing of its patients" in render(without, sections_of(without))
