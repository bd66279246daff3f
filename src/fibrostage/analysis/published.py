"""What a paper prints of its methods, beside what these runs give of methods of the same names.

At all labels, at the paper's share of the labels, and at the best round on test patients, which is what papers print of
active learning: it is optimistic, and its columns say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import polars as pl

from fibrostage.results.estimate_columns import TableRow, estimate_cells, estimate_in
from fibrostage.results.rounds import AT_CUT, FIGURES
from fibrostage.stats.resampled import resampled_share


class PaperCell(Protocol):
    """A published method: its figures in 0–1, and the share of the labels that they are at; or its AUC at a cut."""

    @property
    def source(self) -> str: ...

    @property
    def method(self) -> str: ...

    @property
    def network(self) -> str: ...

    @property
    def modalities(self) -> str: ...

    @property
    def strategy(self) -> str: ...

    @property
    def accuracy(self) -> float | None: ...

    @property
    def auc(self) -> float: ...

    @property
    def share(self) -> float: ...

    @property
    def cut(self) -> str: ...

    @property
    def training(self) -> bool: ...


def published_table(
    curves: pl.DataFrame,
    published: Iterable[PaperCell],
    ratios: Mapping[str, float],
    simulated: bool,
    stands_in: Mapping[str, str],
) -> pl.DataFrame:
    """A row a published cell: the paper's figures, and beside them the mean over runs at all labels (`all_`), at the
    paper's share (`there_`) and at the best round (`best_optimistic_`), each with its corrected resampled interval.

    By method, `ratios` are test over training patients; by the paper's network, `stands_in` is the one that stands in
    for it here.
    """
    rows = [row_of(cell, here(cell, stands_in), curves, ratios, simulated) for cell in published]
    return pl.DataFrame(rows, infer_schema_length=None)


def here(cell: PaperCell, stands_in: Mapping[str, str]) -> str:
    """What the published method is called in this study's tables."""
    return f"{stands_in.get(cell.network, cell.network)} {cell.modalities}".strip()


def published_at_cuts(results: pl.DataFrame, published: Iterable[PaperCell]) -> pl.DataFrame:
    """A row a published AUC of a supervised study: the paper's, and that of the same method and cohort in `results`."""
    rows = []
    for cell in published:
        name = f"{'training_' if cell.training else ''}{AT_CUT}{cell.cut}"
        own = results.filter(pl.col("method") == cell.method)
        own = own.drop_nulls(name) if name in own.columns else own.clear()
        row: TableRow = {
            "source": cell.source,
            "method": cell.method,
            "cut": cell.cut,
            "cohort": "training" if cell.training else "test",
            "paper_auc": cell.auc,
            "runs": 0,
            "n_patients": None,
            "auc": None,
            "auc_lo": None,
            "auc_hi": None,
            "simulated": bool(results["simulated"].any()),
        }
        for found in own.head(1).iter_rows(named=True):
            estimate = estimate_in(found, name)
            row |= {"runs": found["runs"], "n_patients": found["n_training" if cell.training else "n_patients"]}
            row |= {} if estimate is None else estimate_cells("auc", estimate)
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def row_of(
    cell: PaperCell, method: str, curves: pl.DataFrame, ratios: Mapping[str, float], simulated: bool
) -> TableRow:
    """One published cell beside the runs of `method` and the cell's strategy, where there are any."""
    row: TableRow = {
        "source": cell.source,
        "method": cell.method,
        "here": method,
        "strategy": cell.strategy,
        "paper_accuracy": cell.accuracy,
        "paper_auc": cell.auc,
        "paper_share": cell.share,
        "runs": 0,
        "n_patients": None,
        "best_share_optimistic": None,
        "simulated": simulated,
    }
    own = curves.filter(pl.col("method") == method, pl.col("strategy") == cell.strategy)
    runs = [run.sort("share") for _, run in own.group_by("seed", "fold", maintain_order=True)]
    if not runs:
        return row
    best = [run.sort("auc_macro", descending=True, nulls_last=True).head(1) for run in runs]
    row |= {
        "runs": len(runs),
        "n_patients": round(float(np.mean([run["n_patients"][-1] for run in runs]))),
        "best_share_optimistic": float(np.mean([top["share"][0] for top in best])),
    }
    for figure in FIGURES:
        at: dict[str, Sequence[float | None]] = {
            "all": [run[figure][-1] for run in runs],
            "there": [along(run, figure, cell.share) for run in runs],
            "best_optimistic": [top[figure][0] for top in best],
        }
        for where, values in at.items():
            defined = [value for value in values if value is not None]
            if defined:
                row |= estimate_cells(f"{where}_{figure}", resampled_share(defined, ratios[method]))
    return row


def along(run: pl.DataFrame, figure: str, share: float) -> float | None:
    """A figure at a share of the labels: between the rounds on either side, in proportion; None where it has none."""
    known = run.drop_nulls(figure)
    if not len(known):
        return None
    return float(np.interp(share, known["share"].to_numpy(), known[figure].to_numpy()))
