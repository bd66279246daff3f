"""Where networks look, as `explain` found it."""

from __future__ import annotations

from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Heading, Note, Section


def blocks(results: Results) -> list[Block]:
    """A picture a run, with how much of the attribution lies inside the box."""
    shown: list[Block] = []
    for one, drawn in zip(results.attributions, FIGURES["attributions"].draw(results), strict=True):
        found = one.inside
        inside = ""
        if found.share is not None:
            inside = (
                f" Of the attribution {found.share} lies inside the box, which covers {found.area:.3f} of the "
                f"picture (mean over {found.n} test patients, one picture each)."
            )
        note = (
            f"{one.how.capitalize()} against the picture without colour, blurred; red speaks for the stage that the "
            "patient was called from all pictures together (with an ordinal head: for more fibrosis), blue against it, "
            f"the box is the elastogram's region.{inside}"
        )
        shown += [Heading(one.title), drawn, Note(note)]
    return shown


def why(results: Results) -> str:
    """Which command makes it, where there is a network to ask."""
    if results.validation is not None:
        return "The folder of a validation holds no network that could be asked."
    name = "RUN" if results.single is None else results.name
    each = "" if results.single is not None else ", for each run of the study"
    return f"'fibrostage explain {name} COHORT' makes it{each}; the report needs neither network nor pictures."


SECTION = Section(
    "attributions", "Where the network looks", lambda results: bool(results.attributions), blocks, why=why
)
