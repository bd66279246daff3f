"""Lettering in a picture: four or more signs side by side, on one line and of one brightness.

It is not read, only found, so no alphabet is needed; speckle and fasciae are neither level nor evenly bright.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fibrostage.ground.geometry import Rectangle, around, between, clipped

STROKE = 9  # pixels across which a sign's stroke is thinner
CONTRASTS = (40, 72, 112)  # grey levels that a stroke stands out by
HEIGHTS = range(5, 49)  # pixels of a sign
WIDEST = 3.0  # of its height: signs that touch
SIGNS = 4  # of a line, at least
SMALL = 9  # pixels of a sign, below which grain looks like one: another is wanted
SMALLER = 0.6  # of a tall sign's height, that a small one beside it has at least
APART = 2.0  # of a sign's height, to the next on its line
EVEN = 32  # grey levels between the brightest pixels of a line's signs
FLAT = 0.35  # of a sign's pixels are as bright as its brightest, but for EVEN
BESIDE = 3  # heights of a line that are blanked at either end of it
OWN = 0.45  # of what is as bright as its signs, that is of its signs

Grey = NDArray[np.uint8]  # [H, W]


@dataclass(frozen=True)
class Sign:
    """A stroke or more that could be a sign: where, how bright, and how many of its pixels are that bright."""

    roi: Rectangle
    bright: int
    count: int


def find_lettering(picture: NDArray[np.uint8]) -> list[Rectangle]:
    """Returns around every line of what looks like lettering in a picture [H, W] or [H, W, 3], the longest first.
    Bright on dark and dark on bright are looked for."""
    grey = picture if picture.ndim == 2 else picture.max(axis=2)  # writing may be of any colour
    if min(grey.shape) < 2 * STROKE:
        return []
    lines = [line for side in (grey, 255 - grey) for line in lines_in(side)]
    return [around(sign.roi for sign in line) for line in sorted(lines, key=len, reverse=True)]


def hidden_by(lines: Sequence[Rectangle], width: int, height: int) -> list[Rectangle]:
    """Returns what to blank of a picture of this width and height for its lines of lettering to be gone: each with as
    much beside it as signs that were missed at its ends may take, and its shadow."""
    return [
        clipped(
            between(
                line.x - BESIDE * line.height,
                line.y - 1 - line.height // 3,
                line.right + BESIDE * line.height,
                line.bottom + 1 + line.height // 3,
            ),
            width,
            height,
        )
        for line in lines
    ]


def lines_in(grey: Grey) -> list[list[Sign]]:
    """The lines of bright signs: strong strokes alone part signs that touch, weaker ones find faint writing."""
    over = grey.astype(np.int16) - ndimage.grey_opening(grey, size=(STROKE, STROKE)).astype(np.int16)
    return [line for contrast in CONTRASTS for line in lines_of(signs_of(grey, over > contrast)) if plain(line, grey)]


def signs_of(grey: Grey, strokes: NDArray[np.bool_]) -> list[Sign]:
    """The connected `strokes` [H, W] of `grey` that have the size of a sign and are evenly bright."""
    labels, _ = ndimage.label(strokes, structure=np.ones((3, 3)))
    found = []
    for number, part in enumerate(ndimage.find_objects(labels), start=1):
        height, width = (side.stop - side.start for side in part)
        if height not in HEIGHTS or width > WIDEST * height:
            continue
        levels = grey[part][labels[part] == number]
        brightest = int(levels.max())
        even = int((levels >= brightest - EVEN).sum())
        if even >= FLAT * len(levels):
            found.append(Sign(Rectangle(part[1].start, part[0].start, width, height), brightest, even))
    return found


def lines_of(signs: list[Sign]) -> list[list[Sign]]:
    """Signs side by side, of one brightness, on one line: runs of SIGNS or more."""
    lines: list[list[Sign]] = []
    for sign in sorted(signs, key=lambda each: each.roi.x):
        fitting = [line for line in lines if follows(line[-1], sign)]
        if fitting:
            max(fitting, key=len).append(sign)
        else:
            lines.append([sign])
    return [line for line in lines if len(line) >= SIGNS and steady(line)]


def follows(before: Sign, sign: Sign) -> bool:
    """Whether a sign can be the next of a line."""
    a, b = before.roi, sign.roi
    height = max(a.height, b.height)
    level = min(abs(a.bottom - b.bottom), abs(a.y - b.y)) <= max(1, height // 8)
    near = -1 <= b.x - a.right <= APART * height
    alike = min(a.height, b.height) >= SMALLER * height and abs(before.bright - sign.bright) <= EVEN
    return level and near and alike


def steady(line: list[Sign]) -> bool:
    """Whether a line's signs stand as those of a writing: mostly less than a sign apart, evenly bright, and SIGNS of
    them of one height on one row."""
    gaps = [b.roi.x - a.roi.right for a, b in pairwise(line)]
    even = float(np.ptp([sign.bright for sign in line])) <= EVEN
    rows = np.array([(sign.roi.y, sign.roi.bottom) for sign in line])
    slack = np.maximum(1, (rows[:, 1] - rows[:, 0]) // 16)
    same = (np.abs(rows[:, None] - rows[None]).max(axis=2) <= slack).sum(axis=0)
    tall = max(sign.roi.height for sign in line)
    enough = int(same.max()) >= (SIGNS if tall >= SMALL else SIGNS + 1)
    return even and enough and float(np.median(gaps)) <= tall / 2


def plain(line: list[Sign], grey: Grey) -> bool:
    """Whether it is the signs that are bright where a line stands, and hardly anything else."""
    least = min(sign.bright for sign in line) - EVEN
    return sum(sign.count for sign in line) >= OWN * int((grey[around(sign.roi for sign in line).part] >= least).sum())
