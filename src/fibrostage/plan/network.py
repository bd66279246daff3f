"""What is fitted: backbone, streams, fusion and where their first weights come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fibrostage.plan.section import PlanSection


class SourcePlan(PlanSection):
    """Where weights came from, recorded when a run begins."""

    name: str
    """What the weights were taken from."""
    sha256: str
    """The file's hash."""
    cohort: str | None = None
    """Of a run: the name of its cohort."""
    fingerprint: str | None = None
    """Of a run: its cohort's fingerprint."""
    task: str | None = None
    """Of a run: what it learned to tell apart."""
    simulated: bool | None = None
    """Of a run: whether its cohort was simulated."""
    layout: tuple[str, ...] = ()
    """What was done to find the weights in the file."""

    @property
    def read_as(self) -> str | None:
        """A sentence on what was done to find the weights in their file; None where they lay there as published."""
        return f"weights: of {self.name}, {', '.join(self.layout)}" if self.layout else None


class NetworkPlan(PlanSection):
    """What is fitted, and where its first weights come from (MMFN paper, §3)."""

    name: str = "mmfn"
    """The "mmfn" is the fusion network, whose single modality is its mono-modal baseline; other names set several keys
    at once (see above)."""
    modalities: tuple[str, ...] | None = None
    """Which the network sees, in order; without it all of the cohort's."""
    backbone: str = "efficientnet_lite0"
    """One of "efficientnet_lite0", "efficientnet_lite0_mid" (maps of its middle beside the last), "resnet18",
    "resnet50", "inception_v3", "dlre", or one that another package brings."""
    weights: str = "imagenet"
    """Of "imagenet", "random", a run's folder, a .safetensors or .pth file, or a hub id `owner/name[:file]`
    (docs/weights.md)."""
    load: Literal["whole", "front"] = "whole"
    """Of the weights, "front" takes only what lies before the freeze boundary; the rest begins at random."""
    source: SourcePlan | None = None
    """Recorded when a run begins: what file the weights were, and what was done to find them in it. It is checked when
    the plan is used again."""
    stream: Literal["reduced", "plain", "ungated", "unreduced"] = "reduced"
    """A modality's path after its backbone: "reduced" (point-wise reduction, squeeze-excitation, linear), "plain"
    (linear), or for ablations "ungated" (without the squeeze-excitation) and "unreduced" (without the reduction, which
    trains with the backbone)."""
    share_backbone: bool = False
    """One backbone for all modalities when fine-tuning (same kind of picture)."""
    reduce: int = Field(256, ge=1, le=8192)
    """Width of the point-wise reduction."""
    se_reduction: int = Field(16, ge=1)
    """By how much the squeeze-excitation narrows."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Before the last layer."""
    head: str = "softmax"
    """A "softmax", or "ordinal": the streams sum to one severity, and stages are intervals of it (cumulative link)."""
    pooling: Literal["pairs", "features", "attention"] = "pairs"
    """How a patient's pictures are seen: "pairs" asks about one picture of each modality at a time and averages the
    answers, as the MMFN paper does; the others see all of a modality's at once and need frozen backbones: "features"
    averages what the backbone makes of them, "attention" what the stream makes of them, by learned weights (Ilse et al.
    2018)."""
    missing: Literal["keep", "drop"] = "keep"
    """Patients who lack a modality: "keep" puts a learned offset in its place, "drop" leaves them out."""
