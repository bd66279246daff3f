"""Liver stiffness by transient elastography."""

from fibrostage.ground.quantities import speed_quantity, stiffness_quantity
from fibrostage.markers.spec import Cutoff, Example, Marker, Need

WHO = "WHO guidelines for chronic hepatitis B, 2024"

MARKER = Marker(
    name="te",
    title="TE",
    unit="kPa",
    needs=(Need(stiffness_quantity("te", 80)),),
    formula="median Young's modulus [kPa] of ten valid shots",
    compute=lambda of: of["te"],
    source="measured",
    example=Example({"te": 7.0}, 7.0),
    speed=speed_quantity("te_speed"),
    cutoffs=(
        Cutoff("METAVIR", "F2", 7.0, "chronic hepatitis B", WHO, verified=True),
        Cutoff("METAVIR", "F4", 12.5, "chronic hepatitis B", WHO, verified=True),
    ),
)
