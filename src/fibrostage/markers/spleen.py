"""Spleen stiffness, which rises with portal pressure. No cut-off for a fibrosis stage is settled, so none is given."""

from fibrostage.ground.quantities import speed_quantity, stiffness_quantity
from fibrostage.markers.spec import Example, Marker, Need

MARKER = Marker(
    name="spleen",
    title="spleen stiffness",
    unit="kPa",
    needs=(Need(stiffness_quantity("spleen", 300)),),
    formula="median Young's modulus [kPa] of the valid acquisitions; E = 3ρc² where only the speed c [m/s] is given",
    compute=lambda of: of["spleen"],
    source="measured",
    example=Example({"spleen": 21.0}, 21.0),
    speed=speed_quantity("spleen_speed"),
)
