"""Where a run's network looks, as `explain` left it in the run's folder: a picture, and shares inside the box."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from fibrostage.ground.errors import RunError
from fibrostage.report.style import drawing, figure, mark_simulated, to_svg
from fibrostage.results.run_folder import ATTRIBUTION_MAPS, ATTRIBUTIONS, read_parquet
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.operating import mean_interval

SHOWN = 8


@dataclass(frozen=True)
class Attribution:
    """`inside` and `area` are means over patients: of |attribution|, and of the picture, that the box holds."""

    title: str
    how: str
    n: int
    inside: Estimate | None
    area: float | None
    picture: str


def attribution_of(run: Path, title: str) -> Attribution | None:
    """What `explain` left, or None where it was not called."""
    if not (run / ATTRIBUTIONS).is_file():
        return None
    table = read_parquet(run / ATTRIBUTIONS)
    try:
        with np.load(run / ATTRIBUTION_MAPS) as arrays:
            maps, pictures, boxes = arrays["maps"], arrays["pictures"], arrays["boxes"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"{run / ATTRIBUTION_MAPS} is damaged: {error}; call explain again") from None
    boxed = table.drop_nulls("share_inside")
    inside = mean_interval(boxed["share_inside"].to_numpy()) if len(boxed) > 1 else None
    area = float(boxed["area_inside"].to_numpy().mean()) if len(boxed) else None
    simulated = bool(table["simulated"].any())
    picture = attribution_figure(table, maps, pictures, boxes, simulated)
    return Attribution(title, table["how"][0], len(boxed), inside, area, picture)


def attribution_figure(
    table: pl.DataFrame,
    maps: NDArray[np.float16],
    pictures: NDArray[np.uint8],
    boxes: NDArray[np.int64],
    simulated: bool,
) -> str:
    """Pictures with what speaks for the stage called in red and what speaks against it in blue."""
    count = min(SHOWN, len(maps))
    columns = min(4, count)
    rows = -(-count // columns)
    with drawing():
        made, axes = figure(2.5 * columns, 2.75 * rows, columns, rows)
        for ax in axes:
            ax.set_axis_off()
        for k, ax in zip(range(count), axes, strict=False):
            own = maps[k].astype(np.float32)
            side = pictures.shape[1]
            grey = pictures[k].astype(np.float32).mean(axis=2)
            ax.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=(0, side, side, 0), zorder=-2)
            most = float(np.quantile(np.abs(own), 0.995)) or 1.0
            strength = np.clip(np.abs(own) / most, 0, 1) * 0.75
            ax.imshow(own, cmap="RdBu_r", vmin=-most, vmax=most, alpha=strength, extent=(0, side, side, 0), zorder=-1)
            x, y, width, height = boxes[k]
            if width > 0:
                ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#E69F00", linewidth=1.2))
            share = table["share_inside"][k]
            inside = "" if share is None else f", {share:.0%} inside"
            ax.set_title(f"{table['stage'][k]} called {table['called'][k]}{inside}", fontsize=8)
            mark_simulated(ax, simulated)
        return to_svg(made)
