"""The published networks by name: each is a few values of a plan, and some of them are what the name means.

`network.name = "transfer"` lays its values under the plan, so that what the plan says itself comes first; a plan
that contradicts what the name means is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fibrostage.ground.errors import PlanError
from fibrostage.ground.registry import Registry

Values = Mapping[str, Mapping[str, Any]]  # section → key → value


@dataclass(frozen=True)
class Preset:
    """`means` cannot be otherwise under this name; `suggests` can."""

    name: str
    about: str
    means: Values = field(default_factory=dict)
    suggests: Values = field(default_factory=dict)

    def laid_under(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Plan data with this preset's values where it has none."""
        result = copy.deepcopy(dict(data))
        for values in (self.means, self.suggests):
            for section, keys in values.items():
                own = result.setdefault(section, {})
                if isinstance(own, dict):
                    for key, value in keys.items():
                        own.setdefault(key, value)
        return result

    def check(self, plan: Mapping[str, Any]) -> None:
        """Raises `PlanError` where a whole plan is not what the name means."""
        for section, keys in self.means.items():
            for key, value in keys.items():
                came = plan[section][key]
                if came != value:
                    raise PlanError(
                        f"network.name = {self.name!r} is {self.about}: it means {section}.{key} = {value!r}, "
                        f"got {came!r}"
                    )
        if plan["network"]["load"] == "front" and plan["network"]["weights"] == "random":
            raise PlanError(
                "network.load = 'front' transfers the first layers of a trained network: give network.weights the run "
                "folder or the file they come from"
            )


DLRE: Values = {"network": {"backbone": "dlre", "stream": "plain"}}
CHOSEN: Values = {  # what the DLRE paper does not state (docs/decisions/0011)
    "network": {"weights": "random", "dropout": 0.0},
    "training": {
        "finetune": "all", "loss": "squared", "epochs": 8, "backbone_lr": 1e-4, "head_lr": 1e-3,
        "augment": "mirror", "class_weights": True,
    },
    "split": {"test": 1 / 3},
    "evaluation": {"training": True},
}  # fmt: skip

PRESETS: Registry[Preset] = Registry(
    "network",
    (
        Preset("mmfn", "the fusion network of the MMFN paper"),
        Preset("dlre", "the network of the DLRE paper", DLRE, CHOSEN),
        Preset(
            "basic_cnn",
            "the DLRE paper's network, all of it trained from scratch",
            {"network": {**DLRE["network"], "weights": "random"}, "training": {"finetune": "all"}},
            CHOSEN,
        ),
        Preset(
            "transfer",
            "the DLRE paper's network with its first three layers taken from another task and frozen",
            {"network": {**DLRE["network"], "load": "front"}, "training": {"finetune": "last"}},
            CHOSEN,
        ),
        Preset(
            "inception_v3",
            "Inception-v3 with one linear layer, the baseline of the MMFN paper",
            {"network": {"backbone": "inception_v3", "stream": "plain"}},
        ),
        Preset("plain", "a backbone and one linear layer", {"network": {"stream": "plain"}}),
    ),
)
