"""MMFN, the multi-modal fusion network: one stream a modality, fused by concatenation before one linear layer.

The fully connected layer over the concatenation [v₁ … v_n] is cut by stream, so that logits = c + Σ_m A_m v_m.
Three things follow and are used everywhere: features are per image and never per candidate; a candidate's
logits are a sum of rows of per-image tables; and each modality's share of a logit is exact. With one modality
it is the paper's mono-modal baseline. A missing image is row −1: the stream's learned offset takes its place.
With an ordinal link the streams add up to one number f instead of K, and stages are intervals of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np
import torch
from torch import Tensor, nn

from fibrostage.networks.heads import HEADS
from fibrostage.networks.heads.spec import HeadKind, Link
from fibrostage.networks.stream import ModalityPath, PlainStream, Stream, dropout_mask
from fibrostage.plan.network import NetworkPlan

ABSENT = -1


def slot(modality: str) -> str:
    """A modality's key in a module: any user's name, also one that torch's modules use themselves."""
    return f"modality_{modality}"


class Head(nn.Module):
    """Everything after the backbones: per-stream features → candidate logits."""

    def __init__(
        self,
        modalities: Sequence[str],
        features: Mapping[str, int],
        classes: int,
        reduce: int = 256,
        se_reduction: int = 16,
        dropout: float = 0.5,
        kind: str | HeadKind = "softmax",
        stream: str = "reduced",
        pooling: str = "pairs",
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        self.classes = classes
        self.dropout = dropout
        self.kind: HeadKind = HEADS[kind] if isinstance(kind, str) else kind
        self.link: Link = self.kind.make(classes)  # type: ignore[assignment]
        outputs = self.link.outputs

        def path(width: int) -> ModalityPath:
            attends = pooling == "attention"
            if stream == "plain":
                return PlainStream(width, outputs, attends)
            parts = {"reduces": stream != "unreduced", "gated": stream != "ungated", "attends": attends}
            return Stream(width, outputs, reduce, se_reduction, **parts)

        self.streams = nn.ModuleDict({slot(name): path(features[name]) for name in modalities})

    def stream(self, modality: str) -> ModalityPath:
        """The path of a modality after its backbone."""
        stream = self.streams[slot(modality)]
        assert isinstance(stream, ModalityPath)
        return stream

    def tables(self, features: Mapping[str, Tensor], rng: np.random.Generator | None = None) -> dict[str, Tensor]:
        """Per-image shares of the logits, one table a stream, its LAST row the missing image's offset.

        features[m] is [n_m, C_m], or of bags [n_m, B, C_m], which count as one image each; a table is [n_m + 1, K],
        so that row −1 is the absent image. With a generator of random numbers, dropout is drawn afresh for every
        image. K is 1 with an ordinal link.
        """
        result = {}
        for name in self.modalities:
            stream, z = self.stream(name), features[name]
            v = stream.embed(z)
            keep = None
            if rng is not None and self.dropout > 0:
                keep = dropout_mask(tuple(v.shape), self.dropout, rng).to(v.device)
            result[name] = torch.cat([stream.shares(v, keep), stream.offset[None]])
        return result

    def masks(self, passes: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Monte-Carlo dropout [T, reduce] a stream: one mask a pass, shared by the stream's images."""
        return {name: dropout_mask((passes, self.stream(name).width), self.dropout, rng) for name in self.modalities}

    def shares(self, modality: str, z: Tensor, masks: Tensor | None = None) -> Tensor:
        """A stream's share of the logits [T, n, K] of images z [n, C]: a pass a mask, or one without dropout."""
        stream = self.stream(modality)
        v = stream.embed(z)
        if masks is None:
            return stream.shares(v)[None]
        masked_weights = masks.to(v.device)[:, None, :] * stream.classify.weight  # [T, K, reduce]
        passes, classes, reduce = masked_weights.shape
        return (v @ masked_weights.reshape(passes * classes, reduce).T).view(len(v), passes, classes).transpose(0, 1)

    def passes(self, features: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tables under Monte-Carlo dropout [T, n_m + 1, K]."""
        result = {}
        for name in self.modalities:
            shares = self.shares(name, features[name], masks[name])
            result[name] = torch.cat([shares, self.stream(name).offset.expand(len(shares), 1, -1)], dim=1)
        return result

    def fuse(self, tables: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """Logits [..., N, K] of candidates: rows [N, M] index the tables, −1 where an image is absent."""
        parts = [
            tables[name].index_select(-2, positions(rows[:, column], tables[name]))
            for column, name in enumerate(self.modalities)
        ]
        return self.link(reduce(add, parts))


def make_head(plan: NetworkPlan, modalities: Sequence[str], features: Mapping[str, int], classes: int) -> Head:
    """The head of a plan, its weights by torch's generator."""
    return Head(
        modalities,
        features,
        classes,
        plan.reduce,
        plan.se_reduction,
        plan.dropout,
        plan.head,
        plan.stream,
        plan.pooling,
    )


def positions(rows: Tensor, table: Tensor) -> Tensor:
    """Rows [n] in which −1 (absent) is the last row of a table [rows, K]."""
    return torch.where(rows < 0, table.shape[-2] - 1, rows)


class MMFN(nn.Module):
    """Backbones and head. With `share`, one backbone serves every stream of pictures; a table of measurements has
    none."""

    def __init__(self, backbones: Mapping[str, nn.Module], head: Head, share: bool = False) -> None:
        super().__init__()
        self.share = share
        names = list(backbones)[:1] if share else list(backbones)
        self.backbones = nn.ModuleDict({slot(name): backbones[name] for name in names})
        self.head = head

    def backbone(self, modality: str) -> nn.Module:
        """What makes features of a modality's pictures; a table has none."""
        return next(iter(self.backbones.values())) if self.share else self.backbones[slot(modality)]

    def pooled(self, modality: str, images: Tensor) -> Tensor:
        """Normalised images [B, 3, S, S] → pooled features z = GAP(backbone(x)) [B, C] in float32."""
        return self.backbone(modality)(images).float().mean(dim=(2, 3))

    def pooled_from_boundary(self, modality: str, maps: Tensor) -> Tensor:
        """Maps at the backbone's freeze boundary [B, C', H, W] → pooled features [B, C] in float32."""
        return self.backbone(modality).back(maps).float().mean(dim=(2, 3))  # type: ignore[operator]
