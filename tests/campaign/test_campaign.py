"""A campaign waits for a person: the same question until it is answered, patients without a stage, second readings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.campaign.campaign import Campaign
from fibrostage.campaign.oracles.archive import Archive
from fibrostage.campaign.run import run_active
from fibrostage.campaign.setting import prospective, retrospective
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ledger.events import UNUSABLE
from fibrostage.ledger.export import answer_rows, summary
from fibrostage.ledger.ledger import read_events
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder

Build = Callable[..., Plan]
PATIENTS = ("active.unit=patient", "active.rounds=3", "active.initial=0.3", "training.epochs=2")


@pytest.fixture
def clinic(cohort: Cohort) -> tuple[Cohort, np.ndarray]:
    """The tiny cohort of which eight patients have no stage yet, and what a reader would say of everybody."""
    hidden = [None if index % 5 in (1, 3) else stage for index, stage in enumerate(cohort.patients["stage"])]
    return replace(
        cohort, patients=cohort.patients.with_columns(stage=pl.Series(hidden, dtype=pl.String))
    ), cohort.stages


def begun(cohort: Cohort, plan: Plan, out: Path, resume: bool = False) -> Campaign:
    return Campaign.open(prospective(cohort, plan, RunFolder(out)), resume)


def test_patients_without_a_stage_are_asked_about(
    clinic: tuple[Cohort, np.ndarray], tiny_plan: Build, tmp_path: Path
) -> None:
    cohort, truth = clinic
    with begun(cohort, tiny_plan(*PATIENTS), tmp_path / "a") as campaign:
        asked: set[int] = set()
        while (question := campaign.ask()) is not None:
            assert question == campaign.ask(), "the same question until it is answered"
            owners = campaign.setting.units.patient_of(np.array(question.items))
            assert (cohort.stages[owners] < 0).all(), "nobody with a stage is asked about"
            asked |= set(owners.tolist())
            campaign.tell({i: int(truth[p]) for i, p in zip(question.items, owners, strict=True)}, "Dr Reader")
            assert campaign.ask() is None, "everything is answered"
            closed = campaign.close()
            assert closed.n_patients == len(campaign.setting.fold.test) > 0
        assert asked == {p for p in range(20) if p % 5 in (1, 3)}
        assert campaign.over
    assert {row[6] for row in answer_rows(read_events(tmp_path / "a"))} == {"Dr Reader"}


def test_it_goes_on_with_the_same_question_after_days(
    clinic: tuple[Cohort, np.ndarray], tiny_plan: Build, tmp_path: Path
) -> None:
    cohort, truth = clinic
    plan = tiny_plan(*PATIENTS)
    with begun(cohort, plan, tmp_path / "a") as campaign:
        question = campaign.ask()
        assert question is not None
        first = question.items[0]
        campaign.tell({first: 1}, "Dr Reader")
    with begun(cohort, plan, tmp_path / "a", resume=True) as campaign:
        left = campaign.ask()
        assert left is not None
        assert left.items == question.items[1:]
        assert campaign.state.labels == {first: 1}
        owners = campaign.setting.units.patient_of(np.array(left.items))
        campaign.tell(dict(zip(left.items, truth[owners].tolist(), strict=True)), "Dr Reader")
        figures = campaign.close()
    with begun(cohort, plan, tmp_path / "a", resume=True) as campaign:
        assert campaign.round == 1
        assert [one.as_row() for one in campaign.state.closed] == [figures.as_row()]


def test_a_cohort_without_any_stage_can_be_asked_about(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    nobody = replace(cohort, patients=cohort.patients.with_columns(stage=pl.lit(None, dtype=pl.String)))
    with begun(nobody, tiny_plan(*PATIENTS), tmp_path / "a") as campaign:
        question = campaign.ask()
        assert question is not None
        campaign.tell({item: number % 5 for number, item in enumerate(question.items)}, "Dr Reader")
        closed = campaign.close()
        assert closed.figures == {}, "nobody tests"
        assert campaign.ask() is not None


def test_second_readings_settlement_and_withdrawal(
    clinic: tuple[Cohort, np.ndarray], tiny_plan: Build, tmp_path: Path
) -> None:
    cohort, _ = clinic
    with begun(cohort, tiny_plan(*PATIENTS), tmp_path / "a") as campaign:
        question = campaign.ask()
        assert question is not None
        first, second = question.items[:2]
        campaign.tell(dict.fromkeys(question.items, 1), "A")
        state = campaign.tell({first: 3, second: 1}, "B")
        assert state.labels[first] == 1, "a second reading changes nothing by itself"
        assert [(r.who, r.stage) for r in state.readings[first]] == [("A", 1), ("B", 3)]
        assert state.disputed == (first,)
        state = campaign.settle(first, 3, "adjudicator")
        assert state.labels[first] == 3
        assert state.disputed == ()
        state = campaign.tell({first: UNUSABLE}, "C")
        assert state.disputed == (first,), "a reading after the settlement opens it again"
        state = campaign.withdraw(second, "A", "wrong patient")
        assert second not in state.labels
        assert second in state.spent
        never = next(i for i in range(int(campaign.setting.units.offsets[-1])) if i not in question.items
                     and campaign.setting.units.patient_of(i) in campaign.setting.askable)  # fmt: skip
        state = campaign.tell({never: 4}, "surgery")
        assert never in state.volunteered
        assert state.labels[never] == 4
        found = summary(read_events(tmp_path / "a"))
        assert (found.reread, found.disputed) == (3, 1)
    rows = {row[1]: row for row in answer_rows(read_events(tmp_path / "a"))}
    assert rows[first][4] == "F3", "the settled stage is exported"
    assert second not in rows


@pytest.mark.parametrize(
    ("item", "stage", "message"),
    [
        (10**6, 0, "item 1000000: patients run from 0 to 19"),
        (0, 7, "item 0: stage 7; stages are 0 to 4"),
        (-1, 0, "item -1"),
    ],
)
def test_what_cannot_be_told_is_said_and_nothing_is_stored(
    clinic: tuple[Cohort, np.ndarray], tiny_plan: Build, tmp_path: Path, item: int, stage: int, message: str
) -> None:
    with begun(clinic[0], tiny_plan(*PATIENTS), tmp_path / "a") as campaign:
        campaign.ask()
        before = campaign.state
        with pytest.raises(RunError, match=message):
            campaign.tell({item: stage}, "A")
        assert campaign.state is before


def test_nobody_who_tests_is_learned_from(clinic: tuple[Cohort, np.ndarray], tiny_plan: Build, tmp_path: Path) -> None:
    with begun(clinic[0], tiny_plan(*PATIENTS), tmp_path / "a") as campaign:
        campaign.ask()
        tested = int(campaign.setting.fold.test[0])
        with pytest.raises(RunError, match="on whom the model is tested"):
            campaign.tell({tested: 1}, "A")
        with pytest.raises(RunError, match="has no label"):
            campaign.withdraw(int(campaign.setting.known[0]), "A", "?")


def test_nothing_to_ask_and_nothing_asked(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="there is nobody to ask about"):
        prospective(cohort, tiny_plan(*PATIENTS), RunFolder(tmp_path / "a"))
    campaign = Campaign.open(retrospective(cohort, tiny_plan(*PATIENTS), RunFolder(tmp_path / "b")))
    with campaign, pytest.raises(RunError, match="round 0 has asked for nothing yet"):
        campaign.close()


def test_the_archive_is_one_oracle_among_others(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    """Told item by item, in any order, the archive's answers make the run that it makes alone."""
    plan = tiny_plan("active.rounds=2", "active.passes=3", "training.epochs=2")
    curve = run_active(cohort, plan, tmp_path / "alone")
    setting = retrospective(cohort, plan, RunFolder(tmp_path / "told"))
    archive = Archive(setting.units, setting.cohort.stages, 5, plan.oracle, plan.seed)
    with Campaign.open(setting) as campaign:
        while (question := campaign.ask()) is not None:
            for item in reversed(question.items):
                campaign.tell({item: int(archive.answer(np.array([item]))[0])}, "somebody")
            campaign.close()
        asked = [query.items for query in campaign.state.issued]
        figures = [one.figures["auc_macro"].value for one in campaign.state.closed]
    from fibrostage.ledger.state import replay

    assert asked == [query.items for query in replay(read_events(tmp_path / "alone")).issued]
    assert figures == curve["auc_macro"].to_list()


@pytest.mark.parametrize("strategy", ["esd", "bald", "esd+power"])
def test_what_is_about_dropout_is_refused_where_there_is_none(
    cohort: Cohort, tiny_plan: Callable[..., Plan], tmp_path: Path, strategy: str
) -> None:
    plan = tiny_plan(f"active.strategy={strategy}", "network.dropout=0")
    with pytest.raises(PlanError, match="network.dropout = 0 makes them all the same"):
        run_active(cohort, plan, tmp_path / "run")
    assert not (tmp_path / "run").exists()
