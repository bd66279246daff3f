"""AST-to-platelet ratio index."""

from fibrostage.ground.quantities import AST, AST_ULN, PLATELETS
from fibrostage.markers.spec import Cutoff, Example, Marker, Need

WAI = "Wai et al., Hepatology 2003; WHO guidelines for hepatitis B, 2015"
WHO = "WHO guidelines for chronic hepatitis B, 2024"

MARKER = Marker(
    name="apri",
    title="APRI",
    unit="",
    needs=(Need(AST), Need(AST_ULN, default=40.0), Need(PLATELETS)),
    formula="(AST [U/L] / upper limit of normal) / platelets [1e9/L] × 100",
    compute=lambda of: of["ast"] / of["ast_uln"] / of["platelets"] * 100,
    source="Wai et al., Hepatology 2003;38:518",
    example=Example({"ast": 80, "ast_uln": 40, "platelets": 100}, 2.0),
    cutoffs=(
        Cutoff("METAVIR", "F2", 0.5, "chronic hepatitis C", WAI, verified=False, role="rule out"),
        Cutoff("METAVIR", "F2", 1.5, "chronic hepatitis C", WAI, verified=False, role="rule in"),
        Cutoff("METAVIR", "F4", 1.0, "chronic hepatitis C", WAI, verified=False, role="rule out"),
        Cutoff("METAVIR", "F4", 2.0, "chronic hepatitis C", WAI, verified=False, role="rule in"),
        Cutoff("METAVIR", "F2", 0.5, "chronic hepatitis B", WHO, verified=True),
        Cutoff("METAVIR", "F4", 1.0, "chronic hepatitis B", WHO, verified=True),
    ),
)
