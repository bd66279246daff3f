"""What people see: bars on a terminal, plain lines in a log, errors as one line; all of it on stderr."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from fibrostage import SIMULATED
from fibrostage.ground.files import JsonObject
from fibrostage.ground.progress import SILENT, Advance, LogProgress, Progress

LOG_WIDTH = 160  # where there is no terminal to ask


def make_console(stderr: bool) -> Console:
    """Makes a console for stdout, or stderr; where it is no terminal, lines are 160 characters wide."""
    probe = Console(stderr=stderr)
    width = None if probe.is_terminal else LOG_WIDTH
    return Console(stderr=stderr, highlight=False, width=width)


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


err, out = make_console(stderr=True), make_console(stderr=False)


@dataclass
class Talk:
    """How much is said beside results, caveats, questions and errors."""

    quiet: bool = False


TALK = Talk()


def tell(line: str) -> None:
    """What was done and what can be done next, on stderr; nothing with --quiet."""
    if not TALK.quiet:
        err.print(line, markup=False, soft_wrap=True)


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


def make_progress() -> Progress:
    """Returns bars where stderr is a terminal, plain lines elsewhere, and what says nothing with --quiet."""
    if TALK.quiet:
        return SILENT
    return TerminalProgress() if err.is_terminal else LogProgress()
