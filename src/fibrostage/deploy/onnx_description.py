"""onnx.json: all that somebody needs who has the ONNX files of a model, pictures, and nothing else of the package.

Every number that the answer depends on stands in it, also those that are constants here; STEPS says in words what is
done with them, and a test walks through them without PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fibrostage import __version__
from fibrostage.deploy.onnx_graphs import OPSET
from fibrostage.ground.files import Json, JsonObject
from fibrostage.learn.model import Model
from fibrostage.learn.soundness import LEAST
from fibrostage.networks.backbones import BACKBONES
from fibrostage.plan.run_plan import Plan
from fibrostage.stats.calling import Calling, limits_together, together
from fibrostage.stats.poolings import POOLINGS
from fibrostage.stats.recalibration import EDGE, FLOOR

FORMAT = 1
PICTURES, IMAGES, FEATURES, SHARE, PROBABILITIES = "pictures", "images", "features", "share", "probabilities"
VALUES = "values"

STEPS = (
    "Store each picture as the modality says: a square of `size` pixels with `channels` channels (3 are red, green and "
    "blue; 1 is grey), cut and fitted as `kind` and `fit` name it in the documentation of intake, 8 bits, not "
    "normalised. What stands under `in_the_graph` is done by the file itself.",
    "For every member, run its stream of each modality on that modality's pictures [n, size, size, channels]: the "
    "answer is a row [shares] a picture. A modality of the kind 'table' has no pictures but measured `columns`, a row "
    "[columns] a patient, or with `of` a row a picture of that modality: in the units of the documentation of markers, "
    "sex 0 for female and 1 for male, markers by their formula, of those in `log` the natural logarithm, NaN where one "
    "is missing. A row without any value is left out.",
    "A candidate is one picture, or row of a table, of each modality, all of one patient. Take every combination; "
    "where there are more than `candidates.at_most`, the package draws about that many, in which each picture is seen "
    "equally often; all of them, or a draw of your own, give nearly the same answer but not quite. Where a patient "
    "lacks a modality, its share is the stream's `offset`; with `missing` = 'drop' such patients are not staged, and "
    "those without any picture never are.",
    "Run the member's head on the candidates' shares, a row a candidate and an input a modality: the answer is the "
    "probability of each of `classes`.",
    "Pool a patient's candidates, in 64 bits: 'pair_mean' is their mean; 'log_mean' the exponential of the mean of "
    "their logarithms, divided by its sum over the classes, in which a probability below 1.1754944e-38 counts as that.",
    "Recalibrate by the member's `calling.recalibration`, unless it is null. Of each cut k take P(class >= k), the sum "
    "of the probabilities from class k up, for k = 1 and so on. With `slope`, bring it between `recalibration.edge` "
    "and 1 - `recalibration.edge`, and let it become 1 / (1 + exp(-(intercept + slope * log(P / (1 - P))))); with "
    "`at`, interpolate it linearly from `at` to `to`. Then let no cut exceed the cut before. With 1 before the first "
    "cut and 0 after the last, a class has the difference of the two beside it, at least `recalibration.floor`, "
    "divided by the sum over the classes.",
    "Take the mean of the members. Where a patient's least probability is below `least`, raise those that are to it "
    "and divide by the sum.",
    "Call the stage by `decision.rule`: 'mode' is the most probable class; 'median' the first at which the summed "
    "probabilities reach one half; 'least_error' that of the least expected distance in classes, and 'least_cost' of "
    "the least expected cost, where `costs` has a row a true class and a column a called one; 'thresholds' goes up as "
    "long as P(class >= k) reaches the threshold of cut k.",
)


@dataclass(frozen=True)
class MemberFiles:
    """The files of one network: its streams' by modality, and its head's."""

    streams: Mapping[str, str]
    head: str


def describe(
    model: Model,
    files: Sequence[MemberFiles],
    hashes: Mapping[str, str],
    inputs: Mapping[str, str],
    notice: str,
    simulated: bool | None,
) -> JsonObject:
    """What onnx.json holds of a model whose networks are in `files`, with the SHA-256 of each in `hashes`; `inputs`
    are the heads' inputs by modality."""
    plan, staging = model.plan, model.staging
    callings = model.callings or (Calling(),) * len(model.members)
    decision, limits = together(callings), limits_together(callings, plan.decision.coverage)
    pooling = POOLINGS[plan.evaluation.pooling]
    return {
        "format": FORMAT,
        "notice": notice,
        "simulated": simulated,
        "tool": __version__,
        "model": model.digest,
        "opset": OPSET,
        "precision": "float32",
        "staging": staging.name,
        "classes": list(staging.classes),
        "cuts": list(staging.cuts),
        "backbone": plan.network.backbone,
        "head": plan.network.head,
        "shares": model.members[0][0].head.link.outputs,
        "steps": list(STEPS),
        "modalities": [modality_of(plan, name, inputs[name]) for name in plan.fused],
        "missing": plan.network.missing,
        "candidates": {"at_most": plan.evaluation.candidates},
        "pooling": {"name": pooling.name, "title": pooling.title},
        "recalibration": {"edge": EDGE, "floor": FLOOR},
        "least": LEAST,
        "decision": {
            "rule": decision.rule,
            "costs": [list(row) for row in decision.costs],
            "thresholds": list(decision.thresholds),
        },
        "possible": {
            "coverage": plan.decision.coverage,
            "limits": None if limits is None else [one if math.isfinite(one) else None for one in limits.tolist()],
        },
        "members": [
            {
                "streams": {
                    name: {
                        "file": file,
                        "sha256": hashes[file],
                        "offset": network.head.stream(name).offset.detach().cpu().float().tolist(),
                    }
                    for name, file in own.streams.items()
                },
                "head": {"file": own.head, "sha256": hashes[own.head]},
                "calling": calling.as_dict(),
            }
            for (network, _), own, calling in zip(model.members, files, callings, strict=True)
        ],
    }


def modality_of(plan: Plan, name: str, share: str) -> Json:
    """How a modality's pictures go into its stream, or a table's columns, what the stream does with them, and which of
    the head's inputs its shares are."""
    spec = BACKBONES[plan.network.backbone]
    stored = next(one for one in plan.modality if one.name == name)
    if stored.is_table:
        return {
            "name": name,
            "kind": stored.kind,
            "columns": list(stored.columns),
            "log": list(stored.log),
            "of": stored.of,
            "input": {"name": VALUES, "type": "float32", "shape": ["n", len(stored.columns)]},
            "output": {"name": SHARE, "type": "float32", "head_input": share},
        }
    size, channels = stored.size, stored.stored_channels
    resize = f"to {spec.size} x {spec.size}, bilinear with antialiasing, pixel centres at half"
    return {
        "name": name,
        "kind": stored.kind,
        "fit": stored.fit,
        "size": size,
        "channels": channels,
        "input": {
            "name": PICTURES,
            "type": "uint8",
            "shape": ["n", size, size, channels],
            "colours": colours(channels),
        },
        "output": {"name": SHARE, "type": "float32", "head_input": share},
        "in_the_graph": {
            "resize": None if size == spec.size else resize,
            "channels": "one, repeated to three" if channels == 1 else "three, as they are",
            "mean": list(spec.mean),
            "std": list(spec.std),
            "mirror": mirrors(plan),
        },
    }


def colours(channels: int) -> str:
    """What the channels of a stored picture are."""
    return "grey" if channels == 1 else "RGB"


def mirrors(plan: Plan) -> bool:
    """Whether a picture's features are the mean of its own and its mirror image's, as the head was fitted."""
    return plan.training.finetune == "head" and plan.training.mirror
