"""What a colour bar means, from the numbers and the unit that a scanner writes beside it.

A number at a bar is believed for where it stands: 0 at the bottom, the scale at the top, and what is between in
proportion. One that was read wrongly does not fit, so two that agree say more than any likeness of signs does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.geometry import Rectangle, around, between, clipped
from fibrostage.intake.find.glyphs import Templates, templates
from fibrostage.intake.find.lines_read import ReadLine, lines_at, read_line

Unit = Literal["kPa", "m/s"]

LEVELS = (100, 140, 70, 190)  # grey levels above which is ink; the higher, the better signs part from tissue
ASIDE = 24  # pixels, or twice a bar's width: farther from the bar no number of it begins
BEYOND = 3.0  # of a number's height, that one stands over or under the bar at most
LINE = 2  # pixels around a bar that its own line may take
TICK = 3  # rows of a tick, at most
FAINT = 40  # grey levels; less is no ink
LONGEST = 9  # a line's width over its height, beyond which it is no number and no unit
REACH = 90  # pixels around the bar that are looked at
NUMBER = re.compile(r"^(\d{1,3}(?:\.\d{1,2})?)(?: ?(?:[kK]Pa|m/s))?$")
UNITS: tuple[tuple[re.Pattern[str], Unit], ...] = (
    (re.compile(r"(?:^|[\d ])[kK]Pa$"), "kPa"),
    (re.compile(r"(?:^|[\d ])m/s$"), "m/s"),
)
LARGEST = {"kPa": 500.0, "m/s": 15.0}  # of a scale; more was read wrongly
CLEAR = 0.2  # of a sign's margin, from which on it is sure
UNCLEAR = 0.25  # of that; less is no number
ENOUGH = 0.97  # confidence with which no further level is tried
SURE = 0.8  # the least confidence that a scale is drafted with, and that a plan is doubted for


@dataclass(frozen=True)
class BarScale:
    """What stands at a bar's top, its unit where one was read, how sure the number is and how sure both are (0–1), and
    how many numbers agree."""

    top: float
    unit: Unit | None
    of_top: float
    confidence: float
    numbers: int


@dataclass(frozen=True)
class BarNumber:
    """A number beside a bar: its value, how many of its digits stand behind the point, where it stands, and how sure
    its signs are, 0–1."""

    value: float
    decimals: int
    roi: Rectangle
    certainty: float

    @property
    def row(self) -> float:
        """The row of its middle."""
        return self.roi.y + self.roi.height / 2

    @property
    def height(self) -> int:
        return self.roi.height


def read_scale(pixels: NDArray[np.uint8], bar: Rectangle, known: Templates | None = None) -> BarScale | None:
    """Reads the numbers at a colour bar of RGB pixels [H, W, 3]; None where no two of them agree on what its top means,
    or its bottom is not 0."""
    height, width = pixels.shape[:2]
    area = clipped(between(bar.x - REACH, bar.y - 60, bar.right + REACH, bar.bottom + 60), width, height)
    place = Rectangle(bar.x - area.x, bar.y - area.y, bar.width, bar.height)
    ink = without_ticks(np.ascontiguousarray(pixels[area.part]).max(axis=2), place)
    best: BarScale | None = None
    for level in LEVELS:
        found = scale_of(ink, level, place, known or templates())
        if found is not None and (best is None or (found.confidence, found.of_top) > (best.confidence, best.of_top)):
            best = found
        if best is not None and best.confidence >= ENOUGH:
            break
    return best


def without_ticks(ink: NDArray[np.uint8], bar: Rectangle) -> NDArray[np.uint8]:
    """Returns a picture [h, w] without the bar, its line, and the ticks that begin there: ink of TICK rows at most."""
    result = ink.copy()
    result[max(0, bar.y - LINE) : bar.bottom + LINE, max(0, bar.x - LINE) : bar.right + LINE] = 0
    rows = range(max(0, bar.y - TICK), min(len(ink), bar.bottom + TICK))
    for start, step in ((bar.right + LINE, 1), (bar.x - LINE - 1, -1)):
        for y in rows:
            x = start
            while 0 <= x < ink.shape[1] and abs(x - start) < ASIDE and ink[y, x] > FAINT:
                column = ink[max(0, y - TICK) : y + TICK + 1, x] > FAINT
                if np.count_nonzero(column) > TICK:
                    break
                result[y, x] = 0
                x += step
    return result


def scale_of(ink: NDArray[np.uint8], level: int, bar: Rectangle, known: Templates) -> BarScale | None:
    """Reads what is brighter than `level` around a bar in a picture [h, w]."""
    near = [pieces for pieces in lines_at(ink, level) if is_near(pieces, bar)]
    lines = [read_line(ink, pieces, known) for pieces in near]
    unit, clear = unit_of(lines)
    numbers = [number for line in lines if (number := number_of(line)) is not None and number.certainty >= UNCLEAR]
    tops = [
        number
        for number in numbers
        if 0 < number.value <= LARGEST[unit or "kPa"] and at_end(number, bar.y, bar.bottom, -1)
    ]
    best: BarScale | None = None
    for top in tops:
        agreeing = [number for number in numbers if agrees(number, top.value, bar)]
        values = {number.value for number in agreeing}
        if len(values) < 2:
            continue
        column = [line for line in lines if shares_column(line.roi, top.roi) and line.roi.bottom > top.roi.y]
        share = len(agreeing) / max(len(numbers), len(column))
        between_ends = len(values - {0.0, top.value})  # a top and a 0 fit whatever the top is
        sure = top.certainty if not between_ends else float(np.mean([number.certainty for number in agreeing])) ** 0.5
        of_top = min(round(share * sure * (1.15 - 0.5 ** (between_ends + 2)), 2), 0.99)
        scale = BarScale(top.value, unit, of_top, round(min(of_top, clear), 2), len(agreeing))
        if best is None or (scale.confidence, scale.of_top) > (best.confidence, best.of_top):
            best = scale
    return best


def shares_column(one: Rectangle, other: Rectangle) -> bool:
    """Says whether two lines of like height begin or end at one column."""
    height = max(one.height, other.height)
    alike = min(one.height, other.height) >= 0.6 * height
    return alike and min(abs(one.x - other.x), abs(one.right - other.right)) <= height


def is_near(pieces: Sequence[Rectangle], bar: Rectangle) -> bool:
    """Says whether a line begins or ends beside a bar, or stands over or under it."""
    left, right = pieces[0].x, max(piece.right for piece in pieces)
    reach = max(ASIDE, 2 * bar.width)
    whole = around(pieces)
    if whole.width > LONGEST * whole.height:
        return False
    beside = 0 <= left - bar.right <= reach or 0 <= bar.x - right <= reach
    across = left <= bar.right + reach and right >= bar.x - reach
    within = bar.y - 1 <= pieces[0].bottom and pieces[0].y <= bar.bottom + 1
    return beside if within else across


def number_of(line: ReadLine) -> BarNumber | None:
    """Returns the number that a line says, with or without its unit; None where it says none."""
    match = NUMBER.match(line.text)
    if match is None:
        return None
    digits = match.group(1)
    decimals = len(digits.partition(".")[2])
    return BarNumber(float(digits), decimals, line.roi, min(1.0, line.margin / CLEAR))


def unit_of(lines: Sequence[ReadLine]) -> tuple[Unit | None, float]:
    """Returns the unit that the lines say, and how sure its signs are, 0–1; None where they say none or both."""
    found: dict[Unit, float] = {}
    for line in lines:
        for pattern, unit in UNITS:
            if pattern.search(line.text):
                found[unit] = max(found.get(unit, 0.0), min(1.0, line.margin / CLEAR))
    if len(found) != 1:
        return None, 0.0
    ((unit, clear),) = found.items()
    return unit, clear


def at_end(number: BarNumber, top: float, bottom: float, side: int) -> bool:
    """Says whether a number stands at a bar's top (`side` −1) or bottom (1), or a little over or under it."""
    off = top - number.row if side < 0 else number.row - (bottom - 1)
    return -0.6 * number.height - 1 <= off <= BEYOND * number.height


def agrees(number: BarNumber, top: float, bar: Rectangle) -> bool:
    """Says whether a number stands where a bar from 0 to `top` has its value."""
    if number.value == top:
        return at_end(number, bar.y, bar.bottom, -1)
    if number.value == 0:
        return at_end(number, bar.y, bar.bottom, 1)
    if number.value > top:
        return False
    slack = 0.5 * 10.0**-number.decimals / top * bar.height
    wanted = bar.bottom - 1 - number.value / top * (bar.height - 1)
    return abs(number.row - wanted) <= max(2.0, 0.35 * number.height) + slack + 0.02 * bar.height
