"""GGT-to-platelet ratio. The upper limit of normal of GGT differs much between laboratories, so none is assumed."""

from fibrostage.markers.spec import Cutoff, Example, Marker, Need

LEMOINE = "Lemoine et al., Gut 2016;65:1369"

GPR = Marker(
    name="gpr",
    title="GPR",
    unit="",
    needs=(Need("ggt"), Need("ggt_uln"), Need("platelets")),
    formula="(GGT [U/L] / upper limit of normal) / platelets [1e9/L] × 100",
    compute=lambda of: of["ggt"] / of["ggt_uln"] / of["platelets"] * 100,
    source=LEMOINE,
    example=Example({"ggt": 120, "ggt_uln": 60, "platelets": 200}, 1.0),
    cutoffs=(
        Cutoff("METAVIR", "F2", 0.32, "chronic hepatitis B, West Africa", LEMOINE, verified=False),
        Cutoff("METAVIR", "F4", 0.56, "chronic hepatitis B, West Africa", LEMOINE, verified=False),
    ),
)
