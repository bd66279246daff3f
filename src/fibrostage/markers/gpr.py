"""GGT-to-platelet ratio. The upper limit of normal of GGT differs much between laboratories, so none is assumed."""

from fibrostage.ground.quantities import KATALS, PLATELETS, Quantity
from fibrostage.markers.spec import Cutoff, Example, Marker, Need

LEMOINE = "Lemoine et al., Gut 2016;65:1369"

GGT = Quantity("ggt", "U/L", 1, 30_000, units=(KATALS,))
GGT_ULN = Quantity("ggt_uln", "U/L", 10, 200, "the laboratory's upper limit of normal", units=(KATALS,))

MARKER = Marker(
    name="gpr",
    title="GPR",
    unit="",
    needs=(Need(GGT), Need(GGT_ULN), Need(PLATELETS)),
    formula="(GGT [U/L] / upper limit of normal) / platelets [1e9/L] × 100",
    compute=lambda of: of["ggt"] / of["ggt_uln"] / of["platelets"] * 100,
    source=LEMOINE,
    example=Example({"ggt": 120, "ggt_uln": 60, "platelets": 200}, 1.0),
    cutoffs=(
        Cutoff("METAVIR", "F2", 0.32, "chronic hepatitis B, West Africa", LEMOINE, verified=False),
        Cutoff("METAVIR", "F4", 0.56, "chronic hepatitis B, West Africa", LEMOINE, verified=False),
    ),
)
