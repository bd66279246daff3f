"""The methods of the run in whole sentences, as they stand in methods.md beside the page."""

from __future__ import annotations

from fibrostage.report.methods import methods_of
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section


def blocks(results: Results) -> list[Block]:
    """The paragraph without its citations."""
    return [Note(" ".join(sentence.text for sentence in methods_of(results)), "lead")]


SECTION = Section("methods", "Methods, for a manuscript", lambda results: bool(methods_of(results)), blocks)
