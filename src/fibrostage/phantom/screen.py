"""What a scanner draws over its picture: colour box, colour bar, measurement, and the word SIMULATED.

Every picture says SIMULATED in its pixels, inside the part that intake keeps.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fibrostage import SIMULATED
from fibrostage.ground.geometry import Rectangle
from fibrostage.ground.quantities import speed_from_kpa
from fibrostage.phantom.bmode import HEIGHT, WIDTH, smooth_noise

SCALE_KPA = 30.0
OPACITY = 0.5
YELLOW = (250, 220, 60)
BAR = (WIDTH - 22, 60, 10, 150)  # x, y, width, height


@lru_cache(maxsize=1)
def colours() -> NDArray[np.uint8]:
    """Returns a jet-like colour map [256, 3], soft blue to stiff red."""
    t = np.linspace(0, 1, 256)[:, None]
    centres = np.array([[0.75, 0.5, 0.25]])
    return np.asarray(255 * np.clip(1.5 - np.abs(4 * (t - centres)), 0, 1), dtype=np.uint8)


@lru_cache(maxsize=4)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def colour_of(kpa: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Returns the colours [..., 3] of stiffness `kpa` [...] on a scale from 0 to SCALE_KPA."""
    index = np.clip(np.asarray(kpa) / SCALE_KPA * 255, 0, 255).astype(np.uint8)
    return colours()[index]


def stiffness_map(
    box: Rectangle, kpa: float, cv: float, fill: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Makes a smooth lognormal field in kPa [h, w] over a box, and where the scanner showed it [h, w].

    Its median is about `kpa`, `cv` the SD of its logarithm, and `fill` the share of the box that is shown.
    """
    shape = (box.height, box.width)
    field = kpa * np.exp(cv * smooth_noise(shape, (9.0, 9.0), rng))
    holes = smooth_noise(shape, (7.0, 7.0), rng)
    return field.astype(np.float32), holes <= np.quantile(holes, fill)


def elastogram(
    grey: NDArray[np.uint8],
    box: Rectangle,
    field: NDArray[np.float32],
    shown: NDArray[np.bool_],
    opacity: float = OPACITY,
) -> Image.Image:
    """Draws the stiffness map in its box over B-mode `grey` [H, W], with a yellow frame and a colour bar beside it.

    `field` [h, w] is in kPa and `shown` [h, w] says where it is seen, at `opacity`; both are of the
    box.
    """
    rgb = np.repeat(grey[:, :, None], 3, axis=2)
    part = rgb[box.y : box.y + box.height, box.x : box.x + box.width]
    mixed = (1 - opacity) * part + opacity * colour_of(field)
    part[shown] = mixed[shown].astype(np.uint8)
    x, y, width, height = BAR
    rgb[y : y + height, x : x + width] = colours()[np.linspace(255, 0, height).astype(int)][:, None]
    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    draw.rectangle((box.x, box.y, box.x + box.width - 1, box.y + box.height - 1), outline=YELLOW)
    write(draw, (x - 8, y - 14), f"{SCALE_KPA:.0f}")
    write(draw, (x - 10, y + height + 2), "0 kPa")
    write(draw, (box.x, box.y - 14), SIMULATED)
    return image


def point_measurement(grey: NDArray[np.uint8], box: Rectangle, kpa: float, reliable: bool) -> Image.Image:
    """Draws a small measuring box over B-mode `grey` [H, W], and its reading in m/s and kPa.

    An unreliable reading shows dashes instead of numbers.
    """
    image = Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2))
    draw = ImageDraw.Draw(image, "RGBA")
    red, green, blue = (int(v) for v in colour_of(np.array([kpa]))[0])
    frame = (box.x, box.y, box.x + box.width - 1, box.y + box.height - 1)
    draw.rectangle(frame, outline=YELLOW, fill=(red, green, blue, 70))
    reading = f"{speed_from_kpa(kpa):.2f} m/s  {kpa:.1f} kPa" if reliable else "-.-- m/s  -.- kPa"
    write(draw, (8, HEIGHT - 16), reading)
    write(draw, (8, 4), SIMULATED)
    return image


def plain(grey: NDArray[np.uint8]) -> Image.Image:
    """Draws B-mode `grey` [H, W] alone, with the word SIMULATED."""
    image = Image.fromarray(grey)
    write(ImageDraw.Draw(image), (8, 4), SIMULATED)
    return image


def write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str) -> None:
    """Writes white text with a black rim, readable on any tissue."""
    white, black = ("white", "black") if draw.mode != "L" else (255, 0)
    draw.text(at, text, fill=white, font=font(11), stroke_width=1, stroke_fill=black)


def draw_box(width: tuple[int, int], height: tuple[int, int], rng: np.random.Generator) -> Rectangle:
    """Draws a box inside the sector, of a size in the given closed ranges of pixels."""
    w, h = int(rng.integers(width[0], width[1] + 1)), int(rng.integers(height[0], height[1] + 1))
    x = WIDTH // 2 - w // 2 + int(rng.integers(-25, 26))
    return Rectangle(x, int(rng.integers(70, max(71, HEIGHT - h - 60))), w, h)
