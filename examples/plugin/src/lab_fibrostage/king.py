"""King's score: age, AST, INR and platelets."""

from fibrostage import Example, Marker, Need, Quantity
from fibrostage.ground.quantities import AGE, AST, PLATELETS

INR = Quantity("inr", "", 0.5, 15, "the international normalised ratio")

MARKER = Marker(
    name="king",
    title="King's score",
    unit="",
    needs=(Need(AGE), Need(AST), Need(INR), Need(PLATELETS)),
    formula="age [years] × AST [U/L] × INR / platelets [10⁹/L]",
    compute=lambda of: of["age"] * of["ast"] * of["inr"] / of["platelets"],
    source="Cross et al., Eur J Gastroenterol Hepatol 2009;21:730",
    example=Example({"age": 50, "ast": 60, "inr": 1.0, "platelets": 150}, 20.0),
)
