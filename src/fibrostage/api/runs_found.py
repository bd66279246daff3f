"""The runs and studies under a folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from fibrostage.api.plans import PathGiven
from fibrostage.results.found import results_table, results_under


def list_runs(folder: PathGiven = ".") -> pl.DataFrame:
    """The runs and studies under a folder with their figures: a row a run, or a method of a study.

    Each figure is value, lo and hi; `state` is "finished", "stopped", "loop", or why it cannot be read. Raises
    `RunError` where there is no such folder.

    >>> list_runs("STUDY").select("kind", "strategy", "n").rows()
    [('study', 'random', 4), ('study', 'esd', 4)]
    """
    return results_table(results_under(Path(folder)))
