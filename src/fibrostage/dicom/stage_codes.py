"""The codes of stages of fibrosis in DICOM, of which the standard has none: the private scheme 99FIBROSTAGE.

| value | meaning |
|---|---|
| F0 … F4, S0 … S4, I0 … I6 | a stage of METAVIR, Scheuer, Ishak |
| LT-x, GE-x | the stages below x, and x or higher, of models that tell only these apart |
| P-v | the probability of v, where v is any of the above |
| P-GE-x | the probability of stage x or higher |
| RULE-GE-x | whether x or higher is ruled in or out: IN, OUT or UNSAID |
| STAGE, POSSIBLE, ANSWER, REASON, USE, SIMULATED | names of what is said, below |

A value means the same for ever; what is said anew gets a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fibrostage.dicom.own import SCHEME
from fibrostage.ground.errors import RunError
from fibrostage.ground.stage import KNOWN, Staging

Code = tuple[str, str, str]  # value, scheme, meaning

METAVIR_MEANINGS = {  # Bedossa and Poynard 1996; stages of other systems are named only
    "F0": "METAVIR F0: no fibrosis",
    "F1": "METAVIR F1: portal fibrosis without septa",
    "F2": "METAVIR F2: portal fibrosis with few septa",
    "F3": "METAVIR F3: numerous septa without cirrhosis",
    "F4": "METAVIR F4: cirrhosis",
}
MEANINGS = {
    "STAGE": "Fibrosis stage called",
    "POSSIBLE": "Fibrosis stage that cannot be excluded",
    "ANSWER": "Fibrosis stages that cannot be excluded, in one word",
    "IN": "Ruled in",
    "OUT": "Ruled out",
    "UNSAID": "Cannot say",
    "REASON": "Reason not to trust the answer",
    "USE": "Intended use",
    "SIMULATED": "Simulated: no patient was examined",
}


@dataclass(frozen=True)
class StageCodes:
    """The codes of a staging: `stages` and `chances` (a stage, and the probability of it) by class, `at_or_above` and
    `rules` (the probability of a stage at or above a cut, and whether that is ruled in or out) by cut."""

    stages: Mapping[str, Code]
    chances: Mapping[str, Code]
    at_or_above: Mapping[str, Code]
    rules: Mapping[str, Code]


def codes_of(staging: Staging) -> StageCodes:
    """The codes of a known system (METAVIR, Scheuer, Ishak), or of one of them at a cut, by its own classes and cuts.

    Raises `RunError` for another staging, which has none.
    """
    for system in KNOWN.values():
        if (staging.name, staging.classes) == (system.name, system.classes):
            stages = {x: own(x, METAVIR_MEANINGS.get(x, f"{system.name} {x}")) for x in system.classes}
            chances = {x: own(f"P-{x}", f"Probability of {system.name} {x}") for x in system.classes}
            return with_cuts(stages, chances, system, {cut: cut for cut in staging.cuts})
        for cut in system.classes[1:]:
            halves = system.at(cut)
            if (staging.name, staging.classes) == (halves.name, halves.classes):
                below, low, high = f"{system.name} below {cut}", *halves.classes
                stages = {low: own(f"LT-{cut}", below), high: own(f"GE-{cut}", upper(system, cut))}
                chances = {low: own(f"P-LT-{cut}", f"Probability of {below}"), high: chance_above(system, cut)}
                return with_cuts(stages, chances, system, {high: cut})
    known = ", ".join(KNOWN)
    raise RunError(
        f"there are no DICOM codes for the stages of {staging.name!r}; there are for {known}, and at their cuts"
    )


def with_cuts(
    stages: Mapping[str, Code], chances: Mapping[str, Code], system: Staging, lowest: Mapping[str, str]
) -> StageCodes:
    """The codes of a staging's cuts beside those of its classes; `lowest` names by cut the lowest stage of the system
    that is at or above it."""
    return StageCodes(
        stages,
        chances,
        {cut: chance_above(system, stage) for cut, stage in lowest.items()},
        {
            cut: own(f"RULE-GE-{stage}", f"Whether {upper(system, stage)} is ruled in or out")
            for cut, stage in lowest.items()
        },
    )


def chance_above(system: Staging, cut: str) -> Code:
    """The code of the probability of a stage at or above a cut."""
    return own(f"P-GE-{cut}", f"Probability at or above {system.name} {cut}")


def upper(system: Staging, cut: str) -> str:
    """The stages at or above a cut in words."""
    return f"{system.name} {cut}" + ("" if cut == system.classes[-1] else " or higher")


def own(value: str, meaning: str | None = None) -> Code:
    """A code of our own scheme."""
    return value, SCHEME, meaning or MEANINGS[value]
