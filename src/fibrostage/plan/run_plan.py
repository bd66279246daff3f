"""The plan: the one validated configuration of a run, TOML in, JSON beside the results.

Every key has a default but `[[modality]]`. An unknown key is an error that names the nearest valid one; `--set
section.key=value` overrides one value, written as TOML (a bare word is taken as a string).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from fibrostage.ground.errors import PlanError, nearest
from fibrostage.ground.stage import KNOWN, Staging
from fibrostage.plan.file import apply_override, explain, read_plan_file
from fibrostage.plan.intake import (
    CinePlan,
    CohortPlan,
    DicomPlan,
    MaskPlan,
    ModalityPlan,
    PrivacyPlan,
    QualityPlan,
    ReliabilityPlan,
    RulePlan,
    Section,
    StiffnessPlan,
)
from fibrostage.plan.presets import PRESETS


class StagingPlan(Section):
    """A known system by name (METAVIR, Scheuer, Ishak), or any ordered list of classes.

    `task` is a cut: the network learns "at or above it" instead of every stage.
    """

    name: str = "METAVIR"
    classes: tuple[str, ...] | None = None
    cuts: tuple[str, ...] | None = None
    task: str | None = None

    def resolve(self) -> Staging:
        """What the network learns to tell apart."""
        whole = self.whole()
        return whole if self.task is None else whole.at(self.task)

    def whole(self) -> Staging:
        """The system that patients are labelled in."""
        known = KNOWN.get(self.name)
        if self.classes is None and known is None:
            raise PlanError(
                f"staging.name = {self.name!r} is not a known system ({', '.join(KNOWN)}); "
                "give staging.classes as an ordered list, mildest first"
            )
        classes = self.classes if self.classes is not None else known.classes  # type: ignore[union-attr]
        if known is not None and classes != known.classes:
            raise PlanError(
                f"staging.name = {self.name!r} has classes {list(known.classes)}, got {list(classes)}; "
                "give your own system another name"
            )
        default_cuts = known.cuts if known is not None else classes[1:]
        return Staging(self.name, classes, self.cuts if self.cuts is not None else default_cuts)


class SplitPlan(Section):
    """Who tests, always by patient; `validation` is a share of the training patients that stops a fit early.

    `use` is the share of the training patients that there are: with the same test patients, what more would bring.
    """

    scheme: Literal["holdout", "kfold", "column"] = "holdout"
    test: float = Field(0.2, gt=0, lt=1)
    folds: int = Field(5, ge=2)
    repeats: int = Field(1, ge=1)
    column: str = "fold"
    validation: float = Field(0.0, ge=0, lt=1)
    use: float = Field(1.0, gt=0, le=1)


class SourcePlan(Section):
    """Where trained weights came from, recorded when a run begins: the file's hash, and of a run of this tool its
    cohort and task."""

    name: str
    sha256: str
    cohort: str | None = None
    fingerprint: str | None = None
    task: str | None = None
    simulated: bool | None = None


class NetworkPlan(Section):
    """The fusion network of the MMFN paper, §3, whose single modality is its mono-modal baseline; or another name of
    `presets`, which sets several keys at once.

    `stream` is a modality's path after its backbone: "reduced" (point-wise reduction, squeeze-excitation, linear) or
    "plain" (linear). `load` = "front" takes from `weights` only what lies before the freeze boundary.
    """

    name: str = "mmfn"
    modalities: tuple[str, ...] | None = None
    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    load: Literal["whole", "front"] = "whole"
    source: SourcePlan | None = None
    stream: Literal["reduced", "plain"] = "reduced"
    share_backbone: bool = False
    reduce: int = Field(256, ge=1, le=8192)
    se_reduction: int = Field(16, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    head: Literal["softmax", "ordinal"] = "softmax"
    missing: Literal["keep", "drop"] = "keep"


class TrainingPlan(Section):
    """How a fit is done; the papers state none of it (docs/decisions 0001 and 0002 say why).

    `finetune = "head"` fits on frozen, cached features with the `frozen_*` values, each the mean of a picture's and
    its mirror image's with `mirror`; "last" and "all" train the
    backbones too, with `batch`, the two learning rates, and an exponential `average` of the weights.
    `together` candidates of a patient share a batch and every pair of their images joins it. `boundary` lets
    "last" train from cached maps at the freeze boundary instead of pixels.
    `loss` is cross-entropy, or the sum of squared errors of the probabilities (DLRE paper, §2.1).
    `stream_loss` is the weight of each stream's own loss beside that of their fusion.
    `augment` is of pictures: flips, moves and grey levels; "mirror" is flips alone.
    """

    finetune: Literal["head", "last", "all"] = "head"
    loss: Literal["cross_entropy", "squared"] = "cross_entropy"
    epochs: int = Field(40, ge=1)
    batch: int = Field(16, ge=1)
    together: int = Field(1, ge=1)
    boundary: bool = True
    backbone_lr: float = Field(1e-4, gt=0, le=1)
    head_lr: float = Field(1e-3, gt=0, le=1)
    weight_decay: float = Field(1e-2, ge=0)
    frozen_batch: int = Field(20_000, ge=1)
    frozen_lr: float = Field(3e-3, gt=0, le=1)
    frozen_l2: float = Field(0.1, ge=0)
    mirror: bool = True
    components: int = Field(400, ge=1)
    stream_loss: float = Field(0.5, ge=0)
    class_weights: bool = False
    patience: int = Field(8, ge=1)
    augment: bool | Literal["mirror"] = True
    average: float = Field(0.98, ge=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class ActivePlan(Section):
    """What is asked for, how much at a time, and who is left to ask. Shares are of the pool's items; `fold` is the one
    that tests.

    The first query is of `initial` of the pool, chosen as `start` says: "stratified" is a random draw in which every
    stage occurs, as the MMFN paper has it, and uses labels that nobody has yet; "auto" is random for "random" and
    TypiClust on the frozen features, which needs no label, for every other strategy. Then equal steps to all of the
    pool, steps of `query`, or to each of `shares` in turn. `epochs` are those of a fit after the first.
    """

    strategy: str = "esd"
    unit: Literal["candidate", "image", "patient"] = "candidate"
    start: Literal["auto", "stratified", "random", "typiclust", "coreset"] = "auto"
    rounds: int = Field(10, ge=0)
    initial: float = Field(0.1, gt=0, le=1)
    query: float | None = Field(None, gt=0, le=1)
    shares: tuple[float, ...] | None = None
    epochs: int | None = Field(None, ge=1)
    warm_start: bool = True
    passes: int = Field(20, ge=1)
    per_patient: int | None = Field(None, ge=1)
    per_stage: float | None = Field(None, gt=0, le=1)
    cut: str | None = None
    coldness: float = Field(1.0, gt=0)
    fold: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _rising(self) -> ActivePlan:
        shares = self.shares
        if shares is not None and not (
            shares and shares[0] > 0 and shares[-1] <= 1 and all(a < b for a, b in pairwise(shares))
        ):
            raise PlanError(f"active.shares = {list(shares)} must rise from above 0 to at most 1")
        if shares is not None and self.query is not None:
            raise PlanError("active.shares and active.query are two ways of stepping; give one")
        return self


class OraclePlan(Section):
    """A simulated oracle's faults: a share of the patients whose stage it gets wrong (by one stage, or any other), a
    share of the items it calls unusable, and whether it does so for every item with a bad image."""

    error: float = Field(0.0, ge=0, le=1)
    error_kind: Literal["neighbour", "any"] = "neighbour"
    unusable: float = Field(0.0, ge=0, le=1)
    rejects_bad: bool = False


class CostPlan(Section):
    """What asking costs: a biopsy a patient, a reading a distinct image, and an exam for each modality that a patient
    who is asked lacks."""

    biopsy: float = Field(1.0, ge=0)
    reading: float = Field(0.0, ge=0)
    missing_exam: float = Field(0.0, ge=0)


class BudgetPlan(Section):
    """What may be spent, in any currency; a query is cut where it would be exceeded."""

    candidates: int | None = Field(None, ge=1)
    images: int | None = Field(None, ge=1)
    patients: int | None = Field(None, ge=1)
    cost: float | None = Field(None, gt=0)


class StoppingPlan(Section):
    """When to stop asking. A budget always stops; of the other rules that are set, `combine` says any or all.

    `plateau`: rounds whose validated AUC is not `improvement` better than the best before (needs split.validation).
    `stable`: rounds in a row whose predicted stages agree with the round before, Cohen's κ ≥ `agreement`.
    `gain`: the validated AUC's expected gain by the next query, from its slope over log labels, is below this.
    """

    combine: Literal["any", "all"] = "any"
    budget: BudgetPlan = BudgetPlan()
    plateau: int | None = Field(None, ge=1)
    improvement: float = Field(0.005, ge=0)
    stable: int | None = Field(None, ge=1)
    agreement: float = Field(0.99, gt=0, le=1)
    gain: float | None = Field(None, gt=0)


class EvaluationPlan(Section):
    """`candidates` bounds how many of a patient's candidates are averaged; each image shows equally often.
    `training` reports the training cohort beside the test cohort."""

    candidates: int = Field(256, ge=1)
    training: bool = False
    bootstrap: int = Field(2000, ge=100, le=100_000)
    confidence: float = Field(0.95, gt=0.5, lt=1)


class Plan(Section):
    """One run, whole. `Plan.load` reads TOML; `canonical` is what is saved."""

    seed: int = Field(0, ge=0, le=2**32 - 1)
    cohort: CohortPlan = CohortPlan()
    staging: StagingPlan = StagingPlan()
    modality: tuple[ModalityPlan, ...]
    split: SplitPlan = SplitPlan()
    network: NetworkPlan = NetworkPlan()
    training: TrainingPlan = TrainingPlan()
    rule: tuple[RulePlan, ...] = ()
    stiffness: tuple[StiffnessPlan, ...] = ()
    reliability: ReliabilityPlan = ReliabilityPlan()
    mask: tuple[MaskPlan, ...] = ()
    dicom: DicomPlan = DicomPlan()
    cine: CinePlan = CinePlan()
    privacy: PrivacyPlan = PrivacyPlan()
    quality: QualityPlan = QualityPlan()
    active: ActivePlan = ActivePlan()
    oracle: OraclePlan = OraclePlan()
    cost: CostPlan = CostPlan()
    stopping: StoppingPlan = StoppingPlan()
    evaluation: EvaluationPlan = EvaluationPlan()

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        """The preset's values where the plan does not say them."""
        network = data.get("network", {}) if isinstance(data, dict) else None
        name = network.get("name", "mmfn") if isinstance(network, dict) else None
        return PRESETS[name].laid_under(data) if isinstance(name, str) else data

    @model_validator(mode="after")
    def _as_named(self) -> Plan:
        PRESETS[self.network.name].check(self.model_dump())
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        names = [modality.name for modality in self.modality]
        if not names:
            raise PlanError("a plan needs at least one [[modality]] with a name")
        if len(set(names)) != len(names):
            raise PlanError(f"[[modality]] names repeat: {names}")
        markers = [modality.marker for modality in self.modality if modality.marker is not None]
        if len(set(markers)) != len(markers):
            raise PlanError(f"two modalities have the same marker: {markers}")
        for rule in self.rule:
            if rule.modality not in names:
                raise PlanError(
                    f"a [[rule]] names the modality {rule.modality!r}{nearest(rule.modality, names)}; "
                    f"the plan's modalities are {', '.join(names)}"
                )
        for name in self.network.modalities or ():
            if name not in names:
                raise PlanError(
                    f"network.modalities names {name!r}{nearest(name, names)}; "
                    f"the plan's modalities are {', '.join(names)}"
                )
        if self.network.modalities is not None and len(set(self.network.modalities)) != len(self.network.modalities):
            raise PlanError(f"network.modalities repeats a name: {list(self.network.modalities)}")
        if self.network.modalities is not None and not self.network.modalities:
            raise PlanError(f"network.modalities is empty; choose among {', '.join(names)}")
        cuts = self.staging.resolve().classes[1:]
        if self.active.cut is not None and self.active.cut not in cuts:
            raise PlanError(
                f"active.cut = {self.active.cut!r}{nearest(self.active.cut, cuts)}; a cut is at or above one of "
                f"{', '.join(cuts)}"
            )
        if self.active.unit == "image" and self.network.missing == "drop":
            raise PlanError(
                'active.unit = "image" labels one modality before another: it needs network.missing = "keep"'
            )
        needs = [key for key in ("plateau", "gain") if getattr(self.stopping, key) is not None]
        if needs and not self.split.validation:
            raise PlanError(
                f"stopping.{needs[0]} looks at validation patients, and split.validation = 0 sets none aside; "
                "give it a share, e.g. 0.2"
            )
        return self

    @property
    def fused(self) -> tuple[str, ...]:
        """The modalities the network sees, in order."""
        return self.network.modalities or tuple(modality.name for modality in self.modality)

    def canonical(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True)

    def digest(self) -> str:
        """What names exactly this plan, trained weights by what they are and not by where they lie."""
        data = self.model_dump(mode="json")
        if self.network.source is not None:
            data["network"]["weights"] = data["network"].pop("source")["sha256"]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    @classmethod
    def load(cls, path: Path, overrides: Iterable[str] = ()) -> Plan:
        """A plan from a TOML file, or from the JSON saved beside a run."""
        return cls.parse(read_plan_file(path), overrides, str(path))

    @classmethod
    def parse(cls, data: dict[str, Any], overrides: Iterable[str] = (), source: str = "plan") -> Plan:
        data = json.loads(json.dumps(data, default=str))
        for override in overrides:
            apply_override(data, override)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise PlanError(explain(error, source, cls)) from None
