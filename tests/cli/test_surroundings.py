"""Machines that lack something: a line each, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fibrostage.cohort.store import Cohort
from tests.forked import run

FULL = Path("/dev/full")


def run_anew(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """In an interpreter of its own, which reads the variables that say how its streams are encoded."""
    return subprocess.run(
        [sys.executable, "-m", "fibrostage", *map(str, arguments)],
        capture_output=True, text=True, encoding="latin-1", timeout=300, env={**os.environ, **environment}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("command", ["describe", "precision", "train"])
def test_output_degrades_where_it_cannot_be_shown(cohort: Cohort, tmp_path: Path, encoding: str, command: str) -> None:
    arguments: dict[str, tuple[object, ...]] = {
        "describe": ("describe", cohort.path),
        "precision": ("precision", 34),
        "train": (
            "train", cohort.path, "--out", tmp_path / "run", "--set", "network.backbone=tiny",
            "--set", "network.weights=random", "--set", "training.epochs=1", "--set", "evaluation.bootstrap=100",
        ),
    }  # fmt: skip
    done = run_anew(*arguments[command], PYTHONIOENCODING=encoding, PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if command == "train":
        assert (">=F2" if encoding == "ascii" else "F2") in done.stdout


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [("precision", "34", "--json"), ("markers", "--list")])
def test_a_full_disk_under_the_output_is_a_line(arguments: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fibrostage", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr


def test_somebody_without_a_home_folder(cohort: Cohort, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "FIBROSTAGE_CACHE")}
    script = (
        "import pathlib, sys\n"
        "def nobody(): raise RuntimeError('Could not determine home directory.')\n"
        "pathlib.Path.home = nobody\n"
        "from fibrostage.cli.app import main\n"
        f"sys.argv = ['fibrostage', 'train', {str(cohort.path)!r}, '--out', {str(tmp_path / 'run')!r}, "
        "'--set', 'network.backbone=tiny', '--set', 'network.weights=random', '--set', 'training.epochs=1']\n"
        "main()\n"
    )
    environment["TMPDIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("fibrostage-*/features/*.npy"))


@pytest.mark.parametrize(
    ("name", "content", "url", "message"),
    [
        ("ledger.json", "{}", "postgresql://u@h/n", "ledger.json is damaged: it holds no url"),
        (
            "ledger.json",
            '{"run": "x", "url": "postgresql://u@h/n"}',
            "postgresql://u@h/n",
            "'x' is not the name of a run",
        ),
        ("ledger.json", '{"run": "run"}', "", "it holds no url"),
        ("ledger.json", "[", "", "is damaged"),
        ("plan.json", "{}", "postgresql://u@h:port/n", "--ledger is not a database's URL"),
    ],
)
def test_a_ledger_that_cannot_be_followed(
    cohort: Cohort, tmp_path: Path, name: str, content: str, url: str, message: str
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_text("{}")
    (tmp_path / "run" / name).write_text(content)
    done = run("active", cohort.path, "--out", tmp_path / "run", "--resume", *(["--ledger", url] if url else []),
               "--set", "network.backbone=tiny", "--set", "network.weights=random")  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert message in " ".join(done.stderr.split())


def test_quiet_keeps_results_caveats_and_errors(cohort: Cohort, tmp_path: Path) -> None:
    sets = ("--set", "network.backbone=tiny", "--set", "network.weights=random", "--set", "training.epochs=1")
    loud = run("train", cohort.path, "--out", tmp_path / "a", *sets)
    quiet = run("train", cohort.path, "--out", tmp_path / "b", *sets, "--quiet")
    assert quiet.returncode == loud.returncode == 0
    assert quiet.stdout == loud.stdout != ""
    assert "next: fibrostage report" in loud.stderr
    said = quiet.stderr.strip().splitlines()
    assert said
    assert all(line.startswith("caveat") for line in said)
    wrong = run("ledger", "show", tmp_path / "nowhere", "-q")
    assert wrong.returncode == 1
    assert "error" in wrong.stderr
