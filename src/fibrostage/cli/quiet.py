"""--quiet and --log-file, which every command has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fibrostage.cli.console import TALK, begin_log

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results, caveats and errors.")]
LogFile = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="FILE", help="Add what is said, with the time, to this file, quiet or not."),
]


def with_quiet(run: Callable[..., None]) -> Callable[..., None]:
    """A command's function with two more options: progress and advice are kept back, and what is said is kept."""

    @functools.wraps(run)
    def quietly(*values: Any, quiet: bool = False, log_file: Path | None = None, **named: Any) -> None:
        TALK.quiet = quiet
        begin_log(log_file, run.__name__.rstrip("_"))
        run(*values, **named)

    hints = inspect.get_annotations(run, eval_str=True)
    known = inspect.signature(run)
    keyword = inspect.Parameter.KEYWORD_ONLY
    more = [
        inspect.Parameter("quiet", keyword, default=False, annotation=Quiet),
        inspect.Parameter("log_file", keyword, default=None, annotation=LogFile),
    ]
    named = [one.replace(annotation=hints.get(one.name, one.annotation)) for one in known.parameters.values()]
    quietly.__signature__ = known.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
    quietly.__annotations__ = {**hints, "quiet": Quiet, "log_file": LogFile}
    return quietly
