"""What attributions and examples say, in sentences."""

from __future__ import annotations

from fibrostage.analysis.attributions import Inside
from fibrostage.ground.numbers import signed
from fibrostage.results.examples import ExamplePatients


def inside_text(found: Inside, pictures: int) -> str:
    """How much of the attribution lies inside the box."""
    if found.share is None:
        return f"{pictures} pictures explained; none has a box, so nothing is measured"
    return (
        f"inside the box: {found.share} of the attribution (mean over {found.n} test patients); the box is "
        f"{found.area:.3f} of the picture"
    )


def examples_text(made: ExamplePatients) -> str:
    """A line an example: what is true, what was called how surely, and what each modality adds."""
    lines = []
    for one in made.patients:
        adds = ", ".join(f"{name} {signed(share, 2)}" for name, share in one.shares.items())
        lines.append(
            f"{one.patient_id}: {one.stage}, called {one.called} ({one.probabilities[one.called]:.2f}), the surest of "
            f"{one.of}; adds, in log-odds a stage up: {adds}"
        )
    return "\n".join(lines)
