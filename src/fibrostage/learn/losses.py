"""What a fit makes small, from logits [n, K] and true stages [n]."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def stage_loss(kind: str, logits: Tensor, stages: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy, or mean sum of squared errors of the probabilities ("squared"; DLRE paper, §2.1); a scalar.

    `logits` are [n, K] and `stages` [n]. `weights` [K] are of the true stage; both means are weighted by them.
    """
    if kind == "cross_entropy":
        return F.cross_entropy(logits, stages, weights)
    truth = F.one_hot(stages, logits.shape[-1]).to(logits.dtype)
    errors = (logits.softmax(-1) - truth).square().sum(-1)
    if weights is None:
        return errors.mean()
    own = weights[stages]
    return (own * errors).sum() / own.sum()
