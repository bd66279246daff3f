"""What the set-up installs: enough, all of it pinned, and for the demo no more than fibrostage itself needs."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
BUILDS = {"hatchling", "tomlkit", "editables", "pathspec", "pluggy", "trove-classifiers", "packaging"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(file: str) -> set[str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return {normal(line.split("==")[0]) for line in lines if "==" in line}


def needed(name: str, extras: frozenset[str], seen: dict[str, frozenset[str]]) -> None:
    """Notes what an installed package needs, and what that needs."""
    if normal(name) in seen and extras <= seen[normal(name)]:
        return
    seen[normal(name)] = seen.get(normal(name), frozenset()) | extras
    try:
        wanted = [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:
        return
    for one in wanted:
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            needed(one.name, frozenset(one.extras), seen)


def test_the_demo_gets_what_fibrostage_needs_and_nothing_else() -> None:
    seen: dict[str, frozenset[str]] = {}
    needed("fibrostage", frozenset(), seen)
    assert pinned("requirements-demo.txt") - BUILDS == set(seen) - {"fibrostage"} - BUILDS


def test_nothing_is_pinned_twice() -> None:
    files = ("requirements-demo.txt", "requirements.txt", "requirements-nodeps.txt")
    parts = [pinned(file) for file in files]
    assert len(set().union(*parts)) == sum(map(len, parts))
    assert "-r requirements-demo.txt" in (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_everything_but_pytorch_is_pinned_with_its_hashes_too() -> None:
    text = (ROOT / "requirements-hashed.txt").read_text(encoding="utf-8")
    hashed = dict(re.findall(r"^([\w.-]+)==([^\s;]+)[^\\]*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.M))
    plain: dict[str, str] = {}
    for file in ("requirements-demo.txt", "requirements.txt", "requirements-nodeps.txt"):
        plain |= dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / file).read_text(encoding="utf-8"), re.M))
    del plain["torch"]
    assert {normal(name): version for name, version in hashed.items()} == {normal(n): v for n, v in plain.items()}


def test_locking_keeps_versions_and_leaves_builds_of_pytorch_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    lock = importlib.import_module("lock")
    given: list[str] = []

    def resolver(arguments: list[str], _: str) -> str:
        if "--constraint" in arguments:
            given.append(Path(arguments[-1]).read_text(encoding="utf-8"))
        extra = "ray==2.60.0\n" if "--all-extras" in arguments else ""
        return f"torch==2.13.0\nNVIDIA_cublas==13.1\ntriton==3.7\nPyYAML==6.0.3\n{extra}"

    monkeypatch.setattr(lock, "uv", resolver)
    texts = lock.locked(False, tmp_path)
    assert texts[lock.DEMO].endswith("pyyaml==6.0.3\ntorch==2.13.0\n")
    assert texts[lock.ALL].endswith("-r requirements-demo.txt\nray==2.60.0\n")
    assert "numpy==" in given[0]
    lock.locked(True, tmp_path)
    assert given[2] == "torch==2.13.0\n"


def test_every_extra_that_the_readme_names_is_used() -> None:
    """An extra brings what some module imports."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in extras if name != "dev" and f"`{name}`" not in readme] == []
    users = [*(ROOT / "src").rglob("*.py"), ROOT / "mkdocs.yml"]
    source = "\n".join(path.read_text(encoding="utf-8") for path in users)
    imported = {"scikit-activeml": "skactiveml", "psycopg": "psycopg", "mlstatkit": "MLstatkit"}
    imported |= {"python-calamine": "python_calamine", "mkdocs-material": "name: material"}
    for name, wanted in extras.items():
        if name == "dev":
            continue
        first = normal(Requirement(wanted[0]).name)
        module = imported.get(first, first)
        assert module in source or f'"{module}"' in source, f"the extra {name} brings {first}, which nothing uses"
