"""The markers, one file each; a new one is a file and its name here, or an entry point of "fibrostage.markers"."""

from fibrostage.ground.quantities import Quantity
from fibrostage.ground.registry import InFiles, Registry
from fibrostage.markers.spec import Marker

FILES = ("apri", "fib4", "gpr", "nfs", "aar", "swe", "stq", "te", "spleen")
MARKERS: Registry[Marker] = Registry("marker", InFiles(__name__, "MARKER", FILES), "fibrostage.markers")


def measured() -> dict[str, Quantity]:
    """Every measured column that some marker reads, by its name.

    Tables of patients hold these as numbers within their plausible range. Raises `ValueError` where two markers
    mean different things by one column.
    """
    found: dict[str, Quantity] = {}
    for marker in MARKERS:
        for quantity in marker.quantities:
            if found.setdefault(quantity.column, quantity) != quantity:
                raise ValueError(f"marker {marker.name!r} means another {quantity.column!r} than those before it")
    return found
