"""Liver stiffness by two-dimensional shear-wave elastography."""

from fibrostage.ground.quantities import speed_quantity, stiffness_quantity
from fibrostage.markers.spec import Cutoff, Example, Marker, Need

LEUNG = "Leung et al., Radiology 2013;269:910"
ZENG = "Zeng et al., Ultrasound Med. Biol. 2014;40:1585"
HERRMANN = "Herrmann et al., Hepatology 2018;67:260"
BMC = "BMC Medical Imaging 2022"
MINDRAY = "122 patients, STE beside STQ of the same scanner"

MARKER = Marker(
    name="swe",
    title="2D-SWE",
    unit="kPa",
    needs=(Need(stiffness_quantity("swe", 300)),),
    formula="median Young's modulus [kPa] of the valid acquisitions; E = 3ρc² where only the speed c [m/s] is given",
    compute=lambda of: of["swe"],
    source="measured",
    example=Example({"swe": 9.72}, 9.72),
    speed=speed_quantity("swe_speed"),
    cutoffs=(
        Cutoff("METAVIR", "F2", 7.1, "chronic hepatitis B, SuperSonic Imagine", LEUNG, verified=False),
        Cutoff("METAVIR", "F3", 7.9, "chronic hepatitis B, SuperSonic Imagine", LEUNG, verified=False),
        Cutoff("METAVIR", "F4", 10.1, "chronic hepatitis B, SuperSonic Imagine", LEUNG, verified=False),
        Cutoff("METAVIR", "F2", 7.2, "chronic hepatitis B, SuperSonic Imagine", ZENG, verified=False),
        Cutoff("METAVIR", "F3", 9.1, "chronic hepatitis B, SuperSonic Imagine", ZENG, verified=False),
        Cutoff("METAVIR", "F4", 11.7, "chronic hepatitis B, SuperSonic Imagine", ZENG, verified=False),
        Cutoff("METAVIR", "F2", 7.1, "chronic hepatitis B, SuperSonic Imagine", HERRMANN, verified=False),
        Cutoff("METAVIR", "F3", 8.1, "chronic hepatitis B, SuperSonic Imagine", HERRMANN, verified=False),
        Cutoff("METAVIR", "F4", 11.5, "chronic hepatitis B, SuperSonic Imagine", HERRMANN, verified=False),
        Cutoff("METAVIR", "F2", 8.2, "chronic hepatitis B", BMC, verified=True),
        Cutoff("METAVIR", "F3", 10.1, "chronic hepatitis B", BMC, verified=True),
        Cutoff("Scheuer", "S2", 8.85, "chronic hepatitis B, Mindray STE", MINDRAY, verified=True),
        Cutoff("Scheuer", "S3", 9.97, "chronic hepatitis B, Mindray STE", MINDRAY, verified=True),
        Cutoff("Scheuer", "S4", 10.29, "chronic hepatitis B, Mindray STE", MINDRAY, verified=True),
    ),
)
