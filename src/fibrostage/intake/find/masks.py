"""Small operations on masks of pixels, compiled: an intake does them on every elastogram."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fibrostage.ground.kernels import compiled


@compiled()
def dilated(mask, size):  # type: ignore[no-untyped-def]
    """Returns what lies within `size` // 2 pixels of a mask [H, W], across and down [H, W]; beyond the border is
    nothing."""
    height, width = mask.shape
    reach = size // 2
    across = np.zeros((height, width), np.bool_)
    for y in range(height):
        last = -reach - 1
        for x in range(width):
            if mask[y, x]:
                for k in range(max(last + 1, x - reach, 0), min(width, x + reach + 1)):
                    across[y, k] = True
                last = x + reach
    result = np.zeros((height, width), np.bool_)
    left = np.zeros(width, np.int64)  # rows that stay lit past the last True of each column
    for sweep in range(2):
        left[:] = 0
        for step in range(height):
            y = step if sweep == 0 else height - 1 - step
            for x in range(width):
                if across[y, x]:
                    left[x] = reach + 1
                if left[x] > 0:
                    result[y, x] = True
                    left[x] -= 1
    return result


def eroded(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Returns where a mask [H, W] has nothing but itself within `size` // 2 pixels, across and down [H, W]; beyond the
    border counts as mask."""
    return np.asarray(~dilated(~mask, size))


@compiled()
def outside_of(mask):  # type: ignore[no-untyped-def]
    """Returns what can be reached from the border in straight steps without crossing a mask [H, W], as [H, W]."""
    height, width = mask.shape
    reached = np.zeros((height, width), np.bool_)
    stack = np.empty((height * width + 4, 2), np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            if (y == 0 or x == 0 or y == height - 1 or x == width - 1) and not mask[y, x] and not reached[y, x]:
                reached[y, x] = True
                stack[count, 0], stack[count, 1] = y, x
                count += 1
    while count > 0:
        count -= 1
        y, x = stack[count, 0], stack[count, 1]
        for step in range(4):
            v = y + (1 if step == 0 else -1 if step == 1 else 0)
            u = x + (1 if step == 2 else -1 if step == 3 else 0)
            if 0 <= v < height and 0 <= u < width and not mask[v, u] and not reached[v, u]:
                reached[v, u] = True
                stack[count, 0], stack[count, 1] = v, u
                count += 1
    return reached


def filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns a mask [H, W] with its holes filled."""
    return np.asarray(~outside_of(mask))


def without_specks(mask: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Returns a mask [H, W] without its patches of fewer than `least` pixels; pixels that touch at a corner are of one
    patch."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(sizes[labels] >= least)


@compiled()
def like(pixels, colour, tolerance):  # type: ignore[no-untyped-def]
    """Says which of the pixels [H, W, 3] are within `tolerance` of a colour [3] in every channel, as [H, W]."""
    height, width = pixels.shape[0], pixels.shape[1]
    result = np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            result[y, x] = (
                abs(np.int32(pixels[y, x, 0]) - colour[0]) <= tolerance
                and abs(np.int32(pixels[y, x, 1]) - colour[1]) <= tolerance
                and abs(np.int32(pixels[y, x, 2]) - colour[2]) <= tolerance
            )
    return result


@compiled()
def codes_of(pixels, shift):  # type: ignore[no-untyped-def]
    """Gives each colour of pixels [H, W, 3] one number, after dropping `shift` bits of each channel [H, W]."""
    height, width = pixels.shape[0], pixels.shape[1]
    result = np.empty((height, width), np.int32)
    for y in range(height):
        for x in range(width):
            red, green, blue = pixels[y, x, 0] >> shift, pixels[y, x, 1] >> shift, pixels[y, x, 2] >> shift
            result[y, x] = (np.int32(red) << 16) | (np.int32(green) << 8) | np.int32(blue)
    return result


@compiled()
def paired(codes):  # type: ignore[no-untyped-def]
    """Says which pixels have a neighbour of their own code, of eight, as those of a drawn line have; codes [H, W],
    result [H, W]."""
    height, width = codes.shape
    result = np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            code = codes[y, x]
            if x + 1 < width and codes[y, x + 1] == code:
                result[y, x] = result[y, x + 1] = True
            if y + 1 < height:
                if codes[y + 1, x] == code:
                    result[y, x] = result[y + 1, x] = True
                if x + 1 < width and codes[y + 1, x + 1] == code:
                    result[y, x] = result[y + 1, x + 1] = True
                if x > 0 and codes[y + 1, x - 1] == code:
                    result[y, x] = result[y + 1, x - 1] = True
    return result


@compiled()
def cell_sums(mask, cell):  # type: ignore[no-untyped-def]
    """Counts how many pixels of a mask [H, W] lie in each square cell [H // cell, W // cell]."""
    rows, columns = mask.shape[0] // cell, mask.shape[1] // cell
    result = np.zeros((rows, columns), np.int32)
    for y in range(rows * cell):
        for x in range(columns * cell):
            if mask[y, x]:
                result[y // cell, x // cell] += 1
    return result
