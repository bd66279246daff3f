"""How a simulated patient's modalities share what they show of fibrosis.

"distinct", the default: each modality shows the stage by a latent of its own. Elastograms show how stiff the liver is
and how unevenly, of which 2D-SWE in the tables is a noisy reading; point measurements show another stiffness, that of
their spot; B-mode shows texture, and the B-mode beneath a box is of another kind and says nothing. So fusing can pay.

"common", that of the first versions: 2D-SWE is the very value that elastograms are painted from, and the B-mode beneath
their boxes shows the same texture as B-mode alone, so that fusing can add next to nothing. It stays for what was
published with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fibrostage.ground.errors import PlanError, nearest

MODALITIES = ("LSTE", "LUS", "LSTQ", "SSTE")


@dataclass(frozen=True, eq=False)
class Population:
    """`stiffness_kept` and `point_kept` are the shares of a table's spread (SD of the logarithm) that are of the liver
    and not of the measurement; `point_shared` is the correlation of both stiffnesses within a stage. `texture`
    multiplies what B-mode shows. `reads` are the values that each modality's pictures are made from."""

    name: str
    stiffness_kept: float
    point_kept: float
    point_shared: float
    texture: float
    underlay: bool
    sites: bool
    reads: dict[str, tuple[str, ...]]


COMMON = Population(
    "common", 1.0, 1.0, 0.75, 1.0, underlay=True, sites=False,
    reads={
        "LSTE": ("stiffness", "map_cv", "remodelling"), "LUS": ("remodelling",), "LSTQ": ("point", "remodelling"),
        "SSTE": ("spleen",),
    },
)  # fmt: skip
DISTINCT = Population(
    "distinct", 0.58, 0.68, 0.2, 1.3, underlay=False, sites=True,
    reads={"LSTE": ("stiffness", "map_cv"), "LUS": ("remodelling",), "LSTQ": ("point",), "SSTE": ("spleen",)},
)  # fmt: skip
POPULATIONS = {model.name: model for model in (DISTINCT, COMMON)}


def population_named(name: str) -> Population:
    """The model of a name; raises `PlanError` for an unknown one."""
    if name not in POPULATIONS:
        raise PlanError(f"model {name!r}{nearest(name, POPULATIONS)}; the phantom has {' and '.join(POPULATIONS)}")
    return POPULATIONS[name]
