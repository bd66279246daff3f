"""AST/ALT ratio."""

from fibrostage.ground.quantities import ALT, AST
from fibrostage.markers.spec import Cutoff, Example, Marker, Need

MARKER = Marker(
    name="aar",
    title="AAR",
    unit="",
    needs=(Need(AST), Need(ALT)),
    formula="AST [U/L] / ALT [U/L]",
    compute=lambda of: of["ast"] / of["alt"],
    source="Williams & Hoofnagle, Gastroenterology 1988;95:734",
    example=Example({"ast": 60, "alt": 40}, 1.5),
    cutoffs=(
        Cutoff("METAVIR", "F4", 1.0, "chronic hepatitis", "Williams & Hoofnagle 1988", verified=False),
    ),
)  # fmt: skip
