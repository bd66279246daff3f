"""Liver stiffness by transient elastography."""

from fibrostage.markers.spec import Cutoff, Example, Marker, Need

WHO = "WHO guidelines for chronic hepatitis B, 2024"

TE = Marker(
    name="te",
    title="TE",
    unit="kPa",
    needs=(Need("te"),),
    formula="median Young's modulus [kPa] of ten valid shots",
    compute=lambda of: of["te"],
    source="measured",
    example=Example({"te": 7.0}, 7.0),
    speed="te_speed",
    cutoffs=(
        Cutoff("METAVIR", "F2", 7.0, "chronic hepatitis B", WHO, verified=True),
        Cutoff("METAVIR", "F4", 12.5, "chronic hepatitis B", WHO, verified=True),
    ),
)
