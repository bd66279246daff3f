"""What a file of weights is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fibrostage.plan.network import SourcePlan
from fibrostage.views.table import TableView, view


def weights_view(file: Path, backbone: str, parameters: int, source: SourcePlan, layout: Sequence[str]) -> TableView:
    """A file of weights that fits a backbone of so many `parameters`, a row a fact."""
    rows = [
        ["file", str(file)],
        ["SHA-256", source.sha256],
        ["parameters", f"{parameters:,}"],
        ["read as", ", ".join(layout) or "it is published"],
    ]
    if source.cohort is not None:
        simulated = " (SIMULATED)" if source.simulated else ""
        rows.append(["trained on", f"{source.cohort}{simulated}, {source.task}"])
    return view(f"{source.name} fits {backbone}", ("what", "is"), rows)
