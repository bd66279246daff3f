"""The engines: processes here, Ray on two nodes, the same results either way; what dies, what is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.files import read_json
from fibrostage.study import workers as local
from fibrostage.study.engines import engine_named
from fibrostage.study.grid_file import Run, cells, load_study
from fibrostage.study.ray_engine import RayEngine, execute_there
from fibrostage.study.run_study import run_study
from tests.study.test_study import STUDY

pytestmark = pytest.mark.usefixtures("in_processes")


@pytest.fixture
def file(cohort: Cohort, tmp_path: Path) -> Path:
    text = STUDY.format(cohort=cohort.path).replace('[["LSTE"], ["LSTE", "LUS"]]', '[["LSTE"]]')
    (tmp_path / "study.toml").write_text(text)
    return tmp_path / "study.toml"


def test_ray_on_two_nodes_gives_the_same_results(file: Path, two_nodes: str) -> None:
    here = run_study(file, file.parent / "here")
    there = run_study(file, file.parent / "there", engine=RayEngine(two_nodes))
    assert here.equals(there)
    for name in ("curves.parquet", "efficiency.parquet"):
        assert pl.read_parquet(file.parent / "here" / name).equals(pl.read_parquet(file.parent / "there" / name))
    # a run that cannot be made is a failure with its reason, and does not stop the rest
    bad = file.with_name("bad.toml")
    bad.write_text(file.read_text().replace("seeds = [0, 1]", "seeds = [0]\nfolds = [0, 7]"))
    run_study(bad, file.parent / "bad", engine=RayEngine(two_nodes))
    failures = read_json(file.parent / "bad" / "study.json")["failures"]
    assert len(failures) == 2
    assert all("active.fold = 7" in reason for reason in failures.values())
    with pytest.raises(RunError, match="--gpus 0.5 at a time, but the cluster has 0"):
        run_study(file, file.parent / "none", engine=RayEngine(two_nodes, 0.5))


def test_a_node_without_the_folder_says_so(file: Path) -> None:
    study, cohort = load_study(file)
    run = cells(study, cohort, file.parent / "out")[0]
    reason = execute_there(run)
    assert reason is not None
    assert "does not see" in reason
    assert "same path on every node" in reason


def test_no_cluster_at_an_address(file: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(RunError, match=r"no Ray cluster at 127\.0\.0\.1:1"):
        run_study(file, file.parent / "out", engine=RayEngine("127.0.0.1:1"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rai", None, 0.0), "--engine 'rai', did you mean 'ray'"),
        (("local", "auto", 0.0), "belong to --engine ray"),
        (("local", None, 1.0), "belong to --engine ray"),
    ],
)
def test_engines_have_names(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        engine_named(*arguments)


def dies(run: Run) -> str | None:
    """In place of `execute`: the first run's process is killed as the system kills one that takes all memory."""
    from fibrostage.study.run_one import execute

    if run.plan.seed == 0 and run.plan.active.strategy == "random":
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(run)


def test_a_process_that_dies_costs_its_own_run(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "execute_in_worker", dies)
    results = run_study(file, file.parent / "out")
    assert dict(zip(results["strategy"], results["runs"], strict=True)) == {"random": 1, "esd": 2}
    failures = read_json(file.parent / "out" / "study.json")["failures"]
    assert list(failures.values()) == ["its process was ended from outside, twice (is there enough memory?)"]


def test_a_study_told_to_end_ends(file: Path) -> None:
    """Within seconds, its workers too, though their runs would take minutes; and goes on where it was."""
    out = file.parent / "out"
    command = [
        sys.executable,
        "-m",
        "fibrostage",
        "study",
        str(file),
        "--out",
        str(out),
        "--set",
        "training.epochs=30000",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(out.glob("runs/*/ledger.sqlite"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    assert process.wait(20) == 143
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
