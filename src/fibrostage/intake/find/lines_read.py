"""A short line of lettering → its signs: cut where its ink is thin, in the way that makes the most likely signs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fibrostage.ground.geometry import Rectangle, around
from fibrostage.intake.find.glyphs import POINT, Templates, look_of, told_apart

HEIGHTS = (5, 40)  # pixels of a sign
APART = 0.6  # of a line's height, to the next sign of it
POINTED = 1.1  # the same, with a point between
WIDEST = 1.3  # a sign's width over the line's height
LIKE = 0.75  # farther from any sign, and it is none
ALONE = 0.7  # of a line's height; what is narrower is one sign
CUTS = 12  # a sign's height in steps between cuts
EACH = 0.25  # of a line's height: what each sign costs, so that none is cut for nothing
REMEMBERED = 4096  # pieces of ink, some hundred bytes each


@dataclass(frozen=True)
class ReadLine:
    """What stands on a line, where, and how sure each sign is: the least distance to another sign, in the units of
    `glyphs`."""

    text: str
    roi: Rectangle
    margin: float
    worst: float


def lines_at(ink: NDArray[np.uint8], level: int) -> list[list[Rectangle]]:
    """Returns the pieces of ink brighter than `level` in a picture [h, w], those of one line together, left to
    right."""
    labels, _ = ndimage.label(ink > level, np.ones((3, 3)))
    pieces = []
    for rows, columns in ndimage.find_objects(labels):
        roi = Rectangle(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        if roi.height <= HEIGHTS[1] and roi.width <= 5 * HEIGHTS[1]:
            pieces.append(roi)
    tall = sorted((p for p in pieces if p.height >= HEIGHTS[0] and p.width <= 5 * p.height), key=lambda p: p.x)
    small = [p for p in pieces if p.height < HEIGHTS[0]]
    lines: list[list[Rectangle]] = []
    for piece in tall:
        for line in lines:
            if not on_line(line[-1], piece, POINTED):
                continue
            points = [dot for dot in small if is_point(dot, line[-1], piece)]
            if on_line(line[-1], piece, POINTED if len(points) == 1 else APART):
                line += [*points, piece]
                break
        else:
            lines.append([piece])
    return lines


def on_line(before: Rectangle, piece: Rectangle, apart: float) -> bool:
    """Says whether a piece can be the next of a line whose signs are up to `apart` of their height from one another."""
    height = max(before.height, piece.height)
    both = min(before.bottom, piece.bottom) - max(before.y, piece.y)
    return both >= 0.6 * min(before.height, piece.height) and piece.x - before.right <= apart * height


def is_point(dot: Rectangle, before: Rectangle, after: Rectangle) -> bool:
    """Says whether a small piece stands between two signs as a point does: low, and small."""
    height, bottom = max(before.height, after.height), max(before.bottom, after.bottom)
    small = max(dot.height, dot.width) <= POINT * height
    return small and abs(dot.bottom - bottom) <= max(1, height // 6) and before.right <= dot.x <= after.x


def read_line(ink: NDArray[np.uint8], pieces: list[Rectangle], known: Templates) -> ReadLine:
    """Reads a line of `pieces` in a picture [h, w]; a sign that is like none is a question mark, and a wide gap a
    space."""
    whole = around(pieces)
    part = ink[whole.part].astype(np.float32)
    ground = float(np.percentile(part, 5))
    part = np.clip((part - ground) / max(1.0, float(part.max()) - ground), 0, 1)
    text, margins, distances = "", [], []
    last = None
    for piece in joined(pieces):
        if last is not None and piece.x - last > 0.45 * whole.height:
            text += " "
        last = piece.right
        for sign, distance, margin in cut_up(part[:, piece.x - whole.x : piece.right - whole.x], known):
            text += sign if distance <= LIKE else "?"
            margins.append(margin)
            distances.append(distance)
    return ReadLine(text, whole, min(margins), max(distances))


def joined(pieces: list[Rectangle]) -> list[Rectangle]:
    """Pieces left to right, those above one another as one."""
    result: list[Rectangle] = []
    for piece in sorted(pieces, key=lambda p: p.x):
        if result and piece.x < result[-1].right - 1:
            result[-1] = around([result[-1], piece])
        else:
            result.append(piece)
    return result


def cut_up(part: NDArray[np.float32], known: Templates) -> list[tuple[str, float, float]]:
    """Cuts a piece [h, w] of a line into the signs that it is most likely made of, and names them, with how far each is
    and its margin; a piece that is no wider than a sign may be one. A scanner writes the same on every screen, so what
    was read once is remembered by its ink."""
    return list(signs_of(part.tobytes(), part.shape, known))


@lru_cache(maxsize=REMEMBERED)
def signs_of(content: bytes, shape: tuple[int, int], known: Templates) -> tuple[tuple[str, float, float], ...]:
    """The signs of a piece whose ink, float32 of a `shape` (h, w), is `content`."""
    part = np.frombuffer(content, dtype=np.float32).reshape(shape)
    height, width = shape
    step = max(1, height // CUTS)
    cuts = [0, *(range(2, width - 1, step) if width > ALONE * height else ()), width]
    spans = [(a, b) for at, a in enumerate(cuts) for b in cuts[at + 1 :] if 1 <= b - a <= max(WIDEST * height, 2)]
    if not spans:
        return (("?", np.inf, 0.0),)
    inked = part.max(axis=0) > 0.5
    looks = np.stack([look_of(trimmed(part, inked, a, b)) for a, b in spans])
    found = dict(zip(spans, told_apart(looks, known), strict=True))
    best: dict[int, tuple[float, list[tuple[str, float, float]]]] = {0: (0.0, [])}
    for end in cuts[1:]:
        ways = [
            (best[a][0] + found[a, end][1] * (end - a) + EACH * height, [*best[a][1], found[a, end]])
            for a in cuts
            if (a, end) in found and a in best
        ]
        if ways:
            best[end] = min(ways, key=lambda way: way[0])
    return tuple(best[width][1]) if width in best else (("?", np.inf, 0.0),)


def trimmed(part: NDArray[np.float32], inked: NDArray[np.bool_], start: int, stop: int) -> NDArray[np.float32]:
    """Returns the columns from `start` to `stop` of a line [h, w] without those at its sides that are not `inked` [w];
    all of them where none is."""
    columns = np.flatnonzero(inked[start:stop])
    return part[:, start + columns[0] : start + columns[-1] + 1] if len(columns) else part[:, start:stop]
