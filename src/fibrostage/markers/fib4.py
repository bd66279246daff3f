"""Fibrosis-4 index. Often misprinted as "/ PLT × √ALT": the root divides."""

import numpy as np

from fibrostage.ground.quantities import AGE, ALT, AST, PLATELETS
from fibrostage.markers.spec import Cutoff, Example, Marker, Need

STERLING = "Sterling et al., Hepatology 2006;43:1317"
SHAH = "Shah et al., Clin. Gastroenterol. Hepatol. 2009;7:1104"
FATTY = "non-alcoholic fatty liver (Kleiner's F3)"
MCPHERSON = "McPherson et al., Am. J. Gastroenterol. 2017;112:740"

MARKER = Marker(
    name="fib4",
    title="FIB-4",
    unit="",
    needs=(Need(AGE), Need(AST), Need(PLATELETS), Need(ALT)),
    formula="(age [years] × AST [U/L]) / (platelets [1e9/L] × √ALT [U/L])",
    compute=lambda of: of["age"] * of["ast"] / (of["platelets"] * np.sqrt(of["alt"])),
    source=STERLING,
    example=Example({"age": 50, "ast": 80, "platelets": 100, "alt": 64}, 5.0),
    cutoffs=(
        Cutoff("Ishak", "I4", 1.45, "HIV with hepatitis C", STERLING, verified=True, role="rule out"),
        Cutoff("Ishak", "I4", 3.25, "HIV with hepatitis C", STERLING, verified=True, role="rule in"),
        Cutoff("METAVIR", "F3", 1.3, FATTY, SHAH, verified=True, role="rule out"),
        Cutoff("METAVIR", "F3", 2.67, FATTY, SHAH, verified=True, role="rule in"),
        Cutoff("METAVIR", "F3", 2.0, f"{FATTY}, from 65 years", MCPHERSON, verified=True, role="rule out"),
    ),
)
