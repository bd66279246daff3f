"""A group's own matplotlib style file, read with every fault named: what matplotlib passes over with a warning is an
error here, as a figure would silently look otherwise than meant."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib import font_manager

from fibrostage.ground.errors import PlanError, nearest

BARRED = {  # what matplotlib bars from styles: of the machine or a window, not of the look
    "interactive", "backend", "webagg.port", "webagg.address", "webagg.port_retries", "webagg.open_in_browser",
    "backend_fallback", "toolbar", "timezone", "figure.max_open_warning", "figure.raise_window", "savefig.directory",
    "tk.window_focus", "docstring.hardcopy", "date.epoch",
}  # fmt: skip
GENERIC = {"serif", "sans-serif", "sans serif", "sans", "monospace", "cursive", "fantasy"}


def read_style(path: Path) -> dict[str, object]:
    """The settings of a style file. Raises `PlanError` where it cannot be read, a line or value is none that matplotlib
    knows, it sets what is no matter of style, asks for LaTeX, or names only fonts that are not installed here."""
    if not path.is_file():
        raise PlanError(f"--style {path}: no such file; it is a matplotlib style file (a line a setting, key: value)")
    with warnings_kept() as said:
        try:
            found = mpl.rc_params_from_file(path, fail_on_error=True, use_default_template=False)
        except UnicodeDecodeError:
            raise PlanError(f"--style {path} is not text in UTF-8") from None
        except OSError as error:
            raise PlanError(f"--style {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise PlanError(f"--style {path}: {one_line(str(error))}") from None
    if said:
        raise PlanError(f"--style {path}: {one_line(said[0])}")
    settings: dict[str, object] = {str(key): value for key, value in found.items()}
    barred = sorted(set(settings) & BARRED)
    if barred:
        raise PlanError(f"--style {path}: {', '.join(barred)} is no matter of style; take it out")
    if settings.get("text.usetex"):
        raise PlanError(f"--style {path}: text.usetex needs LaTeX, which reports do without; take it out")
    if not settings:
        raise PlanError(f"--style {path} sets nothing; a line is key: value, e.g. font.size: 8")
    check_fonts(path, settings)
    return settings


@contextmanager
def warnings_kept() -> Iterator[list[str]]:
    """What matplotlib logs in the block, instead of on the terminal."""
    kept: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record.getMessage())

    logger, handler = logging.getLogger("matplotlib"), Keeping(logging.WARNING)
    spreads, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield kept
    finally:
        logger.removeHandler(handler)
        logger.propagate = spreads


def check_fonts(path: Path, settings: dict[str, object]) -> None:
    """Raises `PlanError` where none of the fonts that a style names is installed."""
    installed = set(font_manager.get_font_names())
    for key in ("font.family", "font.sans-serif", "font.serif", "font.monospace"):
        value = settings.get(key)
        names = [str(name) for name in value] if isinstance(value, list) else []
        if names and not any(name in installed or name.lower() in GENERIC for name in names):
            hint = nearest(names[0], installed)
            raise PlanError(f"--style {path}: {key} names {', '.join(names)}, which is not installed here{hint}")


def one_line(text: str) -> str:
    """What matplotlib says, in one line."""
    return " ".join(text.split())
