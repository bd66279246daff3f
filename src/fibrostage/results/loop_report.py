"""What a loop says to people: what to label next and why, what became of answers, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fibrostage.ground.files import Json
from fibrostage.stats.estimate import Estimate


@dataclass(frozen=True)
class AskedItem:
    """One thing to be labelled: `item` is what an answer calls it, `images` its pictures' ids, `probabilities` what the
    model says of it by stage, where there is a model, and `cost` what the answer costs beyond what was paid."""

    item: str
    patient_id: str
    images: tuple[str, ...]
    score: float | None
    probabilities: Mapping[str, float] | None
    why: str
    cost: float

    def as_dict(self) -> dict[str, Json]:
        return {
            "item": self.item,
            "patient_id": self.patient_id,
            "images": list(self.images),
            "score": self.score,
            "probabilities": None if self.probabilities is None else dict(self.probabilities),
            "why": self.why,
            "cost": self.cost,
        }


@dataclass(frozen=True)
class AskedItems:
    """The open question of a loop: everything that waits for an answer, wanted most first."""

    loop: str
    round: int
    unit: str
    strategy: str
    items: tuple[AskedItem, ...]
    simulated: bool

    def as_dict(self) -> dict[str, Json]:
        """What --json prints."""
        return {
            "loop": self.loop,
            "round": self.round,
            "unit": self.unit,
            "strategy": self.strategy,
            "simulated": self.simulated,
            "items": [item.as_dict() for item in self.items],
        }


@dataclass(frozen=True)
class TakenAnswers:
    """What became of answers: `asked` closed a question, `unasked` came by themselves, `again` are further readings of
    what had an answer, `repeated` were told before by the same person; `unusable` and `unsure` are among the first
    three. `disputed` are items on which readings differ now."""

    asked: int = 0
    unasked: int = 0
    again: int = 0
    repeated: int = 0
    unusable: int = 0
    unsure: int = 0
    disputed: tuple[str, ...] = ()
    waiting: int = 0

    def as_dict(self) -> dict[str, Json]:
        """What --json prints."""
        return {**self.__dict__, "disputed": list(self.disputed)}


@dataclass(frozen=True)
class JoinedExams:
    """What a cohort brought to a loop: new patients and pictures, pictures that were there already, stages that were
    news, and patients who had another stage before. `replaced` pictures took the place of earlier cuts of their frames;
    `other_cuts` did not, and stand beside them."""

    name: str
    patients: int
    pictures: int
    again: int
    stages: int
    conflicts: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    moved: bool = False
    replaced: int = 0
    other_cuts: int = 0

    def as_dict(self) -> dict[str, Json]:
        """What --json prints."""
        return {**self.__dict__, "conflicts": list(self.conflicts), "shared": list(self.shared)}


@dataclass(frozen=True)
class CurvePoint:
    """A round's model, measured by all audits that are known now: after how many labels, and how well it stages."""

    round: int
    labels: int
    accuracy: Estimate
    n: int


@dataclass(frozen=True)
class LoopStatus:
    """Where a loop stands. `estimates` are of the last model, by the kind of sample ("audit", "weighted", "naive") and
    the figure; `gains` what so many more labels are expected to bring in accuracy."""

    loop: str
    simulated: bool
    unit: str
    cohorts: tuple[str, ...]
    patients: int
    known: int
    labels: int
    by_stage: Mapping[str, int]
    audited: int
    unusable: int
    waiting: int
    left: int
    disputed: tuple[str, ...]
    readers: Mapping[str, int]
    cost: float
    rounds: int
    stopped: str | None
    estimates: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    n_audit: int = 0
    n_asked: int = 0
    curve: tuple[CurvePoint, ...] = ()
    gains: Mapping[int, Estimate] = field(default_factory=dict)
    sentence: str = ""

    def as_dict(self) -> dict[str, Json]:
        """What --json prints."""
        return {
            **self.__dict__,
            "cohorts": list(self.cohorts),
            "by_stage": dict(self.by_stage),
            "disputed": list(self.disputed),
            "readers": dict(self.readers),
            "estimates": {
                which: {name: figure.as_dict() for name, figure in own.items()} for which, own in self.estimates.items()
            },
            "curve": [
                {"round": at.round, "labels": at.labels, "n": at.n, "accuracy": at.accuracy.as_dict()}
                for at in self.curve
            ],
            "gains": {str(more): gain.as_dict() for more, gain in self.gains.items()},
        }
