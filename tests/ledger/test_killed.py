"""Runs that survive being killed anywhere, with the ledger in a file or in PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError
from fibrostage.ledger.events import Event
from fibrostage.ledger.export import export
from fibrostage.ledger.ledger import FILE, Ledger, read_events
from fibrostage.ledger.state import State, replay
from fibrostage.plan.run_plan import Plan
from fibrostage.study.run_one import THREADS

Build = Callable[..., Plan]


class Forker:
    """Runs in processes of their own, begun in no time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ledger.forking"],
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
    wanted, got = replay(read_events(whole)), replay(read_events(out, url))
    for name in State.__dataclass_fields__:
        assert getattr(wanted, name) == getattr(got, name), name
    assert json.loads((whole / "metrics.json").read_text()) == json.loads((out / "metrics.json").read_text())
    assert pl.read_parquet(whole / "curve.parquet").equals(pl.read_parquet(out / "curve.parquet"))
    assert pl.read_parquet(whole / "predictions.parquet").equals(pl.read_parquet(out / "predictions.parquet"))
    assert len(list(out.glob("state-*"))) == 1


def test_a_state_that_a_killed_run_forgot_to_remove_goes(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    """The moment between a round's last event and the removal of the state before it, in the last round too."""
    plan, out = tiny_plan("training.epochs=2", "active.rounds=2", "active.passes=2"), tmp_path / "run"
    run_active(cohort, plan, out)
    (last,) = out.glob("state-*")
    shutil.copy(last, out / "state-0.safetensors")
    run_active(cohort, plan, out, resume=True)
    assert list(out.glob("state-*")) == [last]


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
