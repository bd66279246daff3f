"""--quiet, which every command has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from fibrostage.cli.console import TALK

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results, caveats and errors.")]


def with_quiet(run: Callable[..., None]) -> Callable[..., None]:
    """A command's function with one more option: progress and advice are kept back where it is given."""

    @functools.wraps(run)
    def quietly(*values: Any, quiet: bool = False, **named: Any) -> None:
        TALK.quiet = quiet
        run(*values, **named)

    hints = inspect.get_annotations(run, eval_str=True)
    known = inspect.signature(run)
    more = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    named = [one.replace(annotation=hints.get(one.name, one.annotation)) for one in known.parameters.values()]
    quietly.__signature__ = known.replace(parameters=[*named, more])  # type: ignore[attr-defined]
    quietly.__annotations__ = {**hints, "quiet": Quiet}
    return quietly
