"""A run's folder: plan.json, metrics.json, predictions.parquet, log.jsonl (curve.parquet, ledger, model beside).

Everything is written to a temporary name and renamed, so that a killed run leaves whole files or none. Nothing
here knows of torch: reports read the same folders.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from fibrostage.ground.errors import RunError

PLAN, METRICS, PREDICTIONS, LOG = "plan.json", "metrics.json", "predictions.parquet", "log.jsonl"
CURVE = "curve.parquet"
ATTRIBUTIONS, ATTRIBUTION_MAPS = "attributions.parquet", "attributions.npz"


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Runs `write` on a temporary sibling and renames it to `path`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    replace_file(path, lambda temporary: write_text(temporary, text))


def write_parquet(path: Path, table: pl.DataFrame) -> None:
    replace_file(path, lambda temporary: table.write_parquet(temporary))


def new_run(out: Path) -> None:
    """Makes an empty run folder; raises `RunError` when there is something in it already."""
    check_free(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / LOG).touch()
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error.strerror}") from None


def check_free(out: Path) -> None:
    """Raises `RunError` when something is at `out` already, unless a run was killed there before it wrote its plan."""
    if out.exists() and (not out.is_dir() or any(not stillborn(file) for file in out.iterdir())):
        raise RunError(f"{out} is not empty; a run is never overwritten, choose another --out")


def stillborn(file: Path) -> bool:
    """Whether this is what a run leaves that is killed before its plan is whole: an empty log, a part of the plan."""
    part_of_plan = file.name.startswith(f".{PLAN}.") and file.name.endswith(".partial")
    return part_of_plan or (file.name == LOG and file.stat().st_size == 0)


def log(out: Path, **event: Any) -> None:
    """One line into the run's log."""
    line = json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **event}, ensure_ascii=False)
    with (out / LOG).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run; raises `RunError` when it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} does not hold a JSON object")
    return content


def read_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"cannot read {path}: {error}") from None
