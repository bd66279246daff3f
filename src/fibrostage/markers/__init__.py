"""The markers, one file each; a new one is a file and its name here, or an entry point of "fibrostage.markers"."""

from collections.abc import Iterable

from fibrostage.ground.quantities import Quantity
from fibrostage.ground.registry import InFiles, Registry
from fibrostage.markers.spec import Marker

FILES = ("apri", "fib4", "gpr", "nfs", "aar", "swe", "stq", "te", "spleen")


def means_another(marker: Marker, others: Iterable[Marker]) -> str:
    """Why a marker does not go with others: it means another quantity by a column's name; else nothing."""
    known = {quantity.column: quantity for other in others for quantity in other.quantities}
    strange = [own.column for own in marker.quantities if known.get(own.column, own) != own]
    return f"means another {strange[0]!r} than those before it" if strange else ""


MARKERS: Registry[Marker] = Registry("marker", InFiles(__name__, "MARKER", FILES), "fibrostage.markers", means_another)


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
