"""What may be asked of an oracle, one file a unit; a new one is a file and its name here, or an entry point of
"fibrostage.query_units"."""

from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.ground.registry import InFiles, Registry

FILES = ("candidate", "image", "patient")
QUERY_UNITS: Registry[type[QueryUnit]] = Registry(
    "query unit", InFiles(__name__, "UNIT", FILES), "fibrostage.query_units"
)


def query_unit(name: str, space: CandidateSpace, candidates_a_patient: int = 64) -> QueryUnit:
    """The items of a named unit over a space of candidates, of which so many a patient are learned from.

    Raises `PlanError` for an unknown unit.
    """
    return QUERY_UNITS[name](space, candidates_a_patient)
