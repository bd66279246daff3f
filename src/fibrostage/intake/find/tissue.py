"""Where on a screen the picture of tissue is: the large areas that vary from pixel to pixel.

Scanners say it in their regions. Where nobody does, interface, bars and text are told from tissue by their flat ground.
Two areas of like size side by side are two pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fibrostage.ground.geometry import Rectangle, around, between
from fibrostage.intake.find.colour import VARIES
from fibrostage.intake.find.masks import cell_sums

CELL = 4  # pixels: less than lie between two panels
LIT = 8  # grey levels
BUSY = 0.35  # share of a cell that varies and is lit
LEAST = 0.03  # of the picture
SECOND = 0.4  # of the largest area, that another must have to be a picture of its own


def find_tissue(pixels: NDArray[np.uint8]) -> tuple[Rectangle, ...]:
    """Returns the areas of tissue, left to right, of grey [H, W] or RGB [H, W, 3] pixels; none where nothing varies."""
    grey = pixels if pixels.ndim == 2 else pixels[..., 1]
    varies = np.zeros(grey.shape, dtype=bool)
    varies[:, 1:] = np.abs(np.diff(grey.astype(np.int16), axis=1)) >= VARIES
    varies &= grey > LIT
    cells = cell_sums(varies, CELL) > BUSY * CELL**2
    if not cells.size:
        return ()
    areas, _ = ndimage.label(ndimage.binary_opening(cells, np.ones((3, 3))))
    sizes = np.bincount(areas.ravel())
    sizes[0] = 0
    if sizes.max(initial=0) * CELL**2 < LEAST * grey.size:
        return ()
    found = [
        between(columns.start * CELL, rows.start * CELL, columns.stop * CELL, rows.stop * CELL)
        for size, (rows, columns) in zip(sizes[1:], ndimage.find_objects(areas), strict=True)
        if size >= SECOND * sizes.max()
    ]
    return tuple(beside_each_other(found))


def beside_each_other(areas: list[Rectangle]) -> list[Rectangle]:
    """Areas left to right; those that lie above one another are parts of one."""
    result: list[Rectangle] = []
    for area in sorted(areas, key=lambda roi: roi.x):
        if result and area.x < result[-1].right:
            result[-1] = around([result[-1], area])
        else:
            result.append(area)
    return result
