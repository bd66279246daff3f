"""What a reader must know before anything else."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Bullets, Section


def blocks(results: Results) -> list[Block]:
    """The caveats of the cohort."""
    return [Bullets(tuple(("", caveat) for caveat in results.caveats))]


SECTION = Section("caveats", "Read this first", lambda results: bool(results.caveats), blocks, warns=True)
