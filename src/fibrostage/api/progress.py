"""How long work says what it is doing where nobody gave a progress of their own: bars, in a notebook too."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from fibrostage.ground.progress import Advance, LogProgress, Progress


class NotebookProgress:
    """Bars of tqdm, which draws them as a notebook or as a terminal does."""

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        """Shows a bar of `total` steps while the block runs; the function it yields advances it by so many."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a notebook without ipywidgets, where bars are text
            from tqdm.auto import tqdm
        with tqdm(total=total, desc=label) as bar:
            yield lambda count: (bar.update(count), None)[1]

    def say(self, line: str) -> None:
        """Writes one line above the bars."""
        print(line, file=sys.stderr, flush=True)


def default_progress(given: Progress | None) -> Progress:
    """The progress that was given; else bars in a notebook or at a terminal, and lines where stderr goes to a file."""
    if given is not None:
        return given
    return NotebookProgress() if in_notebook() or sys.stderr.isatty() else LogProgress()


def in_notebook() -> bool:
    """Whether this runs in a kernel of Jupyter's."""
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    return running is not None and "IPKernelApp" in getattr(running, "config", {})
