"""What a patient's page says in words: the headline, why not to trust it, what is not known.

A set of stages and the most probable stage answer different questions; no sentence here mixes them. What was not
checked is said as such and never passes for a clean bill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fibrostage.ground.numbers import signed
from fibrostage.ground.stage import METAVIR, Staging
from fibrostage.results.staged import Staged

SPACE = "\u00a0"  # numbers keep their unit
SHORT_NAME = 4  # signs of a stage's name that can be joined by a dash
MEANINGS = {"F2": "significant fibrosis", "F3": "advanced fibrosis", "F4": "cirrhosis"}  # METAVIR's usual words


@dataclass(frozen=True)
class Headline:
    """The answer in a sentence: what stays possible, and after it how probable what is."""

    lead: str
    rest: str
    note: str

    @property
    def text(self) -> str:
        """The whole sentence."""
        return f"{self.lead} {self.rest}".strip()


@dataclass(frozen=True)
class Verdict:
    """Whether something speaks against trusting an answer: `alarm` where it does. `lines` say what, or what was
    looked at."""

    alarm: bool
    title: str
    lines: tuple[str, ...]
    note: str


def percent(share: float) -> str:
    """A probability as whole percents; what is neither 0 nor 1 is never shown as either."""
    if 0 < share < 0.005:
        return f"<1{SPACE}%"
    if 0.995 <= share < 1:
        return f">99{SPACE}%"
    return f"{100 * share:.0f}{SPACE}%"


def log_odds_text(share: float) -> str:
    """Log-odds with their sign; what rounds to nothing has none."""
    text = signed(share, 2)
    return "0.00" if text in ("+0.00", "−0.00") else text


def most_probable(staged: Staged, staging: Staging) -> str:
    """The stage with the highest probability, the milder of two equal ones."""
    return max(staging.classes, key=lambda name: staged.probabilities[name])


def in_words(possible: Sequence[str]) -> str:
    """Neighbouring stages in words: "F3–F4", and long names with a word between them."""
    first, last = possible[0], possible[-1]
    if len(possible) == 1:
        return first
    if max(map(len, (first, last))) <= SHORT_NAME:
        return f"{first}–{last}"
    return f"{first} {'or' if len(possible) == 2 else 'to'} {last}"


def headline(staged: Staged, staging: Staging, coverage: float | None) -> Headline:
    """The answer in one sentence, and a note that tells the set of stages from the most probable one."""
    best, possible = most_probable(staged, staging), staged.possible
    chance = percent(staged.probabilities[best])
    likely = f"most likely {best} ({chance})."
    called = "" if staged.stage == best else f" By the model’s rule for naming a single stage, it is {staged.stage}."
    note = f"{capitalised(best)}: the most probable single stage.{called}"
    if not possible:
        return Headline("The model cannot say which stages stay possible;", likely, f"No set was learned. {note}")
    if len(possible) == len(staging.classes):
        alone = f"{capitalised(best)}: the most probable single stage ({chance}), which alone is no answer.{called}"
        return Headline("The model cannot say: every stage stays possible.", "", alone)
    words = in_words(possible)
    if possible == (best,):
        likely = f"its probability is {chance}."
    what = f"fibrosis {words}" if max(map(len, possible)) <= SHORT_NAME else words
    lead = f"Only {what} stays possible;" if len(possible) == 1 else f"{capitalised(what)} cannot be excluded;"
    return Headline(lead, likely, f"{capitalised(words)}: {set_words(coverage)}. {note}")


def set_words(coverage: float | None) -> str:
    """What the set of stages is."""
    if coverage is None:
        return "the set of stages that the model leaves open"
    return f"the set made to hold the true stage of {percent(coverage)} of the patients of each stage"


def meaning(staging: Staging, cut: str) -> str:
    """What a cut is usually called; empty where it has no usual name."""
    return MEANINGS.get(cut, "") if staging.classes == METAVIR.classes else ""


def rule_words(npv: float | None, ppv: float | None) -> str:
    """What ruled in and ruled out mean, where it is known what was asked for."""
    said = []
    if ppv is not None:
        said.append(f"Ruled in: at least {percent(ppv)} of patients told so are at or above the cut (PPV asked for).")
    if npv is not None:
        said.append(f"Ruled out: at least {percent(npv)} of patients told so are below it (NPV asked for).")
    return " ".join([*said, "Neither is said while a stage on the other side stays in the set."])


def verdict(staged: Staged, judged: bool, far: int) -> Verdict:
    """Why not to trust an answer; `judged` says whether every picture was held against the training pictures, `far` how
    many of them lie far outside.

    Reasons that came with the answer are taken as they are. Where none came, pictures far outside and a patient whom
    the model learned from are named all the same.
    """
    reasons = list(staged.reasons)
    if not staged.reasons and far:
        lie = "lies" if far == 1 else "lie"
        reasons.append(f"{far} of {sum(staged.pictures.values())} pictures {lie} far from the training pictures")
    if not staged.reasons and staged.trained_on:
        reasons.append("the model learned from this patient and knows the answer")
    if reasons:
        return Verdict(True, "Why not to trust this answer", tuple(map(capitalised, reasons)), "")
    lines = [
        "No picture lies far from the training pictures."
        if judged
        else "Not checked: how far the pictures lie from the training pictures.",
        "The model did not learn from this patient."
        if staged.trained_on is False
        else "Not known: whether the model learned from this patient.",
    ]
    whole = judged and staged.trained_on is False
    title = "Nothing found that speaks against this answer" if whole else "No warning, but not everything was checked"
    return Verdict(False, title, tuple(lines), "The answer can still be wrong.")


def unknown(staged: Staged, judged: bool, coverage: float | None, tables: Sequence[str] = ()) -> str:
    """What is not known of an answer, in a sentence."""
    missing = [name for name, count in staged.pictures.items() if not count and name not in tables]
    unmeasured = any(staged.pictures.get(name) == 0 for name in tables)
    parts = [
        "whether the tested figures hold at another hospital, on another scanner or in another group of patients",
        "" if staged.possible else "which stages can be excluded",
        "" if not staged.possible or coverage is not None else "how often the set holds the true stage",
        "" if staged.rules else "from which probability on a cut is ruled in or out",
        "" if staged.shares else "what the answer rests on",
        "" if judged else "how far the pictures lie from the training pictures",
        "" if staged.trained_on is not None else "whether the model learned from this patient",
        f"what {' and '.join(missing)} would have shown, of which there is no picture" if missing else "",
        "what measurements would have shown, of which there are none" if unmeasured else "",
    ]
    return f"{'; '.join(filter(None, parts))}."


def capitalised(text: str) -> str:
    """A line of a list, with a capital letter unless it begins with a name."""
    return text[:1].upper() + text[1:]
