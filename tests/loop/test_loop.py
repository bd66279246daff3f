"""A loop of months: questions that wait, answers of all kinds, exams that join, readings that differ, an end."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import CohortError, FibrostageError, PlanError, RunError
from fibrostage.ledger.export import export
from fibrostage.ledger.ledger import Ledger, read_events
from fibrostage.loop.answers import Answer, read_answers, settle, take, withdraw
from fibrostage.loop.fitting import fit, stop
from fibrostage.loop.joining import add
from fibrostage.loop.opened import Loop, begin, open_loop
from fibrostage.loop.questions import next_question
from fibrostage.loop.status import status
from fibrostage.loop.worklist import write_sheet, write_worklist
from tests.conftest import Cut
from tests.loop import SMALL

KNOWN = (0, 1, 2, 3, 4)
ASKS = (*SMALL, "active.initial=4", "active.query=4", "loop.cross_fit=2")


def started(cut: Cut, tmp_path: Path, *more: str, known: tuple[int, ...] = KNOWN, patients: int = 20) -> Loop:
    return begin(cut("clinic", range(patients), known=known).path, tmp_path / "loop", {}, [*ASKS, *more])


def answered(loop: Loop, cohort: Cohort, who: str = "Dr A", stage: str = "") -> None:
    """Answers everything that waits, as the archive has it."""
    truth = dict(zip(cohort.patient_ids, cohort.patients["stage"], strict=True))
    asked, _ = next_question(loop)
    take(loop, [Answer(stage or truth[item.patient_id], patient_id=item.patient_id) for item in asked.items], who)


def test_the_question_waits_and_says_why(cut: Cut, tmp_path: Path) -> None:
    with started(cut, tmp_path) as loop:
        first, closed = next_question(loop)
        assert closed is None
        assert len(first.items) == 4
    with open_loop(tmp_path / "loop") as loop:
        again, _ = next_question(loop, 9)
        assert again == first, "the same question until it is answered, whatever is asked for"
    one = first.as_dict()
    assert one["round"] == 0
    item = first.items[0]
    assert item.item == item.patient_id
    assert sum(item.probabilities.values()) == pytest.approx(1, abs=1e-3)  # type: ignore[union-attr]
    assert "wavers between" in item.why
    assert item.cost == 1
    assert len(item.images) == 5
    assert {one.split("-")[0] for one in item.images} == {"LSTE", "LUS"}


def test_answers_come_as_they_come(cut: Cut, tmp_path: Path, cohort: Cohort) -> None:
    with started(cut, tmp_path) as loop:
        asked, _ = next_question(loop)
        ids = [item.patient_id for item in asked.items]
        other = next(one for one in loop.patient_ids[5:] if one not in ids)
        answers = [
            Answer("F1", patient_id=ids[0], comment="good windows"), Answer("unusable", patient_id=ids[1]),
            Answer("Unsure", item=ids[2]), Answer("F4", patient_id=other),
        ]  # fmt: skip
        taken = take(loop, answers, "Dr A")
        assert (taken.asked, taken.unasked, taken.unusable, taken.unsure, taken.waiting) == (3, 1, 1, 1, 1)
        assert take(loop, answers, "Dr A").repeated == 4, "the same answer twice is one answer"
        again = take(loop, [Answer("F3", patient_id=ids[0])], "Dr B")
        assert again.again == 1
        assert again.disputed == (ids[0],)
        assert "dispute" in status(loop).sentence
        settle(loop, ids[0], "F3", "Dr C")
        assert loop.state.disputed == ()
        reading = loop.state.readings[loop.items.number([ids[0]])][0]
        assert (reading.comment, reading.who) == ("good windows", "Dr A")
        stands = status(loop)
        assert stands.by_stage == {"F0": 0, "F1": 0, "F2": 0, "F3": 1, "F4": 1}
        assert stands.readers == {"Dr A": 4, "Dr B": 1}
        assert withdraw(loop, other, "Dr A", "wrong patient") == 1
        assert status(loop).labels == 1
        assert status(loop).cost == 4, "what was paid stays paid"
        closed = fit(loop)
        assert closed.items == 1
        more, _ = next_question(loop)
        assert ids[3] in [item.patient_id for item in more.items], "what is unanswered stays asked for"
    export(tmp_path / "loop", tmp_path / "answers.csv")
    rows = list(csv.DictReader((tmp_path / "answers.csv").open()))
    assert {row["item"]: row["answer"] for row in rows} == {ids[0]: "labelled", ids[1]: "rejected", ids[2]: "rejected"}


def wrong_answers(loop: Loop) -> list[tuple[list[Answer], str]]:
    asked, _ = next_question(loop)
    name = asked.items[0].patient_id
    return [
        ([Answer("F5", patient_id=name)], "stage 'F5'.*allowed are F0, F1, F2, F3, F4, unusable, unsure"),
        ([Answer("F1", patient_id="P999")], "no cohort of this loop has a patient 'P999'"),
        ([Answer("F1", item="abc")], "item 'abc' was never asked for"),
        ([Answer("F1")], "neither an item nor a patient"),
        ([Answer("F1", patient_id=name), Answer("F2", patient_id=name)], "a second, different answer"),
        ([Answer("F1", patient_id=name), Answer("F9", patient_id=name, where="row 3")], "nothing was stored: row 3"),
        ([Answer("F1", item=name, patient_id="P001")], "is of patient"),
    ]


def test_wrong_answers_are_named_and_nothing_is_stored(cut: Cut, tmp_path: Path) -> None:
    with started(cut, tmp_path) as loop:
        for answers, message in wrong_answers(loop):
            before = loop.state
            with pytest.raises(RunError, match=message):
                take(loop, answers, "Dr A")
            assert loop.state is before
        with pytest.raises(RunError, match="somebody who gave it"):
            take(loop, [Answer("F1", patient_id="P006")], " ")
        with pytest.raises(RunError, match="has no answer to withdraw"):
            withdraw(loop, "P006", "A", "?")
        with pytest.raises(RunError, match="has no reading to settle"):
            settle(loop, "P006", "F1", "A")


def test_worklists_go_out_and_come_back(cut: Cut, tmp_path: Path) -> None:
    with started(cut, tmp_path) as loop:
        asked, _ = next_question(loop)
        write_worklist(asked, tmp_path / "w.csv")
        page = write_sheet(loop, asked, tmp_path / "sheet").read_text()
        for item in asked.items:
            assert item.patient_id in page
            assert item.why not in page, "readers are not told what the model thinks"
        assert len(list((tmp_path / "sheet/pictures").iterdir())) == sum(len(item.images) for item in asked.items)
        with pytest.raises(RunError, match="somebody may be filling it in"):
            write_worklist(asked, tmp_path / "w.csv")
        with pytest.raises(RunError, match="is not empty"):
            write_sheet(loop, asked, tmp_path / "sheet")
        rows = list(csv.DictReader((tmp_path / "w.csv").open()))
        assert "why" not in rows[0]
        assert "score" not in rows[0]
        with pytest.raises(RunError, match="no row has a stage yet"):
            read_answers(tmp_path / "w.csv", loop)
        rows[0]["stage"], rows[1]["stage"] = "F2", "unsure"
        filled(tmp_path / "w.csv", rows)
        answers, blank = read_answers(tmp_path / "w.csv", loop)
        assert blank == 2
        assert take(loop, answers, "Dr A").waiting == 2
        filled(tmp_path / "other.csv", [row | {"loop": "12345678"} for row in rows])
        with pytest.raises(RunError, match="is of loop 12345678, this one is"):
            read_answers(tmp_path / "other.csv", loop)
        (tmp_path / "bare.csv").write_text("name,stage\nx,F1\n")
        with pytest.raises(RunError, match="needs a column patient_id or item"):
            read_answers(tmp_path / "bare.csv", loop)
        (tmp_path / "empty.csv").write_text("")
        with pytest.raises(RunError, match="cannot read the answers"):
            read_answers(tmp_path / "empty.csv", loop)


def filled(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_audits_are_a_fifth_and_nobody_learns_from_them(cut: Cut, tmp_path: Path, cohort: Cohort) -> None:
    with started(cut, tmp_path, "loop.audit=0.25", known=()) as loop:
        for _ in range(4):
            answered(loop, cohort)
        state, reserve = loop.state, loop.setting.reserve
        assert len(reserve.drawn) == 5
        assert [len(query.audit) for query in state.issued] == [1, 1, 1, 1]
        drawn = [int(loop.units.patient_of(item)) for query in state.issued for item in query.audit]
        assert drawn == reserve.drawn[:4].tolist(), "audits come in the order of the draw"
        asked = {int(loop.units.patient_of(item)) for query in state.issued for item in query.items}
        assert asked & set(reserve.drawn.tolist()) == set(drawn), "the strategy never gets them"
        fit(loop)
        saved = loop.state.measured[-1]
        assert saved["n_audit"] == 4
        assert saved["n_asked"] == 12
        from fibrostage.campaign.rounds import taught

        owners = {int(loop.units.patient_of(item)) for item in taught(loop.setting, loop.state)}
        assert not owners & set(drawn)
        stop(loop, "lead", "enough")
        assert loop.state.stopped == "enough"
        assert set(drawn) <= {int(loop.units.patient_of(item)) for item in taught(loop.setting, loop.state)}
        assert loop.state.measured[-1] == saved, "a model that learned from the audits is not measured by them"
        assert next_question(loop)[0].items == ()
        assert "has ended: enough" in status(loop).sentence


def test_a_loop_without_audits_is_measured_by_nothing(cut: Cut, tmp_path: Path, cohort: Cohort) -> None:
    with started(cut, tmp_path, "loop.audit=0") as loop:
        asked, _ = next_question(loop)
        other = next(one for one in loop.patient_ids[5:] if one not in [item.patient_id for item in asked.items])
        take(loop, [Answer("F4", patient_id=other)], "surgery")
        answered(loop, cohort)
        fit(loop)
        stands = status(loop)
        assert (stands.labels, stands.audited, stands.n_audit) == (5, 0, 0)
        assert stands.estimates["audit"]["accuracy"].value is None
        assert stands.curve == ()


def test_exams_join_and_everything_keeps_its_name(cut: Cut, tmp_path: Path, cohort: Cohort) -> None:
    with started(cut, tmp_path, patients=12) as loop:
        answered(loop, cohort)
        closed = fit(loop)
        asked, _ = next_question(loop, 2)
        waiting, wanted = asked.items[0].patient_id, {item.patient_id for item in asked.items}
        labels = {loop.patient_id(item): stage for item, stage in loop.state.labels.items()}
        audits = [loop.patient_ids[row] for row in loop.setting.reserve.drawn]
        before = [query.items for query in loop.state.issued]
        untold = [one for one in loop.patient_ids[5:] if one not in labels and one not in wanted]
        answered_one, changed = next(iter(labels)), loop.patient_ids[0]
    later = cut(
        "later", [*range(12), *range(12, 20)], known=(13,),
        stages={waiting: "F2", untold[0]: "F4", answered_one: "F0", changed: "F3", cohort.patient_ids[1]: "F1"},
    )  # fmt: skip
    joined = add(tmp_path / "loop", later.path)
    assert (joined.patients, joined.pictures, joined.again) == (8, 8 * 5, 12 * 5 - 3)
    assert len(joined.conflicts) == (1 if labels[answered_one] == 0 else 2)
    with open_loop(tmp_path / "loop") as loop:
        assert len(loop.patient_ids) == 20
        stands = {loop.patient_id(item): loop.classes[stage] for item, stage in loop.state.labels.items()}
        assert {one: stands[one] for one in labels} == {one: loop.classes[stage] for one, stage in labels.items()}
        assert stands[waiting] == "F2", "a stage that came answers the question"
        assert stands[untold[0]] == "F4"
        assert loop.items.number([untold[0]]) in loop.state.volunteered
        assert loop.items.number([changed]) in loop.state.disputed
        assert loop.state.labels[loop.items.number([changed])] == 0, "the first stage stands until it is settled"
        assert cohort.patient_ids[13] not in stands, "a newcomer with a stage is known, and no answer"
        assert loop.items.patient(cohort.patient_ids[13]) in loop.setting.known
        assert [loop.patient_ids[row] for row in loop.setting.reserve.drawn if row < 12] == audits
        assert len(loop.state.issued) == len(before)
        assert loop.state.closed[0] == closed
        answered(loop, cohort)
        assert next_question(loop)[0].items, "the model of the larger cohort asks on"
    again = add(tmp_path / "loop", later.path)
    assert again.moved
    shutil.move(later.path, tmp_path / "elsewhere")
    with pytest.raises(CohortError, match="loop add"):
        open_loop(tmp_path / "loop")
    assert add(tmp_path / "loop", tmp_path / "elsewhere").moved
    open_loop(tmp_path / "loop").leave()


@pytest.mark.parametrize("unit", ["image", "candidate"])
def test_items_of_pictures_survive_a_patients_new_pictures(cut: Cut, tmp_path: Path, cohort: Cohort, unit: str) -> None:
    first = cut("first", range(8), modalities=("LSTE", "LUS") if unit == "candidate" else ("LUS",))
    with begin(first.path, tmp_path / "loop", {}, [*ASKS, f"active.unit={unit}", "loop.audit=0"]) as loop:
        asked, _ = next_question(loop)
        take(loop, [Answer("F1", item=item.item) for item in asked.items], "Dr A")
        before = {loop.text(item): loop.items.name(item) for item in loop.state.labels}
    add(tmp_path / "loop", cut("second", [5, 9, 2, 7]).path)
    with open_loop(tmp_path / "loop") as loop:
        assert {loop.text(item): loop.items.name(item) for item in loop.state.labels} == before
        assert next_question(loop)[0].items


def test_who_cannot_join_is_told_why(cut: Cut, tmp_path: Path, cohort: Cohort) -> None:
    started(cut, tmp_path, patients=10).leave()
    events = read_events(tmp_path / "loop")
    with pytest.raises(CohortError, match="they never mix"):
        add(tmp_path / "loop", cut("phantoms", [12, 13], simulated=True).path)
    with pytest.raises(CohortError, match="is not a cohort"):
        add(tmp_path / "loop", tmp_path / "nowhere")
    with pytest.raises(RunError, match="is no loop"):
        add(tmp_path / "clinic", cut("more", [12, 13]).path)
    assert read_events(tmp_path / "loop") == events


def test_what_a_loop_cannot_begin_with(cut: Cut, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="there is nobody to ask about"):
        begin(cut("all", range(8), known=range(8)).path, tmp_path / "a", {}, ASKS)
    with pytest.raises(PlanError, match="staging.task is not for a loop"):
        begin(cut("some", range(8), known=(0, 1)).path, tmp_path / "a", {}, [*ASKS, "staging.task=F2"])
    with pytest.raises(PlanError, match='leave it "train"'):
        begin(tmp_path / "some", tmp_path / "a", {}, [*ASKS, "loop.known=split"])
    with pytest.raises(PlanError, match="oracle.error: loop does not read"):
        begin(tmp_path / "some", tmp_path / "a", {}, [*ASKS, "oracle.error=0.1"])
    assert not (tmp_path / "a").exists()
    started(cut, tmp_path).leave()
    with pytest.raises(RunError, match="is not empty"):
        begin(tmp_path / "some", tmp_path / "loop", {}, ASKS)


def test_a_plan_that_was_changed_is_refused(cut: Cut, tmp_path: Path) -> None:
    started(cut, tmp_path).leave()
    plan = json.loads((tmp_path / "loop/plan.json").read_text())
    plan["active"]["strategy"] = "random"
    (tmp_path / "loop/plan.json").write_text(json.dumps(plan))
    with pytest.raises(RunError, match=r"plan\.json was changed since the loop was begun"):
        open_loop(tmp_path / "loop")


def test_two_at_once_are_told(cut: Cut, tmp_path: Path) -> None:
    with started(cut, tmp_path), pytest.raises(RunError, match="is in use"):
        open_loop(tmp_path / "loop")


def test_a_disk_that_fills_loses_no_answer_that_was_confirmed(
    cut: Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(cut, tmp_path) as loop:
        asked, _ = next_question(loop)
        take(loop, [Answer("F1", patient_id=asked.items[0].patient_id)], "Dr A")
        before = loop.state

        def full(*_: object) -> None:
            raise RunError("cannot write: database or disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(loop.campaign._ledger.store, "write", full)
            with pytest.raises(FibrostageError, match="disk is full"):
                take(loop, [Answer("F2", patient_id=asked.items[1].patient_id)], "Dr A")
        assert loop.state is before
        assert take(loop, [Answer("F2", patient_id=asked.items[1].patient_id)], "Dr A").asked == 1
    with open_loop(tmp_path / "loop") as loop:
        assert len(loop.state.labels) == 2


def test_the_curve_and_what_more_would_bring(cut: Cut, tmp_path: Path, cohort: Cohort) -> None:
    with started(cut, tmp_path, "active.initial=3", "active.query=3", "loop.audit=0.34") as loop:
        assert "Nothing has been measured yet" in status(loop).sentence
        for _ in range(5):
            answered(loop, cohort)
        next_question(loop)
        stands = status(loop)
        assert [point.labels for point in stands.curve] == [3, 6, 9, 12, 15]
        assert {point.n for point in stands.curve} == {stands.audited} == {5}
        assert set(stands.estimates) == {"audit", "weighted", "naive"}
        assert stands.estimates["audit"]["accuracy"].value is not None
        assert stands.gains[10].value is not None
        assert "Nobody is left to ask about" in stands.sentence
        json.dumps(stands.as_dict(), allow_nan=False)


def test_a_ledger_of_names_is_read_without_its_cohorts(cut: Cut, tmp_path: Path, cohort: Cohort) -> None:
    with started(cut, tmp_path) as loop:
        answered(loop, cohort)
    shutil.rmtree(tmp_path / "clinic")
    export(tmp_path / "loop", tmp_path / "events.jsonl")
    again = tmp_path / "again"
    shutil.copytree(tmp_path / "loop", again)
    for left in again.glob("ledger*"):
        left.unlink()
    from fibrostage.ledger.restore import can_go_on, restore_events

    assert restore_events(tmp_path / "events.jsonl", again) == len(read_events(tmp_path / "loop"))
    assert can_go_on(again)
    ledger = Ledger(again)
    assert len(ledger.state().labels) == 4
    ledger.close()
    assert np.isin(list(ledger.state().labels.values()), range(5)).all()
