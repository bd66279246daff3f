"""What the set-up installs: enough, all of it pinned, and for the demo no more than fibrostage itself needs."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
BUILDS = {"hatchling", "editables", "pathspec", "pluggy", "trove-classifiers", "packaging"}


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
