"""Fitting a head on frozen features: seconds, because nothing but the head is computed.

What used to dominate such a fit on two cores, and is gone: the backbone (features are cached), the projection
to 256 of every candidate (a batch's unique images go through their stream once), dropout's random numbers
(16-bit integers) and many small steps (batches are large, so a fit is tens of steps).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fibrostage.ground.draws import Draws
from fibrostage.learn.best_epoch import BestEpoch
from fibrostage.learn.engine import seeded
from fibrostage.learn.losses import stage_loss
from fibrostage.learn.soundness import check_loss
from fibrostage.networks.fusion import ABSENT, Head
from fibrostage.plan.training import TrainingPlan


@dataclass(frozen=True)
class Examples:
    """Candidates to learn from: image rows [n, M] within each modality, and stages [n]."""

    rows: NDArray[np.int64]
    stages: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Batch:
    """What a step computes with: features[m] [u_m, C_m] of the batch's u_m distinct images, and b candidates.

    `rows` [b, M] index the features, −1 where an image is absent; `stages` are [b].
    """

    features: dict[str, Tensor]
    rows: Tensor
    stages: Tensor


def gathered(head: Head, features: Mapping[str, Tensor], examples: Examples, part: NDArray[np.int64]) -> Batch:
    """The batch of the candidates `part` [b], positions in `examples`.

    features[m] [n_m, C_m] holds every image of a modality; the batch holds only those its candidates show.
    """
    images, local = unique_rows(examples.rows[part])
    own = {name: features[name][torch.from_numpy(rows)] for name, rows in zip(head.modalities, images, strict=True)}
    return Batch(own, torch.from_numpy(local), torch.from_numpy(examples.stages[part]))


def class_weights(stages: NDArray[np.int64], classes: int, balanced: bool) -> Tensor | None:
    """Weights [K] inverse to the classes' frequency, mean 1 over the examples; None when not asked for.

    `stages` [n] are the examples'; a class without an example weighs 0.
    """
    if not balanced:
        return None
    counts = np.bincount(stages, minlength=classes).astype(np.float64)
    present = counts > 0
    weights = np.zeros(classes)
    weights[present] = len(stages) / (present.sum() * counts[present])
    return torch.from_numpy(weights).float()


def unique_rows(rows: NDArray[np.int64]) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Per modality the distinct images of a batch [u_m], and the batch's rows renumbered to them [b, M].

    `rows` [b, M] are image rows within each modality; −1, an absent image, stays −1.
    """
    images, local = [], np.full_like(rows, ABSENT)
    for column in range(rows.shape[1]):
        present = rows[:, column] >= 0
        distinct, inverse = np.unique(rows[present, column], return_inverse=True)
        images.append(distinct)
        local[present, column] = inverse
    return images, local


def fused_loss(
    head: Head,
    tables: Mapping[str, Tensor],
    rows: Tensor,
    stages: Tensor,
    weights: Tensor | None,
    stream_loss: float,
    kind: str,
) -> Tensor:
    """The loss of the fused logits, plus `stream_loss` times that of each stream on its own; a scalar.

    tables[m] [u_m + 1, K] holds each image's share of the logits (K is 1 with an ordinal link), the absent image's
    last; rows [b, M] index them; stages are [b], and weights [K] are of the true stage. The streams' own terms keep a
    strong modality from starving a weak one, and make each stream a usable mono-modal classifier for patients who have
    nothing else.
    """
    loss = stage_loss(kind, head.fuse(tables, rows), stages, weights)
    if stream_loss and len(head.modalities) > 1:
        for column, name in enumerate(head.modalities):
            present = rows[:, column] >= 0
            if present.any():
                own = head.link(tables[name][rows[present, column]])
                loss = loss + stream_loss * stage_loss(kind, own, stages[present], weights)
    return loss


def fit_frozen(
    head: Head,
    features: Mapping[str, Tensor],
    examples: Examples,
    plan: TrainingPlan,
    seed: int,
    validation: Examples | None = None,
    noted: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Fits the head in place; returns a record an epoch, each `noted` as soon as there is one. With validation the best
    epoch is kept.

    features[m] [n_m, C_m] holds every image of a modality; the examples' rows index them. Raises `RunError` where the
    loss is no number.
    """
    history: list[dict[str, float]] = []
    matrices = [p for p in head.parameters() if p.ndim == 2]
    weights = class_weights(examples.stages, head.classes, plan.class_weights)
    batches = -(-len(examples) // plan.frozen_batch)
    optimiser = torch.optim.AdamW(head.parameters(), plan.frozen_lr, weight_decay=0, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.frozen_lr, total_steps=max(2, plan.epochs * batches))
    best = BestEpoch(plan.patience, head.state_dict())
    rng = Draws.HEAD_FIT.of(seed)
    whole = gathered(head, features, examples, np.arange(len(examples))) if batches == 1 else None
    with seeded(seed):
        for epoch in range(plan.epochs):
            total = 0.0
            order = rng.permutation(len(examples))
            for part in np.array_split(order, batches):
                batch = whole or gathered(head, features, examples, part)
                tables = head.tables(batch.features, rng)
                loss = fused_loss(head, tables, batch.rows, batch.stages, weights, plan.stream_loss, plan.loss)
                penalty = torch.stack([matrix.square().sum() for matrix in matrices]).sum()
                optimiser.zero_grad(set_to_none=True)
                (loss + plan.penalty / 2 * penalty).backward()
                optimiser.step()
                schedule.step()
                total += float(loss.detach()) * len(part)
            check_loss(total / len(examples), epoch)
            record = {"epoch": epoch, "loss": total / len(examples)}
            if validation is not None:
                record["validation_loss"] = head_loss(head, features, validation, plan.loss)
                best.offer(record["validation_loss"], lambda: copy.deepcopy(head.state_dict()))
            history.append(record)
            if noted is not None:
                noted(record)
            if best.exhausted:
                break
    if validation is not None:
        head.load_state_dict(best.kept)
    return history


@torch.inference_mode()
def head_loss(head: Head, features: Mapping[str, Tensor], examples: Examples, kind: str) -> float:
    """The mean loss of the fused logits of all examples, without dropout and without weights.

    features[m] [n_m, C_m] holds every image of a modality; `kind` is that of `stage_loss`.
    """
    logits = head.fuse(head.tables(features), torch.from_numpy(examples.rows))
    return float(stage_loss(kind, logits, torch.from_numpy(examples.stages)))
