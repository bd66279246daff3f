"""Where on a screen the picture of tissue is: the large areas that vary from pixel to pixel.

Scanners say it in their regions. Where nobody does, interface, bars and text are told from tissue by their flat ground.
Two areas of like size side by side are two pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fibrostage.intake.labels import Roi

CELL = 4  # pixels: less than lie between two panels
GRAIN = 2  # grey levels between neighbours
LIT = 8  # grey levels
BUSY = 0.35  # share of a cell that varies and is lit
LEAST = 0.03  # of the picture
SECOND = 0.4  # of the largest area, that another must have to be a picture of its own


def find_tissue(pixels: NDArray[np.uint8]) -> tuple[Roi, ...]:
    """The areas of tissue, left to right, of grey [H, W] or RGB [H, W, 3]; none where nothing varies."""
    grey = pixels if pixels.ndim == 2 else pixels[..., 1]
    height, width = (size // CELL * CELL for size in grey.shape)
    if not height or not width:
        return ()
    part = grey[:height, :width]
    varies = np.zeros(part.shape, dtype=bool)
    varies[:, 1:] = np.abs(np.diff(part.astype(np.int16), axis=1)) >= GRAIN
    varies &= part > LIT
    cells = varies.reshape(height // CELL, CELL, width // CELL, CELL).mean(axis=(1, 3)) > BUSY
    areas, _ = ndimage.label(ndimage.binary_opening(cells, np.ones((3, 3))))
    sizes = np.bincount(areas.ravel())
    sizes[0] = 0
    if sizes.max(initial=0) * CELL**2 < LEAST * grey.size:
        return ()
    found: list[Roi] = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(areas), start=1):
        if sizes[index] >= SECOND * sizes.max():
            x, y = columns.start * CELL, rows.start * CELL
            found.append(Roi(x, y, columns.stop * CELL - x, rows.stop * CELL - y))
    return tuple(beside_each_other(found))


def beside_each_other(areas: list[Roi]) -> list[Roi]:
    """Areas left to right; those that lie above one another are parts of one."""
    result: list[Roi] = []
    for area in sorted(areas, key=lambda roi: roi.x):
        last = result[-1] if result else None
        if last is not None and area.x < last.x + last.width:
            x, y = last.x, min(last.y, area.y)
            right = max(last.x + last.width, area.x + area.width)
            result[-1] = Roi(x, y, right - x, max(last.y + last.height, area.y + area.height) - y)
        else:
            result.append(area)
    return result
