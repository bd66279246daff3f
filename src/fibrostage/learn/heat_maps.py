"""Where in each picture an answer lies: integrated gradients of the stage called, as `explain` has them.

They take a second or two a picture, so they are made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from fibrostage.cohort.store import Cohort
from fibrostage.learn.explain import attributor, bland
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.learn.model import Model
from fibrostage.networks.backbones import BACKBONES
from fibrostage.results.staged import Staged

Attribute = Callable[[Tensor, Tensor, int], NDArray[np.float32]]
HOW = "gradients"
SMOOTH = 0.03  # of the side: gradients of single pixels are too fine to be seen
Maps = Mapping[tuple[str, int], NDArray[np.float32]]


@dataclass
class HeatMaps:
    """Makes the maps of one patient after another; what takes a modality's pictures apart is kept meanwhile."""

    model: Model
    made: dict[str, list[Attribute]] = field(default_factory=dict)

    def of(self, staged: Staged, cohort: Cohort) -> Maps:
        """By modality and row the map [S, S] of each picture of a patient, above 0 what speaks for the stage called:
        the mean over the model's networks, smoothed. Raises `PlanError` where Captum is not installed."""
        called = self.model.staging.classes.index(staged.stage)
        return {
            (one.modality, one.row): self.of_picture(one.modality, cohort.pixels(one.modality)[one.row], called)
            for one in staged.seen
            if one.modality in self.model.plan.pictured
        }

    def of_picture(
        self, modality: str, pixels: NDArray[np.uint8], called: int, members: Sequence[int] | None = None
    ) -> NDArray[np.float32]:
        """The map [S, S] of one picture's stored pixels [H, W, C] for the stage of index `called`, of all networks or
        of some `members`. Raises `PlanError` where Captum is not installed."""
        plan = self.model.plan
        spec = BACKBONES[plan.network.backbone]
        if modality not in self.made:
            self.made[modality] = [
                attributor(network, modality, HOW, spec, plan.training.precision) for network, _ in self.model.members
            ]
        raw = as_tensor(pixels[None], spec)
        seen, without = normalise(raw, spec), normalise(bland(raw), spec)
        asked = range(len(self.model.members)) if members is None else members
        mean = np.mean([self.made[modality][member](seen, without, called) for member in asked], axis=0)
        return np.asarray(gaussian_filter(mean, SMOOTH * mean.shape[0]), dtype=np.float32)
