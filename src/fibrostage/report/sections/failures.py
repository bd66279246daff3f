"""Runs that failed, and why."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Bullets, Section


def blocks(results: Results) -> list[Block]:
    """A line a run."""
    return [Bullets(tuple(results.failures.items()))]


SECTION = Section("failures", "Runs that failed", lambda results: bool(results.failures), blocks, warns=True)
