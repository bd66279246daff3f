"""How a study's stages are called stands in tables that fit a page."""

from __future__ import annotations

import polars as pl

from fibrostage.ground.stage import METAVIR
from fibrostage.views.diagnosis import calling_views


def test_calls_recalls_and_slopes_have_a_table_each() -> None:
    figures = ["accuracy", "kappa", "within_one", "log_loss", "brier", *(f"recall_{k}" for k in METAVIR.classes)]
    row = {"method": "LSTE+LUS", "task": "", "n_patients": 30}
    for name in [*figures, "slope_F2", "slope_F3"]:
        row |= {name: 0.5, f"{name}_lo": 0.4, f"{name}_hi": 0.6}
    one_cut = {**dict.fromkeys(row), "method": "LSTE", "task": "F2", "n_patients": 30, "log_loss": 0.4, "slope_F2": 1.0}
    views = calling_views(pl.DataFrame([row, one_cut], infer_schema_length=None), METAVIR)
    assert [one.columns for one in views] == [
        ("method", "learns", "n", "accuracy", "weighted kappa", "within one stage", "log loss", "Brier"),
        ("method", "learns", "n", *METAVIR.classes),
        ("method", "learns", "n", "≥F2", "≥F3"),
    ]
    assert [len(one.rows) for one in views] == [2, 1, 2], "who learned one cut calls no stages"
    assert calling_views(pl.DataFrame({"method": ["LSTE"]}), METAVIR) == []
