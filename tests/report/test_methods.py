"""The methods paragraph is true of the plan: each sentence changes with the keys that it tells."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fibrostage.plan.run_plan import Plan
from fibrostage.report.methods import methods_of, write_methods
from fibrostage.report.references import REFERENCES
from fibrostage.report.results import Results
from fibrostage.results.metrics import ParticipantFlow
from tests.results.made import made_metrics
from tests.test_contracts import results

BASE = {"modality": [{"name": "LSTE", "kind": "elastogram"}, {"name": "LUS"}]}
FLOW = ParticipantFlow(
    enrolled=40, excluded={"no biopsy": 3}, studied=37, unlabelled=2, pictures=300, pictures_left_out=4
)


def told(*sets: str, **more: object) -> Results:
    metrics = made_metrics(**{"flow": FLOW, **more})
    plan = Plan.parse(BASE, sets).model_dump(mode="json")
    return replace(results(60), plans=[plan], metrics=[metrics], flow=metrics.flow)


def texts(made: Results) -> list[str]:
    return [sentence.text for sentence in methods_of(made)]


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["staging.name='Scheuer'"], "The reference was the Scheuer stage"),
        (["staging.cuts=['F3']"], "cut at ≥F3."),
        (["split.test=0.3"], "30% of them tested"),
        (["seed=7"], "(seed 7)"),
        (["split.scheme='kfold'"], "divided into 5 folds"),
        (["split.scheme='kfold'", "split.repeats=3"], "trained, 3 times over"),
        (["split.scheme='column'", "split.column='site'"], "divided by the column 'site'"),
        (["split.validation=0.2"], "20% of the training patients were set aside"),
        (["split.use=0.5"], "Only 50% of the training patients"),
        (["split.require=['LUS']"], "Who lacked LUS was left out"),
        (["network.modalities=['LUS']"], "The network saw LUS (the whole picture, padded to 224 × 224 pixels)."),
        (["network.backbone='resnet18'"], "backbone resnet18"),
        (["network.weights='random'"], "begun at random"),
        (["network.head='ordinal'"], "ordinal head"),
        (["network.missing='drop'"], "those who lacked one were dropped"),
        (["training.epochs=5"], "up to 5 epochs"),
        (["training.mirror=false"], "on their features of the pictures for up to"),
        (["training.frozen_lr=0.01"], "(learning rate 0.01,"),
        (["training.frozen_l2=0.2"], "L2 penalty of 0.2"),
        (["training.finetune='all'"], "the whole network was trained"),
        (["training.finetune='all'", "training.optimiser='sgd'"], "by stochastic gradient descent"),
        (["training.finetune='last'", "training.loss='squared'"], "with squared error as the loss"),
        (["training.finetune='last'"], "Probabilities were not calibrated."),
        (["calibration.map='platt'"], "calibrated by logistic maps"),
        (["calibration.folds=4"], "fitted to 4 cross-fits"),
        (["decision.rule='median'"], "The stage called was the middle one"),
        (["evaluation.candidates=9"], "up to 9 candidates"),
        (["evaluation.bootstrap=500"], "500 resamples"),
        (["evaluation.confidence=0.9"], "Intervals are at 90%"),
    ],
)  # fmt: skip
def test_a_sentence_changes_with_the_plan(sets: list[str], said: str) -> None:
    before, after = texts(told()), texts(told(*sets))
    new = [text for text in after if text not in before]
    assert any(said in text for text in new), new
    assert not any(said in text for text in before)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"simulated": True}, "All patients are simulated"),
        ({"strategy": "esd"}, "Labels were asked for by ESD, in up to 10 rounds, a candidate at a time, from 10% of"),
        ({"strategy": "esd"}, "Probabilities were not calibrated."),
        ({"flow": FLOW.model_copy(update={"excluded": {}, "enrolled": 37})}, "Of 37 patients of the cohort 'made', 37"),
        ({"flow": None}, "Patients were those of the cohort 'made'."),
        ({"versions": {"torch": "9"}}, "with torch 9."),
    ],
)
def test_a_sentence_changes_with_the_run(more: dict[str, object], said: str) -> None:
    assert any(said in text for text in texts(told(**more)))
    assert not any(said in text for text in texts(told()))


def test_a_table_and_asking_are_told_as_the_plan_has_them() -> None:
    table = {"name": "BLOOD", "kind": "table", "columns": ["ast", "age"], "log": ["ast"]}
    plan = Plan.parse({"modality": [*BASE["modality"], table]}).model_dump(mode="json")
    made = replace(told(), plans=[plan])
    assert any("The measurements ast, age (ast by the logarithm) were standardised" in text for text in texts(made))
    asked = told("active.strategy='random'", "active.passes=7", "active.initial=12", strategy="random")
    assert any("asked for by RAND" in text and "from 12 items on, with 7 passes" in text for text in texts(asked))


def test_a_study_says_by_what_its_runs_differ() -> None:
    one, two = told(), told("network.modalities=['LUS']", "seed=3")
    study = replace(one, plans=[*one.plans, *two.plans], metrics=[one.first, two.first])
    assert "The study holds 2 runs, which differ in network.modalities;" in " ".join(texts(study))
    assert "which differ" not in " ".join(texts(one))


def test_it_is_written_with_what_it_cites(tmp_path: Path) -> None:
    write_methods(tmp_path, told())
    text = (tmp_path / "methods.md").read_text(encoding="utf-8")
    bib = (tmp_path / "references.bib").read_text(encoding="utf-8")
    cited = set(re.findall(r"@(\w+\d{4})", text))
    assert cited == set(re.findall(r"@\w+\{(\w+),", bib))
    assert cited <= set(REFERENCES)
    assert "Research use only" in text


def test_a_plan_that_cannot_be_read_has_no_paragraph(tmp_path: Path) -> None:
    made = results(60)
    assert methods_of(made) == ()
    write_methods(tmp_path, made)
    assert not list(tmp_path.iterdir())
