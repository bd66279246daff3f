"""Liver stiffness by point shear-wave elastography (sound-touch quantification and its kin)."""

from fibrostage.ground.quantities import speed_quantity, stiffness_quantity
from fibrostage.markers.spec import Cutoff, Example, Marker, Need

MINDRAY = "122 patients, STE beside STQ of the same scanner"

MARKER = Marker(
    name="stq",
    title="point-SWE",
    unit="kPa",
    needs=(Need(stiffness_quantity("stq", 300)),),
    formula="median Young's modulus [kPa] of the valid points; E = 3ρc² where only the speed c [m/s] is given",
    compute=lambda of: of["stq"],
    source="measured",
    example=Example({"stq": 11.31}, 11.31),
    speed=speed_quantity("stq_speed"),
    cutoffs=(
        Cutoff("Scheuer", "S2", 11.31, "chronic hepatitis B, Mindray STQ", MINDRAY, verified=True),
        Cutoff("Scheuer", "S3", 13.81, "chronic hepatitis B, Mindray STQ", MINDRAY, verified=True),
        Cutoff("Scheuer", "S4", 20.60, "chronic hepatitis B, Mindray STQ", MINDRAY, verified=True),
    ),
)
