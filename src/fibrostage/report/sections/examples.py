"""Patients who were called rightly and wrongly, as `explain --examples` left them, or how they are made."""

from __future__ import annotations

from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Note, Section

HOLDS = (
    "This section holds pictures of patients, as intake de-identified and stored them: give the page away only as "
    "far as their consent and your ethics committee allow. "
)
CHOSEN = (
    "Who is shown is settled by a rule: of each stage the test patient called rightly with the highest probability, "
    "and the one called wrongly with the highest; nobody else was looked at. Their pseudonyms stand in "
    "examples.json. "
)
READ = (
    "A patient’s answer is a sum, so what each modality adds to it is exact: log-odds a stage up, against the mean "
    "of the training patients, so that above 0 speaks for more fibrosis. The pictures are those that add most. In "
    "them red speaks for the stage called and blue against it (integrated gradients against the picture without "
    "colour, blurred, of the network that had not seen the patient); the box is the elastogram’s region. A map says "
    "where, not why."
)
MAKE = (
    "'fibrostage explain {name} COHORT --examples' makes them in some minutes: of each stage the surest "
    "right and the surest wrong test patient, with their pictures, where their weight lies, and what each modality "
    "adds. The page then holds pictures of patients."
)


def blocks(results: Results) -> list[Block]:
    """What to know, and a figure a patient."""
    assert results.examples is not None
    holds = "The pictures are simulated. " if results.simulated else HOLDS
    return [Note(holds + CHOSEN), *FIGURES["examples"].draw(results), Note(READ)]


def wanted(results: Results) -> bool:
    """Whether they were made."""
    return results.examples is not None


def why(results: Results) -> str:
    """Which command makes them, and whose report has them."""
    if results.validation is not None:
        return "The folder of a validation holds no network that could explain what it said."
    if results.single is not None:
        return MAKE.format(name=results.name)
    return (
        "Patients are shown in the report of a single run: 'fibrostage explain STUDY/runs/RUN COHORT --examples', then "
        "'fibrostage report STUDY/runs/RUN'."
    )


SECTION = Section("examples", "Patients called rightly and wrongly", wanted, blocks, why=why)
