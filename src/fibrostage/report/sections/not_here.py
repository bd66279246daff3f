"""What a reader may look for and does not find: each section that is not on the page, why not, and how it is made."""

from __future__ import annotations

from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Facts, Section

MODEL_CARD = (
    "It goes with a model that is handed over: 'fibrostage package {name} --out MODEL' writes it, with what the model "
    "is for, its figures and its limits."
)
DATASHEET = "It tells of the cohort and needs its folder: 'fibrostage describe COHORT --datasheet FILE.md' writes it."


def blocks(results: Results) -> list[Block]:
    """A line a section, and the two documents that are of the model and of the cohort."""
    single = results.single is not None and results.validation is None
    card = MODEL_CARD.format(name=results.name if single else "RUN")
    return [Facts((*reasons(results), ("Model card", card), ("Datasheet", DATASHEET)))]


def reasons(results: Results) -> list[tuple[str, str]]:
    """The sections that say why they are not on the page of these results, by their titles."""
    from fibrostage.report.sections import SECTIONS

    others = [section for section in SECTIONS if section.name != SECTION.name and not section.wanted(results)]
    return [(section.title, why) for section in others if (why := section.why(results))]


SECTION = Section("not_here", "What is not on this page, and why", lambda results: True, blocks)
