"""Results as tables: polars frames, and pandas where somebody works with that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fibrostage.api.plans import PathGiven
from fibrostage.ground.errors import PlanError
from fibrostage.results.run_folder import RunFolder, read_parquet

if TYPE_CHECKING:
    import pandas as pd


def read_predictions(run: PathGiven) -> pl.DataFrame:
    """What a run says of its patients, a row a candidate: patient_id, split, fold, stage, p_0 … p_{K-1}.

    Raises `RunError` where the run has none, or they are damaged.

    >>> read_predictions("RUN").select("patient_id", "stage").unique().height
    4
    """
    return RunFolder(Path(run)).read_predictions()


def read_curve(run: PathGiven) -> pl.DataFrame:
    """The learning curve of a run that asked, a row a round: labels in every currency, and the figures.

    Raises `RunError` where the run has none, or it is damaged.

    >>> read_curve("ASKED")["round"].to_list()
    [0, 1]
    """
    return read_parquet(RunFolder(Path(run)).curve_file)


def to_pandas(table: pl.DataFrame) -> pd.DataFrame:
    """The same table for pandas; numbers and truth values that may be missing come as pandas' own nullable kinds.

    Raises `PlanError` where pandas is not installed.

    >>> to_pandas(read_predictions("RUN")).shape[0] == read_predictions("RUN").height
    True
    """
    try:
        import pandas as pd
    except ImportError:
        raise PlanError("to_pandas needs pandas: pip install 'fibrostage[notebook]'") from None
    columns = {}
    for column in table.iter_columns():
        kind = column.dtype
        if kind.is_integer():
            columns[column.name] = pd.Series(column.to_list(), dtype="Int64" if column.null_count() else "int64")
        elif kind.is_float():
            columns[column.name] = pd.Series(column.to_numpy(), dtype=f"float{64 if kind == pl.Float64 else 32}")
        elif kind == pl.Boolean:
            columns[column.name] = pd.Series(column.to_list(), dtype="boolean" if column.null_count() else "bool")
        else:
            columns[column.name] = pd.Series(column.to_list(), dtype="object")
    return pd.DataFrame(columns)
