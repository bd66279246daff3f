"""What is handed over: a wheel and an sdist that build without a network, and a wheel that has everything in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, capture_output=True
    )
    return folder


def files_of_the_package() -> set[str]:
    """Every file under src that a person put there."""
    listed = (path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(SOURCE).as_posix() for path in listed}


def test_the_wheel_has_every_file_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == files_of_the_package()
    assert {
        "fibrostage/py.typed",
        "fibrostage/report/templates/report.html",
        "fibrostage/plan/recipes/mmfn.toml",
    } <= held


def test_the_sdist_can_be_built_from(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as held:
        names = {name.partition("/")[2] for name in held.getnames()}
    needed = {f"src/{name}" for name in files_of_the_package()}
    assert needed | {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"} <= names
    assert not any(name.startswith((".venv", ".git/")) for name in names)


def test_the_wheel_runs_in_an_environment_of_its_own(built: Path, tmp_path: Path) -> None:
    """Dependencies are those of this Python, which an environment that installs them from a registry would have too."""
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "env", symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def tool(*words: object) -> str:
        command = [tmp_path / "env" / "bin" / "fibrostage", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert tool("--version").strip() == VERSION
    where = subprocess.run(
        [python, "-c", "import fibrostage; print(fibrostage.__file__)"],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(tmp_path)
    tool("phantom", "x", "--patients", 5, "--modality", "LUS", "--pictures", 1, "--quiet")
    plan = tmp_path / "plan.toml"
    plan.write_text('[[modality]]\nname = "LUS"\n')
    tables = ("--patients", "x/patients.csv", "--images", "x/images.csv", "--plan", plan, "--group-near-duplicates")
    taken = json.loads(tool("intake", "x", *tables, "--skip-bad", "--out", "cohort", "--json"))
    assert taken["simulated"]
    assert len(json.loads(tool("recipes", "--json"))["recipes"]) >= 10


def test_one_version_everywhere() -> None:
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert cited is not None
    assert cited[1] == VERSION
