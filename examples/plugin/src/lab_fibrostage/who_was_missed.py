"""A section of the report: test patients whose called stage is two or more from the true one."""

from fibrostage import Section
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note


def missed(results: Results) -> int:
    """How many test patients of the first run were called two stages or more beside theirs."""
    confusion = results.first.confusion
    return sum(n for i, row in enumerate(confusion) for j, n in enumerate(row) if abs(i - j) >= 2)


def blocks(results: Results) -> list[Block]:
    """One sentence."""
    return [Note(f"{missed(results)} of {results.first.n_patients} test patients were called two stages off or more.")]


SECTION = Section("who_was_missed", "Who was missed", lambda results: True, blocks)
