"""How it is fitted."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from pydantic import Field

from fibrostage.plan.section import PlanSection

CHOSEN: Literal["chosen"] = "chosen"
USUAL_PENALTY = 0.1


class TrainingPlan(PlanSection):
    """How a fit is done; the papers state none of it (docs/decisions 0001 and 0002 say why).

    `finetune = "head"` fits on frozen, cached features with the `frozen_*` values, each the mean of a picture's and
    its mirror image's with `mirror`; `frozen_l2` is the penalty of its weights, or "chosen": `train` then
    chooses it on the training patients ([calibration]), and rounds that ask take USUAL_PENALTY. "last" and "all" train
    the backbones too, with `batch`, the two learning rates, and an exponential `average` of the weights.
    `optimiser`, with `momentum` for "sgd", follows `schedule`: one cycle of the learning rates, or constant ones.
    At most about `candidates` of each patient's are learned from, every picture among them.
    An epoch shows every picture, in as few candidates as that takes, or every candidate (`cover`).
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
    candidates: Annotated[int, Field(ge=1)] | Literal["all"] = 64
    cover: Literal["pictures", "candidates"] = "pictures"
    together: int = Field(1, ge=1)
    optimiser: Literal["adamw", "sgd"] = "adamw"
    momentum: float = Field(0.9, ge=0, lt=1)
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    boundary: bool = True
    backbone_lr: float = Field(1e-4, gt=0, le=1)
    head_lr: float = Field(1e-3, gt=0, le=1)
    weight_decay: float = Field(1e-2, ge=0)
    frozen_batch: int = Field(20_000, ge=1)
    frozen_lr: float = Field(3e-3, gt=0, le=1)
    frozen_l2: Annotated[float, Field(ge=0)] | Literal["chosen"] = CHOSEN
    mirror: bool = True
    components: int = Field(400, ge=1)
    stream_loss: float = Field(0.5, ge=0)
    class_weights: bool = False
    patience: int = Field(8, ge=1)
    augment: bool | Literal["mirror"] = True
    average: float = Field(0.98, ge=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    @property
    def penalty(self) -> float:
        """The penalty of a head on frozen features, where nothing chooses it."""
        return USUAL_PENALTY if self.frozen_l2 == "chosen" else self.frozen_l2

    @property
    def candidates_a_patient(self) -> int:
        """How many of a patient's candidates are learned from, at most."""
        return sys.maxsize if self.candidates == "all" else self.candidates
