"""runs, doctor, the log, and completion in a shell."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fibrostage import __version__
from fibrostage.results.run_folder import RunFolder
from tests.forked import run
from tests.results.made import made_metrics


@pytest.fixture
def made_run(tmp_path: Path) -> Path:
    made = RunFolder(tmp_path / "all" / "one")
    made.make()
    made.write_plan({})
    made.write_metrics(made_metrics(simulated=True))
    return made.path


def test_runs_are_listed_with_their_figures(made_run: Path) -> None:
    listed = run("runs", made_run.parent)
    assert listed.returncode == 0, listed.stderr
    assert "0.800 [0.700" in listed.stdout
    assert "SIMULATED" in listed.stdout
    (row,) = json.loads(run("runs", made_run.parent, "--json").stdout)["results"]
    assert (row["n"], row["accuracy"]["lo"], row["simulated"]) == (15, 0.7, True)
    missing = run("runs", made_run.parent / "nowhere")
    assert missing.returncode == 1
    assert "no folder" in missing.stderr


def test_the_doctor_says_what_a_bug_report_needs_and_not_whose_machine_it_is(tmp_path: Path) -> None:
    secret = tmp_path / "Mrs-Doe"
    secret.mkdir()
    done = run("doctor", "--json", FIBROSTAGE_WEIGHTS=str(secret), FIBROSTAGE_CACHE=str(secret / "cache"))
    assert done.returncode == 0, done.stderr
    found = {(one["part"], one["name"]): one for one in json.loads(done.stdout)["findings"]}
    assert found["version", "fibrostage"]["said"] == __version__
    assert found["package", "torch"]["fine"]
    assert found["extra", "dicom"]["said"] == "installed"
    assert found["codec", "DICOM, JPEG 2000"]["fine"]
    assert found["weights", "efficientnet_lite0"]["said"].endswith(".pth")
    assert found["variable", "FIBROSTAGE_WEIGHTS"]["said"] == "set"
    assert "cores" in found["device", "cpu"]["said"]
    assert "GiB free" in found["disk", "cache"]["said"]
    assert "Doe" not in done.stdout
    assert platform.node() not in done.stdout
    assert f"/{getpass.getuser()}" not in done.stdout
    assert "versions" not in done.stderr
    assert run("doctor").stdout.count("\n") > 30


def test_a_log_keeps_what_is_said_quiet_or_not(made_run: Path, tmp_path: Path) -> None:
    log = tmp_path / "fibrostage.log"
    empty = tmp_path / "Mrs-Doe"
    empty.mkdir()
    assert run("runs", empty, "--log-file", log, "--quiet").stderr == ""
    first = log.read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+ ", line) for line in first)
    assert first[0].endswith(f"fibrostage {__version__}: runs"), "and not its arguments"
    assert "no run and no study" in first[1]
    wrong = run("report", tmp_path / "nowhere", "--log-file", log)
    assert wrong.returncode == 1
    kept = log.read_text(encoding="utf-8").splitlines()
    assert kept[: len(first)] == first, "what was there stays"
    assert "error: no folder" in kept[-1]


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    done = run("precision", 34, "--log-file", tmp_path / "nowhere" / "log")
    assert done.returncode == 1
    assert "cannot write --log-file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_log_keeps_progress(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run(
        "phantom", tmp_path / "x", "--patients", 5, "--modality", "LUS", "--pictures", 1, "--log-file", log, "-q"
    )
    assert done.returncode == 0, done.stderr
    assert "simulating patients: 5/5" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_can_complete_commands(shell: str) -> None:
    script = "import sys; sys.argv = ['fibrostage']; from fibrostage.cli.app import main; main()"
    asked = {
        "_FIBROSTAGE_COMPLETE": f"complete_{shell}", "COMP_WORDS": "fibrostage doc", "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "fibrostage doc",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **asked}, check=False
    )
    assert "doctor" in done.stdout
