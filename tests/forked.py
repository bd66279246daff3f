"""Commands in processes of their own that need not import for seconds what every one of them imports.

One process a test session loads the large libraries, not fibrostage itself, and forks for each command; its child then
is what `python -m fibrostage …` is: with its own arguments, folder, variables, streams, signals and exit code. What a
fresh interpreter alone can show (what it imports, how it reads the encoding of its streams) is tested with one.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOADED = (
    "torch", "torch._dynamo", "accelerate", "scipy.stats", "scipy.optimize", "sklearn.cluster", "sklearn.linear_model",
    "polars", "pydantic", "typer", "rich.console", "rich.table", "rich.progress", "jinja2", "sqlalchemy",
    "matplotlib.figure", "PIL.Image", "safetensors.torch", "fastapi", "uvicorn", "argon2", "pydicom", "highdicom",
)  # fmt: skip


class Forker:
    """The process that forks: a line of JSON asks, a line of JSON answers."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, seconds: float | None = None, **what: object) -> Any:
        """The answer; raises `TimeoutError` where it has not come after `seconds`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise TimeoutError
        return json.loads(self.process.stdout.readline())

    def late_answer(self) -> None:
        """Reads the answer that did not come in time."""
        assert self.process.stdout is not None
        self.process.stdout.readline()


@cache
def forker() -> Forker:
    return Forker()


@dataclass
class Started:
    """A command under way, as a `subprocess.Popen` of it."""

    pid: int
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = forker().ask(poll=self.pid)
        return self.returncode

    def send_signal(self, sent: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sent)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds: float = 60) -> int:
        until = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("fibrostage", seconds)
            time.sleep(0.02)
        assert self.returncode is not None
        return self.returncode


def start(
    *arguments: object, out: Path, err: Path | None = None, cwd: Path | None = None, variables: Mapping[str, str] = {}
) -> Started:
    """Starts `python -m fibrostage` with these arguments, and with these variables beside those of the tests; what it
    says is written to `out` and `err`, or to `out` alone."""
    words = [str(word) for word in arguments]
    streams = [str(out), str(err or out)]
    asked = {"words": words, "folder": str(cwd or Path.cwd()), "variables": {**os.environ, **variables}}
    return Started(forker().ask(start={**asked, "streams": streams}))


def run(
    *arguments: object, cwd: Path | None = None, seconds: float = 300, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`python -m fibrostage` with these arguments to its end, and with these variables beside those of the tests; or
    `python` itself where the arguments begin with "-c"."""
    with tempfile.TemporaryDirectory(prefix="fibrostage-forked-") as streams:
        out, err = Path(streams, "out"), Path(streams, "err")
        started = start(*arguments, out=out, err=err, cwd=cwd, variables=variables)
        try:
            code = forker().ask(seconds, wait=started.pid)
        except TimeoutError:
            os.kill(started.pid, signal.SIGKILL)
            forker().late_answer()
            raise subprocess.TimeoutExpired("fibrostage", seconds) from None
        said = [path.read_text(encoding="utf-8") for path in (out, err)]
        return subprocess.CompletedProcess([str(word) for word in arguments], code, *said)


def exit_code(pid: int, flags: int) -> int | None:
    """What a child ended with; None where it has not, and `flags` are those of who does not wait."""
    found, status = os.waitpid(pid, flags)
    return os.waitstatus_to_exitcode(status) if found else None


def children() -> dict[str, Any]:
    """Answers what is asked; returns in the children alone, with what each is."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "start" in asked:
            answer = os.fork()
            if answer == 0:
                return dict(asked["start"])
        elif "poll" in asked:
            answer = exit_code(asked["poll"], os.WNOHANG)
        else:
            answer = exit_code(asked["wait"], 0)
        print(json.dumps(answer), flush=True)
    sys.exit()


def become(words: list[str], folder: str, variables: dict[str, str], streams: list[str]) -> None:
    """This process is the command from here on."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    tempfile.tempdir = None  # which libraries asked for when they were loaded
    if words[:1] == ["-c"]:
        sys.argv = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
        return
    sys.argv = ["fibrostage", *words]
    runpy.run_module("fibrostage", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    become(**children())
