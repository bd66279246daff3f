"""How much of what a network looks at lies inside the elastogram's box."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fibrostage.stats.estimate import Estimate
from fibrostage.stats.operating import mean_interval


@dataclass(frozen=True)
class Inside:
    """Means over `n` patients whose picture has a box: of |attribution| inside it, and of the picture that it covers.

    `share` is None where fewer than two have a box.
    """

    n: int
    share: Estimate | None
    area: float | None


def inside_box(table: pl.DataFrame) -> Inside:
    """The shares of attributions.parquet, whose `share_inside` is null where there is no box."""
    boxed = table.drop_nulls("share_inside")
    area = float(boxed["area_inside"].to_numpy().mean()) if len(boxed) else None
    share = mean_interval(boxed["share_inside"].to_numpy()) if len(boxed) > 1 else None
    return Inside(len(boxed), share, area)
