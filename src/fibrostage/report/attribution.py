"""Where a run's network looks, as `explain` left it in the run's folder: a picture, and shares inside the box."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from fibrostage.analysis.attributions import Inside, inside_box
from fibrostage.ground.errors import RunError
from fibrostage.report.style import drawing, figure, mark_simulated
from fibrostage.results.run_folder import RunFolder, read_parquet

SHOWN = 8


@dataclass(frozen=True)
class Attribution:
    """Where one run's network looks: how that was found, how much lies inside the box, and the picture."""

    title: str
    how: str
    inside: Inside
    picture: Figure


def attribution_of(run: RunFolder, title: str) -> Attribution | None:
    """What `explain` left, or None where it was not called; raises `RunError` where it is damaged."""
    if not run.attributions_file.is_file():
        return None
    table, path = read_parquet(run.attributions_file), run.attribution_maps_file
    try:
        with np.load(path) as arrays:
            maps, pictures, boxes = arrays["maps"], arrays["pictures"], arrays["boxes"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} is damaged: {error}; call explain again") from None
    picture = attribution_figure(table, maps, pictures, boxes, bool(table["simulated"].any()))
    return Attribution(title, table["how"][0], inside_box(table), picture)


def draw_map(
    ax: Axes, picture: NDArray[np.uint8], found: NDArray[np.floating], box: tuple[int, int, int, int] | None
) -> None:
    """Draws stored pixels [H, W, C] in grey under a map [S, S]: red what speaks for the stage called, blue what speaks
    against it; and the box (x, y, width, height), where there is one."""
    own, (height, width) = found.astype(np.float32), picture.shape[:2]
    place = (0.0, float(width), float(height), 0.0)
    ax.imshow(picture.astype(np.float32).mean(axis=2), cmap="gray", vmin=0, vmax=255, extent=place, zorder=-2)
    most = float(np.quantile(np.abs(own), 0.995)) or 1.0
    strength = np.clip(np.abs(own) / most, 0, 1) * 0.75
    ax.imshow(own, cmap="RdBu_r", vmin=-most, vmax=most, alpha=strength, extent=place, zorder=-1)
    if box is not None:
        ax.add_patch(Rectangle(box[:2], *box[2:], fill=False, edgecolor="#E69F00", linewidth=1.2))


def attribution_figure(
    table: pl.DataFrame,
    maps: NDArray[np.float16],
    pictures: NDArray[np.uint8],
    boxes: NDArray[np.int64],
    simulated: bool,
) -> Figure:
    """Draws pictures with what speaks for the stage called in red, what speaks against it in blue, and the box.

    `maps` are attributions [n, S, S], `pictures` stored pixels [n, H, W, C] with H = W, and `boxes` [n, 4] x, y, width
    and height in pixels of the picture, a width below 1 where there is none. The first 8 are drawn, titled by the
    table's rows.
    """
    count = min(SHOWN, len(maps))
    columns = min(4, count)
    rows = -(-count // columns)
    with drawing():
        made, axes = figure(2.5 * columns, 2.75 * rows, columns, rows, least=1.1)
        for ax in axes:
            ax.set_axis_off()
        for k, ax in zip(range(count), axes, strict=False):
            x, y, width, height = (int(each) for each in boxes[k])
            draw_map(ax, pictures[k], maps[k], (x, y, width, height) if width > 0 else None)
            share = table["share_inside"][k]
            inside = "" if share is None else f", {share:.0%} inside"
            ax.set_title(f"{table['stage'][k] or 'no stage'}, called {table['called'][k]}{inside}", fontsize="small")
            mark_simulated(ax, simulated)
        return made
