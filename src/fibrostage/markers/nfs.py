"""NAFLD fibrosis score. Its constant is negative (some pages misprint the sign) and albumin is in g/dL."""

from fibrostage.ground.quantities import AGE, ALT, AST, PLATELETS, OtherUnit, Quantity
from fibrostage.markers.spec import Cutoff, Example, Marker, Need

FATTY = "non-alcoholic fatty liver (Kleiner's F3)"
ANGULO = "Angulo et al., Hepatology 2007;45:846"

ALBUMIN = Quantity(
    "albumin", "g/dL", 0.5, 8, "g/L is 10 times g/dL", units=(OtherUnit("g/L", lambda value: value / 10),)
)
BMI = Quantity("bmi", "kg/m²", 8, 100)
IFG_DM = Quantity("ifg_dm", "0 or 1", 0, 1, "1 for impaired fasting glucose or diabetes", whole=True)

MARKER = Marker(
    name="nfs",
    title="NFS",
    unit="",
    needs=(
        Need(AGE), Need(BMI), Need(IFG_DM), Need(AST), Need(ALT), Need(PLATELETS), Need(ALBUMIN),
    ),
    formula=(
        "−1.675 + 0.037·age [years] + 0.094·BMI [kg/m²] + 1.13·(impaired fasting glucose or diabetes: 1, else 0) "
        "+ 0.99·AST/ALT − 0.013·platelets [1e9/L] − 0.66·albumin [g/dL]"
    ),
    compute=lambda of: (
        -1.675
        + 0.037 * of["age"]
        + 0.094 * of["bmi"]
        + 1.13 * of["ifg_dm"]
        + 0.99 * of["ast"] / of["alt"]
        - 0.013 * of["platelets"]
        - 0.66 * of["albumin"]
    ),
    source=ANGULO,
    example=Example(
        {"age": 50, "bmi": 30, "ifg_dm": 1, "ast": 40, "alt": 40, "platelets": 200, "albumin": 4.0}, -0.125
    ),
    cutoffs=(
        Cutoff("METAVIR", "F3", -1.455, FATTY, ANGULO, verified=False, role="rule out"),
        Cutoff("METAVIR", "F3", 0.676, FATTY, ANGULO, verified=False, role="rule in"),
    ),
)  # fmt: skip
