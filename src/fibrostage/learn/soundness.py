"""Whether a network still works: a broken one must not be saved, and its figures must not be reported."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.errors import RunError

SAME = 1e-7  # probabilities nearer than this to one another are one answer
SEVERAL = 3  # patients of whom not all can look the same
LEAST = 1e-6  # of a probability: no picture is proof


def never_certain(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities [n, K] of which none is 0 or 1: those below `LEAST` are brought to it."""
    raised = np.maximum(probabilities, LEAST)
    certain = probabilities.min(axis=1, keepdims=True) < LEAST
    return np.asarray(np.where(certain, raised / raised.sum(axis=1, keepdims=True), probabilities))


def check_features(
    features: NDArray[np.float32], pixels: NDArray[np.uint8], modality: str, backbone: str, first: int = 0
) -> None:
    """Raises `RunError` where features [n, C] are no numbers, or the same for several images that differ in their
    `pixels` [first + n, S, S, C], of which theirs begin at `first`."""
    bad = int((~np.isfinite(features).all(axis=1)).sum())
    if bad:
        raise RunError(
            f"features of {modality}: {backbone} gives no numbers for {bad} of {len(features)} images; its weights are "
            "broken, or do not go with the images' preprocessing"
        )
    same = len(features) >= SEVERAL and float(np.ptp(features, axis=0).max()) == 0
    others = range(first + 1, first + len(features))
    if same and any(not np.array_equal(pixels[row], pixels[first]) for row in others):
        raise RunError(
            f"features of {modality}: {backbone} gives the same for all {len(features)} images; its weights are broken"
        )


def check_loss(loss: float, epoch: int) -> None:
    """Raises `RunError` where a mean loss is no number."""
    if not np.isfinite(loss):
        raise RunError(
            f"the fit diverged: in epoch {epoch} the loss is {loss:g}; lower the learning rate (training.frozen_lr, "
            "training.head_lr, training.backbone_lr) or check the weights"
        )


def check_answers(probabilities: NDArray[np.floating], what: str) -> None:
    """Raises `RunError` where probabilities [n, K] of several patients are no numbers, or all the same."""
    if not np.isfinite(probabilities).all():
        raise RunError(f"{what}: the network gives probabilities that are no numbers; nothing of it is to be believed")
    if len(probabilities) >= SEVERAL and float(np.ptp(probabilities, axis=0).max()) < SAME:
        raise RunError(
            f"{what}: the network gives all {len(probabilities)} the same probabilities; the fit diverged, or nothing "
            "was learned"
        )
