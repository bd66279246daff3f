"""What a model keeps of the pictures that trained it, beside its weights: enough to tell when a new one is unlike them,
what an average patient's share is, and what a modality may add. Of a single patient it keeps a stage and a share, a few
numbers a modality, without an id and in no order that says whose they are; no picture can be made of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from fibrostage.cohort.store import Cohort
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import RunError
from fibrostage.learn.contributions import contributions
from fibrostage.learn.learner import Learner
from fibrostage.learn.projection import axes_of, bounds_of, distances_of, inverse_spread
from fibrostage.learn.shares import Shares, StageShares, centre, mean_shares, shares_from, stage_shares
from fibrostage.learn.task import Task
from fibrostage.networks.stream import Bounds

UNJUDGED = "not judged"
LARGEST = float(np.finfo(np.float32).max)  # of features that nothing holds back


@dataclass(frozen=True)
class KnownPictures:
    """Of the training patients, by modality: their mean share of the answer (`contributions`), which devices made the
    pictures, and how many pictures were of which quality. `bounds` are those of features of a trained backbone; a
    frozen one's go with the projection. `shares` are what each modality said of each, None in models from before they
    were kept."""

    baseline: Mapping[str, float] = field(default_factory=dict)
    devices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    quality: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    shares: StageShares | None = None

    def canonical(self) -> str:
        """What a model's file says, as JSON; the bounds stand among its tensors."""
        told = {
            "baseline": dict(self.baseline),
            "devices": {name: list(own) for name, own in self.devices.items()},
            "quality": {name: dict(own) for name, own in self.quality.items()},
            **({} if self.shares is None else {"shares": self.shares.as_dict()}),
        }
        return json.dumps(told, ensure_ascii=False, sort_keys=True)


def known_from(text: str) -> KnownPictures:
    """What `canonical` wrote; raises `RunError` where it is damaged."""
    try:
        told = json.loads(text)
        return KnownPictures(
            {str(name): float(value) for name, value in told["baseline"].items()},
            {str(name): tuple(map(str, own)) for name, own in told["devices"].items()},
            {str(name): {str(key): int(n) for key, n in own.items()} for name, own in told["quality"].items()},
            shares=shares_from(told["shares"]) if "shares" in told else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"what the model says of its training pictures is damaged: {error}") from None


def known_of(
    learner: Learner,
    task: Task,
    patients: NDArray[np.int64],
    training: NDArray[np.int64] | None = None,
    unseen: Shares | None = None,
) -> KnownPictures:
    """What is kept of the patients (rows [p]) that a fitted learner learned from. `training` [t] are those that it was
    fitted on and not chosen by, all unless they are given, and `unseen` [t, outputs] what cross-fits that had not seen
    them say of them, from their mean."""
    cohort, plan = task.cohort, task.plan
    ids = task.space.draw(patients, plan.evaluation.candidates, Draws.EVALUATED.of(plan.seed))
    means = contributions(learner.head, learner.features, task.space, ids).patients
    own = {name: np.isin(cohort.owners(name), patients) for name in plan.fused}
    bounds = {}
    if plan.training.finetune != "head":
        bounds = {
            name: trained_bounds(learner.features[name].numpy()[own[name]], cohort.owners(name)[own[name]])
            for name in plan.fused
            if own[name].any()
        }
    return KnownPictures(
        {name: float(values.mean()) for name, values in means.items()},
        {name: devices_of(cohort, name, own[name]) for name in plan.fused},
        {name: quality_of(cohort, name, own[name]) for name in plan.fused},
        bounds,
        shares_of(learner, task, patients if training is None else training, unseen),
    )


def shares_of(learner: Learner, task: Task, patients: NDArray[np.int64], unseen: Shares | None) -> StageShares:
    """What a fitted learner's modalities say of patients (rows [t]) that it was fitted on; with `unseen` [t, outputs],
    what others say who had not seen them, set to its mean."""
    owners = {name: task.space.owners(name) for name in task.plan.fused}
    shares: Shares = mean_shares(learner.head, learner.features, owners, patients)
    if unseen:
        shares = {name: unseen[name] + centre(table) for name, table in shares.items()}
    shown = {name: task.cohort.owners(name) for name in task.plan.fused}
    counts = {name: np.bincount(rows[np.isin(rows, patients)]) for name, rows in shown.items()}
    pictures = {name: round(float(each[each > 0].mean()), 2) for name, each in counts.items() if each.any()}
    return stage_shares(task.cohort.stages[patients], shares, pictures, bool(unseen))


def trained_bounds(features: NDArray[np.float32], owners: NDArray[np.int64]) -> Bounds:
    """Bounds of the features [n, C] of a trained backbone, which hold nothing back but know what is far."""
    far = torch.full((features.shape[1],), LARGEST)
    centre, scale = features.mean(axis=0, dtype=np.float64), inverse_spread(features)
    told = centre, scale, distances_of(features, owners), axes_of((features - centre) * scale)
    return bounds_of(-far, far, *(torch.from_numpy(each).float() for each in told))


def devices_of(cohort: Cohort, modality: str, own: NDArray[np.bool_]) -> tuple[str, ...]:
    """The devices that made the pictures of a modality that `own` [n] marks, where they are known."""
    named = cohort.images_of(modality)["device"].to_list()
    return tuple(sorted({device for device, kept in zip(named, own, strict=True) if kept and device}))


def quality_of(cohort: Cohort, modality: str, own: NDArray[np.bool_]) -> dict[str, int]:
    """How many pictures of a modality that `own` [n] marks are of which quality."""
    judged = cohort.images_of(modality)["quality"].to_list()
    return dict(sorted(Counter(each or UNJUDGED for each, kept in zip(judged, own, strict=True) if kept).items()))
