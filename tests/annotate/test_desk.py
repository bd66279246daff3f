"""What is handed to whom: nothing twice by accident, everything twice on purpose, nothing lost."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from fibrostage.annotate.accounts import Accounts
from fibrostage.annotate.background import QUEUE
from fibrostage.annotate.desk import Desk, NotYoursError, Told
from fibrostage.ground.errors import RunError
from fibrostage.ledger.ledger import read_events
from fibrostage.loop.reading import next_item, repetition
from fibrostage.loop.status import status

Opened = Callable[..., Desk]


def read_all(desk: Desk, who: str, stage: str = "F2") -> int:
    """Answers everything that waits for a reader; returns how many exams that were."""
    count = 0
    while (exam := desk.exam(who)) is not None:
        desk.answer(who, exam.token, Told(stage, seconds=3.2))
        count += 1
        if count == 6:
            break
    return count


def test_two_readers_never_have_the_same_exam(opened: Opened) -> None:
    desk = opened()
    held = [desk.exam("A"), desk.exam("A"), desk.exam("B"), desk.exam("C")]
    tokens = [exam.token for exam in held if exam]
    assert tokens[0] == tokens[1], "the open exam stays open"
    assert len(set(tokens)) == 3
    follow = desk.exam("A", after=tokens[0])
    assert follow is not None
    assert follow.token not in tokens
    assert desk.exam("A", after=tokens[0]) == follow, "one exam ahead, and not more"
    pictures = [exam.hashes for exam in (held[0], held[2], held[3], follow) if exam]
    assert len(frozenset().union(*pictures)) == sum(map(len, pictures))


def test_an_exam_says_nothing_of_who_it_is(opened: Opened) -> None:
    desk = opened()
    exam = desk.exam("A")
    assert exam is not None
    assert not any(patient in repr(exam) for patient in desk.loop.patient_ids)
    assert exam.readings == ()


def test_an_answer_is_stored_once_with_its_time_comment_and_boxes(opened: Opened) -> None:
    desk = opened()
    exam = desk.exam("A")
    assert exam is not None
    sha = next(iter(exam.hashes))
    told = Told("F3", "good windows", seconds=12.34, boxes={sha: (1, 2, 10, 11), "0" * 64: (1, 1, 1, 1)})
    desk.answer("A", exam.token, told)
    desk.answer("A", exam.token, told)  # the network was slow, and somebody pressed again
    answers = [event for event in read_events(desk.folder) if event.kind == "labelled"]
    assert len(answers) == 1
    assert answers[0].payload["seconds"] == 12.3
    assert answers[0].payload["comment"] == "good windows"
    assert answers[0].payload["boxes"] == {sha: [1, 2, 10, 11]}, "boxes of pictures of other exams are left out"
    undone = desk.undo("A")
    assert undone is not None
    from fibrostage.loop.readings_table import write_boxes

    assert write_boxes(desk.loop, desk.folder, desk.folder / "boxes.csv") == 1
    assert ",1,2,10,11,A," in (desk.folder / "boxes.csv").read_text()
    boxes = {picture.sha: picture.box for modality in undone.modalities for picture in modality.pictures}
    assert boxes[sha] == (1, 2, 10, 11), "a box that was moved is shown where it was put"


def test_another_readers_exam_cannot_be_answered(opened: Opened) -> None:
    desk = opened()
    exam = desk.exam("A")
    assert exam is not None
    for who, token in (("B", exam.token), ("A", "x"), ("A", "")):
        with pytest.raises(NotYoursError):
            desk.answer(who, token, Told("F1"))
        with pytest.raises(NotYoursError):
            desk.skip(who, token)
    with pytest.raises(RunError, match="allowed are F0"):
        desk.answer("A", exam.token, Told("F7"))
    assert desk.exam("A") == exam, "and it is still open"


def test_an_exam_comes_back_when_its_reader_walks_away(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    import fibrostage.annotate.accounts as accounts

    desk = opened()
    first = desk.exam("A")
    assert first is not None
    now = accounts.now()
    monkeypatch.setattr(accounts, "now", lambda: now + 31 * 60)
    other = desk.exam("B")
    assert other is not None
    assert other.hashes == first.hashes
    with pytest.raises(NotYoursError, match="its time ran out"):
        desk.answer("A", first.token, Told("F1"))


def test_undo_takes_back_and_asks_again(opened: Opened) -> None:
    desk = opened()
    assert desk.undo("A") is None
    exam = desk.exam("A")
    assert exam is not None
    ahead = desk.exam("A", exam.token)
    desk.answer("A", exam.token, Told("F1"))
    again = desk.undo("A")
    assert again is not None
    assert again.hashes == exam.hashes
    assert desk.loop.state.labels == {}
    desk.answer("A", again.token, Told("F2"))
    assert list(desk.loop.state.labels.values()) == [2]
    follow = desk.exam("A")
    assert ahead is not None
    assert follow is not None
    assert follow.hashes == ahead.hashes, "what was next is next"
    kinds = [event.kind for event in read_events(desk.folder)]
    assert kinds.count("undone") == 1


def test_what_was_skipped_comes_last(opened: Opened) -> None:
    desk = opened()
    first = desk.exam("A")
    assert first is not None
    desk.skip("A", first.token)
    seen = []
    for _ in range(6):
        exam = desk.exam("A")
        assert exam is not None
        seen.append(exam.hashes)
        desk.answer("A", exam.token, Told("F1"))
    assert seen[-1] == first.hashes
    assert seen.count(first.hashes) == 1


def test_two_read_each_exam_where_two_are_asked_for(opened: Opened) -> None:
    desk = opened("loop.readers=2")
    assert read_all(desk, "A", "F1") == 6
    assert desk.exam("A") is None, "one reads an exam once"
    assert read_all(desk, "B", "F3") == 6
    assert desk.exam("C") is None
    assert len(desk.disputes()) == 6
    one = desk.disputes()[0]
    assert one.readings == ("F1", "F3")
    assert "A" not in one.readings
    desk.settle(one.token, "F2", "Dr Lead")
    assert len(desk.disputes()) == 5
    with pytest.raises(RunError, match="nobody differs"):
        desk.settle(one.token, "F2", "Dr Lead")
    from fibrostage.campaign.rounds import ballots, taught

    learned = taught(desk.loop.setting, desk.loop.state)
    assert len(learned) <= 1, "what is in dispute is not learned from"
    assert ballots(desk.loop.setting, desk.loop.state, learned) == [[2]] if learned else True


def test_votes_count_by_their_share(opened: Opened) -> None:
    desk = opened("loop.readers=2", "loop.teach=votes", "loop.audit=0")
    read_all(desk, "A", "F1")
    for _ in range(2):
        exam = desk.exam("B")
        assert exam is not None
        desk.answer("B", exam.token, Told("F3"))
    from fibrostage.campaign.rounds import ballots, taught

    state = desk.loop.state
    told = ballots(desk.loop.setting, state, taught(desk.loop.setting, state))
    assert len(told) == 2, "each item counts twice: two votes, or one twice"
    assert [sorted(pair) for pair in zip(*[each.tolist() for each in told], strict=True)] == [[1, 3]] * 2 + [[1, 1]] * 4


def test_some_are_read_twice_by_the_same_reader(opened: Opened) -> None:
    desk = opened("loop.repeats=0.2", "active.initial=12", patients=20)
    for _ in range(11):
        exam = desk.exam("A")
        assert exam is not None
        desk.answer("A", exam.token, Told("F2"))
    state = desk.loop.state
    twice = [item for item, readings in state.readings.items() if len(readings) == 2]
    assert len(twice) in (1, 2)
    assert repetition(state, "A", 0.0) is None
    assert state.disputed == ()
    assert next_item(state, "B", 1, 0.2, {}) is not None


def test_the_page_of_a_killed_server_goes_on(opened: Opened) -> None:
    desk = opened()
    exam = desk.exam("A")
    assert exam is not None
    desk.answer("A", exam.token, Told("F1"))
    held = desk.exam("A")
    stale = desk.accounts.lease(desk.loop.text(next(iter(desk.loop.state.labels))), "A", 30, False)
    desk.loop.leave()
    again = opened()
    assert again.exam("A") == held, "what was open is open"
    again.answer("A", exam.token, Told("F1"))
    assert len(again.loop.state.labels) == 1, "an answer that was confirmed is not stored twice"
    assert stale.token


def fitted_beside(desk: Desk) -> None:
    """A reader answers all that was asked, and the worker's model asks the next question."""
    assert read_all(desk, "A", "F2") == 6
    assert desk.exam("A") is None
    assert desk.background.busy, "everything is answered: a model is wanted"
    for _ in range(900):
        desk.tick()
        if not desk.background.busy:
            break
        time.sleep(0.2)
    assert desk.fault == ""
    assert len(desk.loop.state.closed) == 1
    assert len(desk.loop.state.issued) == 2
    assert desk.exam("A") is not None
    assert status(desk.loop).rounds == 1
    assert desk.loop.setting.run.model_file().is_file()


