"""What people see: bars on a terminal, plain lines in a log, errors as one line; all of it on stderr."""

from __future__ import annotations

import codecs
import io
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.control import Control
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from fibrostage import SIMULATED, __version__
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import JsonObject
from fibrostage.ground.progress import SILENT, Advance, LogProgress, Progress

LOG_WIDTH = 160  # where there is no terminal to ask


def make_console(stderr: bool) -> Console:
    """Makes a console for stdout, or stderr; where it is no terminal, lines are 160 characters wide."""
    probe = Console(stderr=stderr)
    width = None if probe.is_terminal else LOG_WIDTH
    return (LoggedConsole if stderr else Console)(stderr=stderr, highlight=False, width=width)


LIKE = str.maketrans(
    {
        "·": "-", "–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "×": "x", "⊕": "+", "…": "...", "→": "->",
        "’": "'", "“": '"', "”": '"', "±": "+/-", "κ": "kappa", "²": "2", "β": "beta", "•": "*",
    }
)  # fmt: skip


def likeness(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that a terminal cannot show; raises the error where it is none of encoding."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    alike = error.object[error.start : error.end].translate(LIKE)
    return alike.encode("ascii", "replace").decode("ascii"), error.end


def degrade() -> None:
    """Lets output that a terminal or file cannot encode degrade instead of ending the command."""
    codecs.register_error("fibrostage", likeness)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="fibrostage")


@dataclass
class LogFile:
    """Lines of a file, each with the time."""

    path: Path

    def write(self, text: str) -> None:
        """Adds lines; raises `RunError` where the file cannot be written."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        lines = "".join(f"{at} {line.rstrip()}\n" for line in text.splitlines() if line.strip())
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(lines)
        except OSError as error:
            raise RunError(f"cannot write --log-file {self.path}: {error.strerror}") from None

    def print(self, *objects: Any, **options: Any) -> None:
        """Adds what a terminal would be shown, without its colours."""
        if any(not isinstance(one, Control) for one in objects):
            text = io.StringIO()
            Console(file=text, width=LOG_WIDTH, no_color=True, highlight=False).print(*objects, **options)
            self.write(text.getvalue())


@dataclass
class Talk:
    """How much is said beside results, caveats, questions and errors, and where it is kept."""

    quiet: bool = False
    log: LogFile | None = None


TALK = Talk()


def begin_log(path: Path | None, command: str) -> None:
    """Keeps what the command says from now on in a file, where one is given; its arguments, which may name patients,
    are not. Raises `RunError` where the file cannot be written."""
    TALK.log = None
    if path is not None:
        log = LogFile(path)
        log.write(f"fibrostage {__version__}: {command}")
        TALK.log = log


class LoggedConsole(Console):
    """A console whose lines are kept in the log too."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints as ever, and keeps it for as long as the log can be written."""
        super().print(*objects, **options)
        if TALK.log is not None:
            try:
                TALK.log.print(*objects, **options)
            except RunError as error:
                TALK.log = None
                super().print(str(error), markup=False)


err, out = make_console(stderr=True), make_console(stderr=False)


def tell(line: str) -> None:
    """What was done and what can be done next, on stderr; with --quiet in the log alone."""
    if not TALK.quiet:
        err.print(line, markup=False, soft_wrap=True)
    elif TALK.log is not None:
        TALK.log.write(line)


def print_json(content: JsonObject) -> None:
    """One JSON object on stdout; nothing that JSON has no word for (NaN, ∞) gets through."""
    print(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def show_caveats(caveats: Sequence[str], simulated: bool) -> None:
    """What a reader must know, on stderr."""
    if simulated:
        err.print(f"[yellow]{SIMULATED}[/]: these patients do not exist.")
    for caveat in caveats:
        err.print(f"[yellow]caveat[/]: {escape(caveat)}", soft_wrap=True)


class TerminalProgress:
    """Rich bars with count, rate and time left."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._open = 0

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        """Shows a bar of `total` steps while the block runs; the function it yields advances it by so many."""
        if self._bars is None:
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=err,
                transient=False,
            )
            self._bars.start()
        bars = self._bars
        self._open += 1
        task = bars.add_task(label, total=total)
        try:
            yield lambda count: bars.advance(task, count)
        finally:
            self._open -= 1
            if self._open == 0:
                bars.stop()
                self._bars = None

    def say(self, line: str) -> None:
        """Prints one line on stderr."""
        err.print(line, markup=False)


class LoggedProgress:
    """Progress as it is shown, whose lines are kept in a log too."""

    def __init__(self, shown: Progress, log: LogFile) -> None:
        self._shown, self._log, self._kept = shown, log, LogProgress(log.write)

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        """Shows and keeps how far `total` steps are while the block runs."""
        with self._shown.task(label, total) as first, self._kept.task(label, total) as second:

            def advance(count: int) -> None:
                first(count)
                second(count)

            yield advance

    def say(self, line: str) -> None:
        """Says one line, and keeps it."""
        if not isinstance(self._shown, TerminalProgress):  # whose console keeps it
            self._log.write(line)
        self._shown.say(line)


def make_progress() -> Progress:
    """Returns bars where stderr is a terminal, plain lines elsewhere, and what says nothing with --quiet; with a log,
    one that keeps its lines."""
    shown: Progress = TerminalProgress() if err.is_terminal else LogProgress()
    shown = SILENT if TALK.quiet else shown
    return shown if TALK.log is None else LoggedProgress(shown, TALK.log)
