"""A round of a campaign: what had been asked by its end, what that cost, and how the model then staged.

One row of curve.parquet, and the payload of the ledger's "closed" event; its names are a contract with both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json
from fibrostage.results.estimate_columns import estimate_cells, estimate_in, number, whole
from fibrostage.results.metrics import Cost
from fibrostage.stats.estimate import Estimate

FIGURES = ("accuracy", "auc_macro")
OVER_CANDIDATES = ("accuracy_candidates", "auc_macro_candidates")  # each picture or pair counts, and not the patient
AT_CUT = "auc_at_"
RECALL, SLOPE = "recall_", "slope_"  # of a stage, and of the calibration at a cut
FLOATS = ("accuracy", "auc_", "cost", "bad_share", "validation_auc", "agreement")


@dataclass(frozen=True)
class Round:
    """`spent` includes whoever validates; `items` is labels, `asked` questions answered or refused, `next_items` what
    will have been asked by the end of the next round. `figures` are of test patients, "auc_at_F2" and so on."""

    round: int
    spent: Cost
    items: int
    asked: int
    next_items: int
    rejected: int
    bad_share: float | None
    share: float
    n_patients: int
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    validation_auc: float | None = None
    validated: bool = False  # whether somebody validates: then the figure may be undefined and is told so
    agreement: float | None = None

    def as_row(self) -> dict[str, Json]:
        """One row, by column."""
        row: dict[str, Json] = {
            "round": self.round,
            **self.spent.model_dump(),
            "items": self.items,
            "asked": self.asked,
            "next_items": self.next_items,
            "rejected": self.rejected,
            "bad_share": self.bad_share,
            "share": self.share,
            "n_patients": self.n_patients,
        }
        for name, figure in self.figures.items():
            row |= estimate_cells(name, figure)
        if self.validated:
            row["validation_auc"] = self.validation_auc
        if self.agreement is not None:
            row["agreement"] = self.agreement
        return row

    @classmethod
    def of_row(cls, row: Mapping[str, object]) -> Round:
        """A round of a ledger or a curve, of this version or an earlier one; raises `RunError` where it is damaged."""
        known = (*FIGURES, *OVER_CANDIDATES)
        names = [name for name in row if name in known or (name.startswith(AT_CUT) and name[-3:] not in BOUNDS)]
        try:
            spent = Cost.model_validate({name: row[name] for name in Cost.model_fields})
            figures = {name: estimate_in(row, name) for name in names}
            return cls(
                whole(row, "round"), spent, whole(row, "items"), whole(row, "asked"), whole(row, "next_items"),
                whole(row, "rejected"), number(row, "bad_share"), number(row, "share") or 0.0, whole(row, "n_patients"),
                {name: figure for name, figure in figures.items() if figure is not None},
                number(row, "validation_auc"), "validation_auc" in row, number(row, "agreement"),
            )  # fmt: skip
        except (KeyError, ValueError) as error:
            raise RunError(f"a closed round of the ledger is damaged: {error}") from None


BOUNDS = ("_lo", "_hi")


def curve_table(rounds: Sequence[Round], strategy: str, method: str, seed: int, fold: str) -> pl.DataFrame:
    """curve.parquet: a row a round, with the run that it is of."""
    rows = [one.as_row() for one in rounds]
    schema = {key: pl.Float64 for row in rows for key in row if key.startswith(FLOATS)}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None).with_columns(
        strategy=pl.lit(strategy), method=pl.lit(method), seed=pl.lit(seed), fold=pl.lit(fold)
    )
