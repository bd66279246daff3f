"""What the best reader of a simulated cohort reaches: its generator knows p(state | stage), and wrote it down.

Figures of a network on a simulated cohort are read against these; nobody can know them of real patients.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

CEILING = "ceiling.json"  # beside simulated pictures, and in a cohort that was taken in from them
NAMES = {"macro": "auc_macro", "accuracy": "accuracy", "kappa": "kappa", "log_loss": "log_loss"}


def best_reader(folder: Path, modalities: Collection[str]) -> dict[str, float]:
    """What a reader who sees these modalities without error reaches: "accuracy", "auc_macro", "kappa" with quadratic
    weights, "log_loss" in nats, and "auc_at_F2" and the like. Empty where nobody wrote it down."""
    try:
        readers = json.loads((folder / CEILING).read_text(encoding="utf-8"))["readers"]
        own = [figures for name, figures in readers.items() if set(name.split("+")) == set(modalities)]
        found = own[0] if own else {}
        return {NAMES.get(name, f"auc_at_{name}"): float(value) for name, value in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # older or none
        return {}
