"""What is said of a patient who was staged: by pages, tables and structured reports alike, without the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import polars as pl

from fibrostage.ground.files import Json
from fibrostage.ground.stage import Staging

CANNOT_SAY = "cannot say"
RULED_IN, RULED_OUT = "in", "out"


@dataclass(frozen=True)
class SeenPicture:
    """One picture that the model saw: its `row` within its modality, and its `share` of the answer, as
    `Staged.shares`. `strange` is how large a share of the training patients' pictures lie at least as far from the
    others as this one, None where that was not learned; `far` whether it is not to be believed. `weight` is
    the picture's among those of its modality, which add up to 1, where the model sees all of them at once."""

    modality: str
    row: int
    share: float
    strange: float | None
    far: bool
    weight: float | None = None

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        weight: dict[str, Json] = {} if self.weight is None else {"weight": self.weight}
        return {"modality": self.modality, "share": self.share, "strange": self.strange, "far": self.far, **weight}


@dataclass(frozen=True)
class NextExam:
    """What an exam of a modality that a patient lacks is expected to bring: `gain_entropy` is the fall of the log loss
    of what is said of the patient [nats], `gain_error` that of the distance between the stage called and the true one
    [stages], `changes` how probably another stage is called. `cost` is the exam's, and `per_cost` the first gain by it,
    None where it costs nothing. It is `worthless` where next to nothing is expected of it, or the model knows the
    modality of too few stages to say. `unseen` says whether the training patients' shares that this rests on are of
    networks that had not seen them; of those that had, gains are far too large."""

    modality: str
    gain_entropy: float
    gain_error: float
    changes: float
    cost: float
    per_cost: float | None
    worthless: bool
    unseen: bool = True

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return dict(asdict(self))


@dataclass(frozen=True)
class Staged:
    """What a model says of a patient: the stage called, the probability of each stage, and by which model.

    `model` is the SHA-256 of the model's files; `pictures` are how many of each modality were seen, `far` how many of
    those lie far outside what the model was trained on. `trained_on` says whether one of the patient's pictures trained
    the model, which then knows the answer; None where the model does not say what it was trained on. `possible` are the
    stages that cannot be excluded, empty where that was not learned. `rules` says by cut whether a stage at or above it
    is RULED_IN or RULED_OUT, or CANNOT_SAY. `shares` are what each modality adds to the answer, in log-odds a stage up,
    against the training patients' mean: they add up to the whole difference. `reasons` are why not to trust it.
    `next_exams` are the modalities that the patient lacks, the one worth most by its cost first; None where that was
    not asked for.
    """

    patient_id: str
    stage: str
    probabilities: dict[str, float]
    pictures: dict[str, int]
    model: str
    far: dict[str, int] = field(default_factory=dict)
    trained_on: bool | None = None
    possible: tuple[str, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    seen: tuple[SeenPicture, ...] = ()
    reasons: tuple[str, ...] = ()
    next_exams: tuple[NextExam, ...] | None = None

    @property
    def next_exam(self) -> str:
        """The modality that is worth most by its cost, "" where none is worth anything."""
        return next((one.modality for one in self.next_exams or () if not one.worthless), "")

    def at_or_above(self, staging: Staging, cut: str) -> float:
        """The probability of a stage at or above a cut; raises `PlanError` for a cut that is none."""
        return sum(self.probabilities[name] for name in staging.classes[staging.threshold(cut) :])

    def answer(self, staging: Staging) -> str:
        """The stages that cannot be excluded in one word: "F4", "F2–F4", or CANNOT_SAY where none can, or nothing was
        learned of it."""
        if not self.possible or len(self.possible) == len(staging.classes):
            return CANNOT_SAY
        return self.possible[0] if len(self.possible) == 1 else f"{self.possible[0]}–{self.possible[-1]}"

    def as_dict(self, staging: Staging) -> dict[str, Json]:
        """What JSON holds."""
        return {
            "patient_id": self.patient_id,
            "stage": self.stage,
            "answer": self.answer(staging),
            "probabilities": dict(self.probabilities),
            "at_or_above": {cut: self.at_or_above(staging, cut) for cut in staging.cuts},
            "possible": list(self.possible),
            "rules": dict(self.rules),
            "reasons": list(self.reasons),
            "shares": dict(self.shares),
            "pictures": dict(self.pictures),
            "seen": [one.as_dict() for one in self.seen],
            "far_outside": dict(self.far),
            "trained_on": self.trained_on,
            **({} if self.next_exams is None else {"next_exams": [one.as_dict() for one in self.next_exams]}),
        }


def staged_table(staged: Sequence[Staged], staging: Staging) -> pl.DataFrame:
    """One row a patient: patient_id, the stage called, p_<class> of every stage, p_ge_<cut> of being at or above each
    cut, which stages cannot be excluded, how many of the pictures lie far outside the training ones, whether the
    patient trained the model (null where the model does not say whom it was trained on), the possible stages in one
    word, rule_<cut> of each cut, the reasons not to trust it, and where it was asked for the exam to make next."""
    classes = staging.classes
    columns: dict[str, list[str] | list[float] | list[int] | pl.Series] = {
        "patient_id": [one.patient_id for one in staged],
        "stage": [one.stage for one in staged],
    }
    columns |= {f"p_{name}": [one.probabilities[name] for one in staged] for name in classes}
    cuts = staging.cuts if len(classes) > 2 else ()  # of two classes the second is the cut
    columns |= {f"p_ge_{cut}": [one.at_or_above(staging, cut) for one in staged] for cut in cuts}
    columns["possible"] = [" ".join(one.possible) for one in staged]
    columns["far_outside"] = [sum(one.far.values()) for one in staged]
    columns["trained_on"] = pl.Series([one.trained_on for one in staged], dtype=pl.Boolean)
    columns["answer"] = [one.answer(staging) for one in staged]
    columns |= {f"rule_{cut}": [one.rules.get(cut, CANNOT_SAY) for one in staged] for cut in staging.cuts}
    columns["reasons"] = ["; ".join(one.reasons) for one in staged]
    if any(one.next_exams is not None for one in staged):
        columns["next_exam"] = [one.next_exam for one in staged]
    return pl.DataFrame(columns)
