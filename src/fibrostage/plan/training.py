"""How it is fitted."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from pydantic import Field

from fibrostage.plan.section import PlanSection

CHOSEN: Literal["chosen"] = "chosen"
USUAL_PENALTY = 0.1


class TrainingPlan(PlanSection):
    """How a fit is done; the papers state none of it (docs/decisions 0001 and 0002 say why)."""

    finetune: Literal["head", "last", "all"] = "head"
    """What learns: the "head" on frozen, cached features, the "last" blocks too, or "all"."""
    loss: Literal["cross_entropy", "squared"] = "cross_entropy"
    """What a fit lessens: cross-entropy, or "squared", the sum of squared errors of the probabilities (DLRE paper,
    §2.1)."""
    epochs: int = Field(40, ge=1)
    """For "last" and "all", 6 to 12 are enough."""
    batch: int = Field(16, ge=1)
    """Candidates in a batch, about."""
    candidates: Annotated[int, Field(ge=1)] | Literal["all"] = 64
    """How many of a patient's candidates are learned from, as many as show every picture at least; or "all" of them.
    Active learning by candidate learns from those it asked for."""
    cover: Literal["pictures", "candidates"] = "pictures"
    """What an epoch shows: every one of the "pictures", in as few candidates as that takes, or all "candidates", every
    pair of pictures, as the MMFN paper trained."""
    together: int = Field(1, ge=1)
    """How many candidates of a patient share a batch; every pair of their pictures joins it at no cost: 4 are 16 pairs
    of 8 pictures."""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or stochastic gradient descent."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Of stochastic gradient descent."""
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    """The course of the learning rates: up and down once, or constant."""
    boundary: bool = True
    """Train from cached maps at the freeze boundary (and their mirror images): several times faster, without random
    moves; worth it unless training pictures are few (docs/results.md)."""
    blocks: int | None = Field(None, ge=1)
    """With "last", how many of the backbone's blocks learn; without it all behind its freeze boundary, 5 of
    efficientnet_lite0. With 2 a step takes less than half (docs/performance.md)."""
    backbone_lr: float = Field(1e-4, gt=0, le=1)
    """Learning rate of the backbones."""
    head_lr: float = Field(1e-3, gt=0, le=1)
    """Learning rate of what lies after them."""
    weight_decay: float = Field(1e-2, ge=0)
    """Of the optimiser."""
    frozen_batch: int = Field(20_000, ge=1)
    """Candidates in a batch of a head on frozen features."""
    frozen_lr: float = Field(3e-3, gt=0, le=1)
    """Learning rate of a head on frozen features."""
    frozen_l2: Annotated[float, Field(ge=0)] | Literal["chosen"] = CHOSEN
    """The penalty of the head's weights: "chosen" on the training patients (see `calibration.penalties`), where rounds
    that ask take 0.1; or a number."""
    mirror: bool = True
    """A picture's frozen features are the mean of its own and its mirror image's."""
    components: int = Field(400, ge=1)
    """Principal components of the frozen features, at most."""
    stream_loss: float = Field(0.5, ge=0)
    """Weight of each stream's own loss beside the fusion's."""
    class_weights: bool = False
    """Weigh classes inversely to their frequency."""
    patience: int = Field(8, ge=1)
    """Epochs without a better validation loss before stopping; of `split.validation`."""
    augment: bool | Literal["mirror"] = True
    """Flips and affine moves, and grey levels of B-mode, never colours of elastograms; "mirror" is flips alone."""
    average: float = Field(0.98, ge=0, lt=1)
    """Exponential average of the weights over steps."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """With "auto" it is bfloat16 where the hardware multiplies it."""

    @property
    def penalty(self) -> float:
        """The penalty of a head on frozen features, where nothing chooses it."""
        return USUAL_PENALTY if self.frozen_l2 == "chosen" else self.frozen_l2

    @property
    def candidates_a_patient(self) -> int:
        """How many of a patient's candidates are learned from, at most."""
        return sys.maxsize if self.candidates == "all" else self.candidates
