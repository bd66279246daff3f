"""Messages are written for people: they name what is wrong, never a class of Python's."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "fibrostage"
CLASS_NAMES = ("__name__", "__qualname__")


def test_no_message_names_a_class() -> None:
    """`type(x).__name__` and `x.__class__` are how a class gets into a text."""
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in CLASS_NAMES and not isinstance(node.value, ast.Name):
                found.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
            if isinstance(node, ast.Attribute) and node.attr == "__class__":
                found.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert found == []
