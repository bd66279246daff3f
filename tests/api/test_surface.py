"""What `import fibrostage` offers, and what it does not load."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import fibrostage

HEAVY = ("torch", "polars", "numpy", "matplotlib", "pandas", "pydantic", "typer", "rich", "PIL", "monai")


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_loads_nothing_heavy() -> None:
    assert loaded_by("import fibrostage, fibrostage as f; dir(f); f.__version__").isdisjoint(HEAVY)


def test_reading_a_cohort_loads_no_network() -> None:
    assert "torch" not in loaded_by("import fibrostage; fibrostage.open_cohort; fibrostage.Plan; fibrostage.compare")


@pytest.mark.parametrize("name", fibrostage.__all__)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(fibrostage, name)
    if callable(found):
        assert (inspect.getdoc(found) or "").strip()


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(fibrostage.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    declared = {
        alias.asname or alias.name: statement.module
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert declared == fibrostage.WHERE
    assert set(fibrostage.__all__) == {*fibrostage.WHERE, "RESEARCH_USE", "SIMULATED", "__version__"}


def test_public_functions_are_typed() -> None:
    for name in fibrostage.__all__:
        found = getattr(fibrostage, name)
        if inspect.isfunction(found):
            signature = inspect.signature(found)
            assert signature.return_annotation is not inspect.Signature.empty
            assert all(one.annotation is not inspect.Parameter.empty for one in signature.parameters.values())


def test_a_room_is_still_a_module() -> None:
    """`fibrostage.study`, `.report` and `.markers` are rooms, so the functions are verbs."""
    import fibrostage.markers
    import fibrostage.report
    import fibrostage.study

    for room in (fibrostage.markers, fibrostage.report, fibrostage.study):
        assert inspect.ismodule(room)
    assert {room.__name__.partition(".")[2] for room in (fibrostage.markers, fibrostage.report)}.isdisjoint(
        fibrostage.__all__
    )


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="it offers open_cohort"):
        fibrostage.open_kohort  # noqa: B018
