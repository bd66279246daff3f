"""The example plug-in, installed beside fibrostage; and one that is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fibrostage.cohort.store import Cohort
from tests.conftest import PLUGGED

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "plugin"
BROKEN = """\
[fibrostage.markers]
gone = no_such_module:MARKER
wrong = lab_broken:NOTHING_OF_THE_KIND
ferritin = lab_broken:MARKER
[fibrostage.strategies]
esd = lab_broken:MARKER
[fibrostage.commands]
odd = lab_broken:COMMAND
"""
MODULE = """
from dataclasses import replace
from fibrostage.cli.commands.spec import Command
from fibrostage import Need, Quantity
from fibrostage.markers import FILES
from fibrostage.markers.aar import MARKER as AAR
NOTHING_OF_THE_KIND = 7
MARKER = replace(AAR, name="ferritin", needs=(Need(Quantity("ast", "mmol", 0, 1)),))
def odd(strange: "no_such_type"): ...
COMMAND = Command("odd", "Try and measure", odd)
"""


def call(site: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "src"), PLUGGED])}
    return subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, env=environment, check=False, timeout=300
    )


def tool(site: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return call(site, "-m", "fibrostage", *words)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the example in it."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", folder / "site", EXAMPLE], check=True, capture_output=True)
    return folder / "site"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder of packages with one whose things cannot be used."""
    info = tmp_path / "lab_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(BROKEN)
    (tmp_path / "lab_broken.py").write_text(MODULE)
    return tmp_path


def test_its_own_tests_hold(site: Path) -> None:
    done = call(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", EXAMPLE, EXAMPLE / "tests")
    assert done.returncode == 0, done.stdout


def test_its_things_are_known_by_name(site: Path, cohort: Cohort, tmp_path: Path) -> None:
    assert "King's score" in json.loads(tool(site, "markers", "--list", "--json").stdout)["king"]["title"]
    recipes = json.loads(tool(site, "recipes", "--json").stdout)["recipes"]
    assert {"name": "lab", "about": "the laboratory's usual network", "study": False} in recipes
    sets = ["network.backbone=tiny", "network.weights=random", "training.epochs=2", "active.rounds=1"]
    sets += ["active.strategy=severe+timid", "evaluation.bootstrap=100"]
    words = [word for one in sets for word in ("--set", one)]
    asked = tool(site, "active", cohort.path, "--recipe", "lab", *words, "--out", tmp_path / "run", "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["strategy"] == "severe+timid"
    assert tool(site, "report", tmp_path / "run").returncode == 0
    assert "called two stages off or more" in (tmp_path / "run" / "report" / "index.html").read_text(encoding="utf-8")


def test_a_broken_plug_in_stops_no_other_command(broken: Path) -> None:
    listed = tool(broken, "markers", "--list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert {"apri", "aar"} <= set(json.loads(listed.stdout))
    assert "ferritin" not in json.loads(listed.stdout)
    found = json.loads(tool(broken, "doctor", "--json").stdout)["findings"]
    said = {one["name"]: one["said"] for one in found if one["part"] == "plug-in" and not one["fine"]}
    assert set(said) == {"marker gone", "marker wrong", "marker ferritin", "strategy esd", "command odd"}
    assert all("of package lab-broken" in one for one in said.values())
    assert "does not load: No module named" in said["marker gone"]
    assert "is no marker" in said["marker wrong"]
    assert "means another 'ast'" in said["marker ferritin"]


def test_a_broken_thing_that_is_asked_for_names_its_package(broken: Path) -> None:
    script = "from fibrostage.markers import MARKERS; MARKERS['gone']"
    done = call(broken, "-c", script)
    assert "the marker 'gone' of package lab-broken does not load" in done.stderr
    assert "mend or uninstall lab-broken" in done.stderr