def test_the_next_question_comes_from_a_model_fitted_beside(opened: Opened) -> None:
    desk = opened()
    fitted_beside(desk)
    assert (desk.folder / QUEUE).is_file()


def test_with_a_ledger_in_postgresql_the_queue_is_there_too(opened: Opened, postgres: str) -> None:
    from sqlalchemy import create_engine, text

    desk = opened(url=postgres)
    fitted_beside(desk)
    assert not (desk.folder / QUEUE).exists(), "nothing of the queue lies beside the loop"
    with create_engine(postgres.replace("postgresql://", "postgresql+psycopg://")).connect() as database:
        tables = set(database.execute(text("select tablename from pg_tables")).scalars())
        waiting = database.execute(text("select count(*) from huey_task")).scalar()
    assert {"huey_task", "huey_kv"} <= tables
    assert waiting == 0, "what was wished for was done"


def test_accounts_keep_no_secret(opened: Opened) -> None:
    desk = opened()
    link = desk.accounts.invite("Bo", "reader")
    desk.accounts.accept(link, "correct horse battery")
    session = desk.accounts.begin_session(desk.accounts.readers()[0])
    content = b"".join(path.read_bytes() for path in desk.folder.glob("readers.sqlite*"))
    for secret in (link, session, "correct horse battery"):
        assert secret.encode() not in content
    assert desk.accounts.check("Bo", "correct horse battery") is not None
    assert desk.accounts.check("Bo", "wrong horse battery") is None
    assert desk.accounts.check("Nobody", "correct horse battery") is None
    with pytest.raises(RunError, match="was used"):
        desk.accounts.accept(link, "another password")
    for name, role, message in (
        ("", "reader", "1 to 80"),
        ("x" * 81, "reader", "1 to 80"),
        ("Bo", "boss", "allowed are"),
    ):
        with pytest.raises(RunError, match=message):
            desk.accounts.invite(name, role)
    with pytest.raises(RunError, match="10 to 200"):
        desk.accounts.accept(desk.accounts.invite("Cy", "reader"), "short")
    assert isinstance(desk.accounts, Accounts)


def test_the_colour_bar_runs_from_its_top_down() -> None:
    from fibrostage.cohort.colour_bar import ColourBar, bar_of

    row = {"bar_colours": "0000ff00ff00ff0000", "bar_top": 4.0, "bar_unit": "m/s"}
    assert bar_of(row) == ColourBar(("#ff0000", "#00ff00", "#0000ff"), ("4 m/s", "2", "0"))
    assert bar_of({}) is None, "a cohort of before"
    assert bar_of(row | {"bar_colours": None, "bar_top": None}) is None
