"""What is fitted: backbone, streams, fusion and where their first weights come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fibrostage.plan.section import PlanSection


class SourcePlan(PlanSection):
    """Where weights came from, recorded when a run begins: the file's hash, what was done to find them in it, and of a
    run of this tool its cohort and task."""

    name: str
    sha256: str
    cohort: str | None = None
    fingerprint: str | None = None
    task: str | None = None
    simulated: bool | None = None
    layout: tuple[str, ...] = ()

    @property
    def read_as(self) -> str | None:
        """A sentence on what was done to find the weights in their file; None where they lay there as published."""
        return f"weights: of {self.name}, {', '.join(self.layout)}" if self.layout else None


class NetworkPlan(PlanSection):
    """The fusion network of the MMFN paper, §3, whose single modality is its mono-modal baseline; or another name of
    `presets`, which sets several keys at once.

    `stream` is a modality's path after its backbone: "reduced" (point-wise reduction, squeeze-excitation, linear),
    "plain" (linear), or for ablations "ungated" (no squeeze-excitation) and "unreduced" (no reduction). `load` =
    "front" takes from `weights` only what lies before the freeze boundary.
    """

    name: str = "mmfn"
    modalities: tuple[str, ...] | None = None
    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    load: Literal["whole", "front"] = "whole"
    source: SourcePlan | None = None
    stream: Literal["reduced", "plain", "ungated", "unreduced"] = "reduced"
    share_backbone: bool = False
    reduce: int = Field(256, ge=1, le=8192)
    se_reduction: int = Field(16, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    head: str = "softmax"
    missing: Literal["keep", "drop"] = "keep"
