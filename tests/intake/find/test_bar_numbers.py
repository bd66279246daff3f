"""The numbers beside a colour bar are read, in a font that the reader has seen and in one that it has not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.find.bar_numbers import SURE, read_scale
from fibrostage.intake.find.colour_bar import Bar
from fibrostage.intake.find.glyphs import FONTS, OWN, font_named, templates
from fibrostage.intake.read.requests import MisfitError, check_numbers
from fibrostage.phantom.screen import colours
from fibrostage.plan.intake import StiffnessPlan

AT = Rectangle(150, 50, 14, 160)


def with_bar(labels: dict[float, str], unit: str = "kPa", font: str = "", size: int = 13) -> NDArray[np.uint8]:
    """A screen [260, 320, 3] with a colour bar at AT, numbers at shares of its height, and a unit above it."""
    image = Image.new("RGB", (320, 260), (16, 18, 20))
    draw = ImageDraw.Draw(image)
    drawn = font_named(font, size)
    for share, text in labels.items():
        y = AT.bottom - 1 - round(share * (AT.height - 1))
        draw.line((AT.right + 1, y, AT.right + 4, y), fill=(240, 240, 240))
        draw.text((AT.right + 8, y), text, fill=(240, 240, 240), font=drawn, anchor="lm")
    draw.text((AT.x, AT.y - 10), unit, fill=(240, 240, 240), font=drawn, anchor="ld")
    pixels = np.array(image)
    pixels[AT.part] = colours()[np.linspace(255, 0, AT.height).astype(int)][:, None]
    return pixels


@pytest.mark.parametrize(("font", "least"), [(OWN, 3), ("DejaVuSans", 3), ("STIXGeneral", 0)])
def test_scales_are_read_and_a_font_never_seen_is_never_read_wrongly(font: str, least: int) -> None:
    others = templates(tuple(each for each in FONTS if each != font))
    sure = 0
    for top, unit in ((15, "kPa"), (40, "kPa"), (3.5, "m/s"), (180, "kPa"), (2.6, "m/s")):
        labels = {share: f"{share * top:.1f}".removesuffix(".0") for share in (0, 0.5, 1)}
        pixels = with_bar(labels, unit, font)
        known, unseen = read_scale(pixels, AT), read_scale(pixels, AT, others)
        for read in (known, unseen):
            assert read is None or read.confidence < SURE or (read.top, read.unit) == (top, unit)
        sure += known is not None and known.confidence >= SURE
    assert sure >= least


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {1: "40"},  # nothing agrees with it
        {0: "10", 1: "40"},  # its bottom is not 0
        {0: "0", 0.5: "30", 1: "40"},  # the middle says 60
        {0: "Min", 1: "Max"},
    ],
)
def test_numbers_that_do_not_agree_are_not_believed(labels: dict[float, str]) -> None:
    read = read_scale(with_bar(labels), AT)
    assert read is None or read.of_top < SURE


@pytest.mark.parametrize("unit", ["cm/s", "", "dB"])
def test_another_unit_is_none(unit: str) -> None:
    read = read_scale(with_bar({0: "0", 0.5: "20", 1: "40"}, unit), AT)
    assert read is not None
    assert (read.unit, read.confidence) == (None, 0.0)


def test_a_bar_that_says_otherwise_than_the_plan_is_named() -> None:
    pixels, bar = with_bar({0: "0", 0.5: "20", 1: "40"}), Bar(AT, np.zeros((160, 3), np.float32))
    check_numbers(pixels, bar, StiffnessPlan(scale=40))
    check_numbers(pixels, bar, StiffnessPlan(scale=30, numbers="ignore"))
    with pytest.raises(
        MisfitError, match=r'goes to 40 kPa by the numbers beside it, and to 30 kPa.*numbers = "ignore"'
    ):
        check_numbers(pixels, bar, StiffnessPlan(scale=30))
    with pytest.raises(MisfitError, match=r"to 40 m/s by the plan"):
        check_numbers(pixels, bar, StiffnessPlan(scale=40, unit="m/s"))
