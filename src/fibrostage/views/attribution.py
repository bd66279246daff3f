"""What attributions say, in a sentence."""

from __future__ import annotations

from fibrostage.analysis.attributions import Inside


def inside_text(found: Inside, pictures: int) -> str:
    """How much of the attribution lies inside the box."""
    if found.share is None:
        return f"{pictures} pictures explained; none has a box, so nothing is measured"
    return (
        f"inside the box: {found.share} of the attribution (mean over {found.n} test patients); the box is "
        f"{found.area:.3f} of the picture"
    )
