"""Files that are whole or absent, and what killed processes leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fibrostage.ground.errors import IntakeError, PlanError, RunError
from fibrostage.ground.files import (
    MIB,
    STALE,
    owner,
    read_json,
    read_whole,
    replace_file,
    sweep,
    write_json,
    written_whole,
)
from fibrostage.intake.privacy import read_key
from fibrostage.plan.file import read_plan_file
from fibrostage.serve.tokens import read_tokens


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"a": 1})
    with pytest.raises(ZeroDivisionError), written_whole(target) as temporary:
        temporary.write_text(str(1 / 0))
    assert read_json(target) == {"a": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write .*No such file"):
        replace_file(tmp_path / "no" / "file", lambda path: path.write_text("x"))


@pytest.mark.parametrize(("text", "message"), [("{", "is damaged"), ("[1]", "does not hold a JSON object")])
def test_a_damaged_json_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RunError, match=message):
        read_json(tmp_path / "a.json")


def test_a_device_without_an_end_is_no_file(tmp_path: Path) -> None:
    zero = Path("/dev/zero")
    with pytest.raises(OSError, match="it holds more than 1 MiB, or has no end"):
        read_whole(zero, MIB)
    readers: dict[Callable[[Path], object], type[Exception]] = {
        read_plan_file: PlanError,
        read_key: IntakeError,
        lambda path: read_tokens(path, {}): RunError,
    }
    for read, error in readers.items():
        with pytest.raises(error, match="or has no end"):
            read(zero)
    (tmp_path / "small").write_bytes(b"a" * 10)
    assert read_whole(tmp_path / "small", 10) == b"a" * 10


def test_what_a_dead_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "from fibrostage.ground.files import owner; print(owner())"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    left = tmp_path / f".plan.json.{dead}-x.partial"
    mine = tmp_path / f".plan.json.{owner()}-x.partial"
    other = tmp_path / ".plan.json.otherhost-99999999-x.partial"
    old = tmp_path / ".plan.json.otherhost-99999998-x.partial"
    for path in (left, mine, other, old):
        path.touch()
    os.utime(old, (time.time() - 2 * STALE,) * 2)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([mine.name, other.name])
