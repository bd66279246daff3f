"""What a docstring must say: the shape of every array, and what is raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "fibrostage"
LEAST = 0.95  # share of the functions that say it
ARRAYS = re.compile(r"\b(NDArray|Tensor|ArrayLike)\b")
SHAPE = re.compile(r"\[[^\]]+\]")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[Function]:
    """Public functions of a module, and public methods of its classes; nested ones are their function's business."""
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        yield from (f for f in inner if isinstance(f, Function) and not f.name.startswith("_"))


def own_nodes(function: Function) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def raises(function: Function) -> bool:
    """Whether it raises something of its own; raising again what it caught is not."""
    return any(isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) for node in own_nodes(function))


def has_arrays(function: Function) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = [function.returns, *(argument.annotation for argument in arguments)]
    return any(ARRAYS.search(ast.unparse(annotation)) for annotation in annotations if annotation is not None)


def lacking(folder: Path = SOURCE) -> tuple[list[str], list[str], int, int]:
    """Functions that do not say what they raise, those that give no shape, and how many ought to."""
    silent, shapeless, raising, arrays = [], [], 0, 0
    for path in sorted(folder.rglob("*.py")):
        for function in functions(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.get_docstring(function) or ""
            where = f"{path.relative_to(folder)}:{function.lineno} {function.name}"
            if raises(function):
                raising += 1
                silent += [] if re.search(r"\braises?\b", text, re.IGNORECASE) else [where]
            if has_arrays(function):
                arrays += 1
                shapeless += [] if SHAPE.search(text) else [where]
    return silent, shapeless, raising, arrays


def test_what_is_raised_is_said() -> None:
    silent, _, raising, _ = lacking()
    assert len(silent) <= (1 - LEAST) * raising, "\n".join(silent)


def test_every_array_has_a_shape() -> None:
    _, shapeless, _, arrays = lacking()
    assert len(shapeless) <= (1 - LEAST) * arrays, "\n".join(shapeless)
