"""The commands as people and scripts run them: in a process of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fibrostage.cohort.store import Cohort
from tests.conftest import make_source, plan_data
from tests.forked import run


def to_toml(path: Path) -> Path:
    lines = []
    data = plan_data()
    for section in ("network", "training", "evaluation"):
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in data[section].items()]  # type: ignore[attr-defined]
    for modality in data["modality"]:  # type: ignore[attr-defined]
        lines.append("[[modality]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in modality.items()]
    path.write_text("\n".join(lines))
    return path


def run_report(folder: Path) -> str:
    assert run("report", folder).returncode == 0
    return (folder / "report" / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plan, and a cohort that the command took in."""
    folder = tmp_path_factory.mktemp("road")
    source, plan = make_source(folder / "source"), to_toml(folder / "plan.toml")
    taken = run(
        "intake", source.folder, "--patients", source.patients, "--images", source.images,
        "--plan", plan, "--out", folder / "cohort", "--json",
    )  # fmt: skip
    assert taken.returncode == 0, taken.stderr
    assert "[network], [training], [evaluation] are not read by intake" in " ".join(taken.stderr.split())
    (folder / "described.json").write_text(taken.stdout)
    return folder


def test_files_become_a_cohort(road: Path) -> None:
    """JSON stands on stdout alone."""
    content = json.loads((road / "described.json").read_text())
    assert content["images"]["LUS"]["total"] == 57
    described = run("describe", road / "cohort", "--json", "--verify")
    assert json.loads(described.stdout) == content
    assert "candidates LSTE×LUS" in run("describe", road / "cohort").stdout


def test_a_cohort_becomes_a_network_and_patients_are_staged(road: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    one = 'network.modalities=["LSTE"]'
    trained = run("train", road / "cohort", "--plan", road / "plan.toml", "--set", one, "--out", out, "--json")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout) == json.loads((out / "metrics.json").read_text())
    assert run("predict", out, road / "cohort", "--out", tmp_path / "staged.csv").returncode == 0
    header = (tmp_path / "staged.csv").read_text().splitlines()[0]
    assert header.startswith("patient_id,stage,p_F0,p_F1,p_F2,p_F3,p_F4")
    explained = run("explain", out, road / "cohort", "--pictures", 2, "--by", "gradients", "--json")
    assert explained.returncode == 0, explained.stderr
    assert len(json.loads(explained.stdout)["pictures"]) == 2
    assert '<section id="attributions"' in run_report(out)


def test_a_cohort_is_asked_about_and_reported(road: Path, tmp_path: Path) -> None:
    out = tmp_path / "loop"
    arguments = ("--plan", road / "plan.toml", "--set", "active.rounds=1", "--out", out, "--json")
    looped = run("active", road / "cohort", *arguments)
    assert json.loads(looped.stdout)["strategy"] == "esd"
    assert run("active", road / "cohort", "--out", out, "--resume").returncode == 0
    assert '<section id="labels_bought"' not in run_report(out)
    refused = run("train", road / "cohort", "--set", "active.strategy=nonsense", "--out", tmp_path / "x")
    assert refused.returncode == 1
    assert "train does not read [active] of a plan, active and loop do" in refused.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("describe", "nowhere"), "nowhere is not a cohort (no such folder)"),
        (("train", "{cohort}", "--set", "training.epoch=3", "--out", "x"), "did you mean 'epochs'"),
        (("train", "{cohort}", "--plan", "no.toml", "--out", "x"), "no plan at no.toml"),
        (("train", "{cohort}", "--out", "/proc/x"), "cannot write to /proc/x"),
        (("report", "nowhere"), "no folder nowhere"),
        (("study", "no.toml", "--out", "x"), "no plan at no.toml"),
        (("phantom", "x", "--modality", "LSTEE"), "did you mean 'LSTE'"),
        (("phantom", "x", "--patients", "10", "--excluded", "9"), "leaves 1 of 10 patients; at least 5 must stay"),
        (("explain", "nowhere", "{cohort}"), "nowhere holds no model of a finished run"),
    ],
)
def test_bad_input_is_one_line_and_no_traceback(
    cohort: Cohort, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run(*(a.format(cohort=cohort.path) for a in arguments), cwd=tmp_path)
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_the_core_starts_without_torch() -> None:
    script = "import sys, fibrostage.cli.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_an_interrupted_phantom_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fibrostage", "phantom", str(tmp_path / "out"), "--patients", "400"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not list(tmp_path.glob(".out.partial-*/images/*.png")) and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped" in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []
