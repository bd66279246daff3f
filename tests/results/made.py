"""Results made by hand, for tests that need some."""

from __future__ import annotations

from fibrostage.results.metrics import Metrics
from fibrostage.stats.estimate import Estimate

FIGURE = Estimate(0.8, 0.7, 0.9)


def made_metrics(**more: object) -> Metrics:
    """metrics.json of a run on fifteen test patients, three a stage."""
    classes = ("F0", "F1", "F2", "F3", "F4")
    return Metrics.model_validate(
        {
            "n_patients": 15,
            "classes": classes,
            "n_by_stage": dict.fromkeys(classes, 3),
            "accuracy": FIGURE,
            "auc_macro": FIGURE,
            "auc_at_cut": {"F2": FIGURE, "F3": FIGURE, "F4": Estimate(None, None, None, "nobody is positive")},
            "confusion": tuple(tuple(3 if i == j else 0 for j in range(5)) for i in range(5)),
            "method": "LSTE",
            "simulated": False,
            "caveats": ("beware",),
            "cohort": {"name": "made", "fingerprint": "f" * 64},
            "seed": 0,
            "confidence": 0.95,
            "split": {},
            "tool": "0",
            "versions": {"Python": "3"},
            "notice": "Research use only",
            **more,
        }
    )
