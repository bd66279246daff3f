"""Predictions are pooled to a row a patient, also where a split has nobody."""

from __future__ import annotations

import polars as pl

from fibrostage.ground.stage import METAVIR
from fibrostage.results.predictions import TEST, TRAINING, scores_of


def test_a_split_with_nobody_gives_no_rows_where_probabilities_are_calibrated() -> None:
    shares = {f"{kind}_{k}": [0.2, 0.2] for kind in ("p", "q") for k in range(5)}
    table = pl.DataFrame({"patient_id": ["A", "B"], "stage": ["F0", "F4"], "split": TEST, **shares})
    assert len(scores_of(table, METAVIR, TEST)) == 2
    assert len(scores_of(table, METAVIR, TRAINING)) == 0
