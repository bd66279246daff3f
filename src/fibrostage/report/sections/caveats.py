"""What a reader must know before anything else."""

from __future__ import annotations

from fibrostage.analysis.few_patients import too_few
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Bullets, Section


def blocks(results: Results) -> list[Block]:
    """The caveats of the cohort, and what a run's test patients are too few for."""
    return [Bullets(tuple(("", line) for line in (*few_in(results), *results.caveats)))]


def few_in(results: Results) -> list[str]:
    """What a single run's test patients cannot say; the runs of a study are pooled, and judged where they are drawn."""
    return [] if results.single is None else too_few(results.single)


def wanted(results: Results) -> bool:
    """Whether there is anything that a reader must know first."""
    return bool(results.caveats or few_in(results))


NOTHING_FOUND = (
    "Neither intake nor the run warned of anything. What the study itself leaves open is for its authors to say."
)

SECTION = Section("caveats", "Read this first", wanted, blocks, warns=True, why=lambda results: NOTHING_FOUND)
