"""The ledger: a pure fold, a chain that shows damage, a lock, and runs that survive being killed anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fibrostage.active.query_units import Units
from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.learn.train import make_task
from fibrostage.ledger.events import Event, State, chained, fold, sound_part
from fibrostage.ledger.export import carry, export, restore_events
from fibrostage.ledger.ledger import FILE, Ledger, read_events
from fibrostage.plan.run_plan import Plan
from fibrostage.study.run_one import THREADS

Build = Callable[..., Plan]
QUICK = ("training.epochs=2", "active.rounds=3", "active.passes=3")


def history(choices: list[int]) -> list[Event]:
    """A history that can happen, made of small numbers."""
    events, pending, labelled, fresh, round_ = [Event("opened", -1, payload={"unit": "candidate"})], [], [], 0, 0
    for choice in choices:
        if choice % 5 == 0:
            items = list(range(fresh, fresh + 1 + choice % 3))
            fresh += len(items)
            events.append(Event("issued", round_, payload={"items": items, "strategy": "esd"}))
            pending += items
        elif choice % 5 == 1 and pending:
            item = pending.pop(choice % len(pending))
            events.append(Event("labelled", round_, "archive", item, choice % 4))
            labelled.append(item)
        elif choice % 5 == 2 and pending:
            events.append(Event("rejected", round_, "archive", pending.pop()))
        elif choice % 5 == 3 and labelled:
            events.append(Event("withdrawn", round_, "reader", labelled.pop()))
        elif choice % 5 == 4:
            events += [
                Event("trained", round_, payload={"model": "x"}),
                Event("closed", round_, payload={"round": round_}),
            ]
            round_ += 1
    return events


@given(st.lists(st.integers(0, 999), max_size=40), st.integers(0, 50))
def test_state_is_a_pure_fold(choices: list[int], cut: int) -> None:
    events = history(choices)
    whole = fold(events)
    assert fold(events[cut:], fold(events[:cut])) == whole
    assert fold(events) == whole
    assert set(whole.labels) | set(whole.rejected) <= whole.spent
    assert not set(whole.labels) & set(whole.pending)


def test_what_cannot_follow() -> None:
    start = [Event("opened", -1), Event("issued", 0, payload={"items": [1, 2]})]
    for event, message in (
        (Event("labelled", 0, "a", 3, 1), "item 3 was not asked for"),
        (Event("issued", 1, payload={"items": [2]}), "item 2 is asked for a second time"),
        (Event("withdrawn", 0, "a", 1), "item 1 has no label"),
        (Event("closed", 1), "round 0 is next"),
        (Event("opened", -1), "opened before"),
        (Event("burnt", 0), "kinds are opened, issued"),
    ):
        with pytest.raises(RunError, match=message):
            fold([*start, event])
    labelled = [*start, Event("labelled", 0, "a", 1, 4)]
    with pytest.raises(RunError, match="item 1 was not asked for"):
        fold([*labelled, Event("labelled", 0, "a", 1, 4)])
    again = [*labelled, Event("withdrawn", 0, "a", 1), Event("issued", 1, payload={"items": [1]})]
    assert fold(again).pending == (2, 1), "a withdrawn label's item may be asked for again"
    assert fold(again).spent == {1}, "and was paid for"


def chain(events: list[Event]) -> list[Event]:
    result: list[Event] = []
    for number, event in enumerate(events):
        result.append(chained(replace(event, seq=number, at="now"), result[-1].digest if result else ""))
    return result


def test_a_changed_or_lost_event_is_found_where_it_is() -> None:
    events = chain(history([0, 1, 1, 4, 5, 1, 2]))
    assert sound_part(events) == events
    changed = [*events[:3], replace(events[3], stage=9), *events[4:]]
    assert len(sound_part(changed)) == 3
    assert len(sound_part([*events[:2], *events[3:]])) == 2


def test_an_append_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(Event("opened", -1), Event("issued", 0, payload={"items": [1, 2]}))
    with pytest.raises(RunError, match="not asked for"):
        ledger.append(Event("labelled", 0, "a", 1, 0), Event("labelled", 0, "a", 7, 0))
    assert ledger.state().pending == (1, 2)
    ledger.close()
    assert fold(read_events(tmp_path)).pending == (1, 2)


def test_two_processes_on_one_ledger_are_refused(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    first.append(Event("opened", -1))
    with pytest.raises(RunError, match="in use: another process is at work"):
        Ledger(tmp_path)
    assert len(read_events(tmp_path)) == 1, "looking is allowed"
    first.close()
    second = Ledger(tmp_path)
    second.append(Event("issued", 0, payload={"items": [5]}))
    second.close()


def test_a_writer_that_got_past_the_lock_stores_nothing(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    first.append(Event("opened", -1))
    (tmp_path / "ledger.lock").unlink()
    second = Ledger(tmp_path)
    second.append(Event("issued", 0, payload={"items": [5]}))
    with pytest.raises(RunError, match="written to by another process"):
        first.append(Event("issued", 0, payload={"items": [6]}))
    assert len(read_events(tmp_path)) == 2
    second.close()
    first.close()


# --- damage, export and import


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "truncated":
        content = content[: len(content) * 2 // 3]
    elif how == "overwritten":
        content[:] = b"this is no database " * (len(content) // 20)
    elif how == "zeroed":
        at = len(content) // 2
        content[at : at + 4096] = bytes(4096)
    path.write_bytes(content)


@pytest.fixture(scope="module")
def finished(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.conftest import plan_data

    out = tmp_path_factory.mktemp("finished") / "run"
    run_active(cohort, Plan.parse(plan_data(), QUICK), out)
    for name in (f"{FILE}-wal", f"{FILE}-shm"):
        assert not (out / name).exists(), "a closed ledger is one file"
    return out


@pytest.mark.parametrize("how", ["truncated", "overwritten", "zeroed", "edited"])
def test_a_damaged_ledger_is_said_to_be_and_its_labels_are_carried_over(
    finished: Path, cohort: Cohort, tmp_path: Path, how: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    before = read_events(run)
    if how == "edited":
        with sqlite3.connect(run / FILE) as database:
            database.execute("UPDATE fibrostage_events SET stage = 4 WHERE seq = 9")
    else:
        damage(run / FILE, how)
    plan = Plan.load(run / "plan.json")
    with pytest.raises(RunError, match="ledger"):
        run_active(cohort, plan, run, resume=True)
    if how == "overwritten":
        with pytest.raises(RunError, match="nothing can be read"):
            export(run, tmp_path / "e.jsonl")
        return
    count, sound = export(run, tmp_path / "e.jsonl")
    assert not sound
    saved = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert 3 <= count == len(saved) < len(before)
    assert [line["digest"] for line in saved] == [event.digest for event in before[:count]]
    restore_events(tmp_path / "e.jsonl", run)
    assert (run / f"{FILE}.damaged").is_file()
    assert read_events(run) == before[:count]
    # the round's weights are those of the run's end, so it is the labels that go on, in a new run
    export(run, tmp_path / "labels.csv")
    task = make_task(cohort, plan)
    units = Units("candidate", task.space)
    brought = carry(tmp_path / "labels.csv", units, cohort.patient_ids, plan.staging.resolve().classes)
    curve = run_active(cohort, plan, tmp_path / "again", carried=lambda units: brought)
    assert curve["items"][0] == len(brought.items) == len(fold(before[:count]).labels)
    first = fold(read_events(tmp_path / "again"))
    assert {i: s for i, s in first.labels.items() if first.label_rounds[i] == 0} == fold(before[:count]).labels


def test_events_go_out_and_come_back_bit_for_bit(finished: Path, cohort: Cohort, tmp_path: Path) -> None:
    count, sound = export(finished, tmp_path / "e.jsonl")
    assert sound
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with pytest.raises(RunError, match="is sound and has events"):
        restore_events(tmp_path / "e.jsonl", run)
    for path in run.glob("ledger*"):
        path.unlink()
    assert restore_events(tmp_path / "e.jsonl", run) == count
    assert read_events(run) == read_events(finished)
    again = run_active(cohort, Plan.load(run / "plan.json"), run, resume=True)
    assert again.equals(pl.read_parquet(finished / "curve.parquet"))


def test_bad_imports_and_exports(finished: Path, cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"\.jsonl \(every event\) or \.csv"):
        export(finished, tmp_path / "e.txt")
    export(finished, tmp_path / "e.jsonl")
    with pytest.raises(RunError, match="exists"):
        export(finished, tmp_path / "e.jsonl")
    with pytest.raises(RunError, match="holds no ledger"):
        read_events(tmp_path)
    lines = (tmp_path / "e.jsonl").read_text().splitlines()
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for content, message in (
        ("", "holds no events"),
        ("{not json", "line 1 is not an event"),
        ("\n".join([*lines[:4], lines[4].replace('"round": 0', '"round": 1')]), "line 5 is not as it was exported"),
    ):
        (tmp_path / "bad.jsonl").write_text(content)
        with pytest.raises(RunError, match=message):
            restore_events(tmp_path / "bad.jsonl", run)
    export(finished, tmp_path / "l.csv")
    text = (tmp_path / "l.csv").read_text()
    row = text.splitlines()[1]
    patient = row.split(",")[2]
    units = Units("candidate", make_task(cohort, Plan.load(run / "plan.json")).space)
    classes = ("F0", "F1", "F2", "F3", "F4")
    for content, message in (
        (text.replace("patient_id", "patient"), "lacks the column 'patient_id'"),
        (text.replace(row, row.replace(patient, "P999")), "another cohort's labels"),
        (text.replace(row, row.replace("candidate,", "patient,", 1)), "a label of a patient; this run asks"),
        (text.replace(row, row.replace("labelled,F", "labelled,S")), "stage 'S"),
        (text.replace(row, "candidate,99999" + row[row.index(",", 10) :]), "item '99999'; items run from 0 to"),
        (text + row + "\n", "an item occurs twice"),
        (text.splitlines()[0], "no labels in it"),
    ):
        (tmp_path / "bad.csv").write_text(content)
        with pytest.raises(PlanError, match=message):
            carry(tmp_path / "bad.csv", units, cohort.patient_ids, classes)


# --- killed


class Forker:
    """Runs in processes of their own, begun in no time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.active.forking"],
            cwd=Path(__file__).parents[2],
            env=os.environ | dict.fromkeys(THREADS, "1"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.answer() == "ready"

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(
        self, cohort: Cohort, plan: Path, out: Path, url: str | None, kill_after: float | None = None
    ) -> tuple[int, float]:
        """The run's exit code, −9 when it was killed before its end, and how many seconds it took."""
        assert self.process.stdin is not None
        line = {"cohort": str(cohort.path), "plan": str(plan), "out": str(out), "url": url}
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        child = int(self.answer())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        code, seconds = self.answer().split()
        return int(code), float(seconds)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    made = Forker()
    yield made
    made.close()


def killed_again_and_again(
    forker: Forker, cohort: Cohort, plan: Plan, folder: Path, kills: int, url: str | None = None
) -> tuple[int, int]:
    """Runs that are killed with SIGKILL after random times and resumed, each compared with one left alone.

    Returns how many times one was killed while it ran, and how many got to their end.
    """
    file, whole = folder / "plan.json", folder / "whole"
    file.write_text(plan.canonical())
    code, longest = forker.run(cohort, file, whole, None)
    assert code == 0
    draw = random.Random(0)
    killed = ended = 0
    while killed < kills:
        out = folder / f"run-{ended}"
        code, seconds = forker.run(cohort, file, out, url, draw.uniform(0, 1.05 * longest))
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
        if code == 0:
            compare(whole, out, url)
            ended += 1
            longest = min(longest, 3 * seconds)  # the first run may have waited for a busy machine
    out = folder / f"run-{ended}"
    code, _ = forker.run(cohort, file, out, url)
    assert code == 0
    compare(whole, out, url)
    return killed, ended + 1


def compare(whole: Path, out: Path, url: str | None) -> None:
    """The same queries with the same scores, labels, models and figures, bit for bit."""
    wanted, got = fold(read_events(whole)), fold(read_events(out, url))
    for name in State.__dataclass_fields__:
        assert getattr(wanted, name) == getattr(got, name), name
    assert json.loads((whole / "metrics.json").read_text()) == json.loads((out / "metrics.json").read_text())
    assert pl.read_parquet(whole / "curve.parquet").equals(pl.read_parquet(out / "curve.parquet"))
    assert pl.read_parquet(whole / "predictions.parquet").equals(pl.read_parquet(out / "predictions.parquet"))
    assert len(list(out.glob("state-*"))) == 1


def test_killed_at_fifty_moments_a_run_resumes_to_the_same_everything(
    forker: Forker, cohort: Cohort, tiny_plan: Build, tmp_path: Path
) -> None:
    plan = tiny_plan("training.epochs=6", "active.rounds=6", "active.passes=3", "oracle.unusable=0.1")
    killed, ended = killed_again_and_again(forker, cohort, plan, tmp_path, 50)
    assert killed >= 50
    assert ended >= 2


def test_a_fine_tuned_run_killed_resumes_to_the_same_everything(
    forker: Forker, cohort: Cohort, tiny_plan: Build, tmp_path: Path
) -> None:
    plan = tiny_plan("training.finetune=last", "training.epochs=1", "active.rounds=2", "active.passes=3")
    killed, _ = killed_again_and_again(forker, cohort, plan, tmp_path, 1)
    assert killed >= 1


# --- PostgreSQL


def postgres_programs() -> Path | None:
    """The folder of initdb and postgres."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of the tests' own on 127.0.0.1."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    import psycopg

    folder = Path(tempfile.mkdtemp(prefix="fibrostage-postgres-"))
    as_user = []
    if os.getuid() == 0:  # the server refuses to be run by root
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    port, data = free_port(), folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    subprocess.run([*as_user, programs / "initdb", "-D", data, "-A", "trust", "-U", "tester"], check=True, **quiet)
    where = ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k", folder]
    server = subprocess.Popen([*as_user, programs / "postgres", "-D", data, *map(str, where)], **quiet)
    url = f"postgresql://tester@127.0.0.1:{port}/postgres"
    try:
        for _ in range(150):
            try:
                psycopg.connect(url, connect_timeout=2).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.2)
        yield url
    finally:
        subprocess.run([*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=False, **quiet)
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def test_postgres_holds_many_runs_and_they_survive_kills(
    forker: Forker, cohort: Cohort, tiny_plan: Build, tmp_path: Path, postgres: str
) -> None:
    plan = tiny_plan("training.epochs=4", "active.rounds=4", "active.passes=3")
    killed, ended = killed_again_and_again(forker, cohort, plan, tmp_path, 8, postgres)
    assert killed >= 8
    assert ended >= 1
    run = tmp_path / "run-0"
    assert not (run / FILE).exists()
    with pytest.raises(RunError, match=r"is in postgresql\+psycopg://tester@127.0.0.1:\d+/postgres; name it"):
        read_events(run)
    count, sound = export(run, tmp_path / "e.jsonl", postgres)
    assert sound
    assert count == len(read_events(run, postgres))


def test_postgres_refuses_two_processes_and_says_when_it_is_not_there(tmp_path: Path, postgres: str) -> None:
    first = Ledger(tmp_path, postgres)
    first.append(Event("opened", -1))
    with pytest.raises(RunError, match="in use"):
        Ledger(tmp_path, postgres)
    first.close()
    Ledger(tmp_path, postgres).close()
    for url, message in (
        ("postgresql://tester@127.0.0.1:1/none", "cannot reach"),
        ("mysql://a@b/c", "not"),
        ("nonsense", "is not a database's URL"),
    ):
        (tmp_path / "other").mkdir(exist_ok=True)
        with pytest.raises(RunError, match=message):
            Ledger(tmp_path / "other", url)
