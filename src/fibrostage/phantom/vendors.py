"""Invented scanners: how each one lays out its screen, ten of them by name and any number at random.

They are the adversary of whoever looks for the elastogram's box and reads its colours, so they vary in what varies
between real scanners: the box's shape and line, colours and their opacity, where the colour bar stands and what its
scale is, one panel or two, and all the coloured things that are no elastogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Colour = tuple[int, int, int]

SIZES = ((640, 480), (720, 576), (800, 600), (960, 720), (1024, 768), (1280, 960))
SHAPES = ("rectangle", "trapezoid", "sector")
YELLOW, WHITE, GREEN = (250, 220, 60), (240, 240, 240), (70, 220, 90)
CYAN, ORANGE, GREY, RED = (80, 220, 240), (250, 150, 40), (140, 140, 140), (230, 60, 50)
BLUE, PURPLE, BLACK = (70, 110, 230), (170, 90, 210), (0, 0, 0)
SCALES = {"kPa": (15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 75.0), "m/s": (2.5, 3.0, 3.5, 4.0, 5.0)}
TINTS = ((255, 255, 255), (255, 255, 255), (236, 244, 255), (255, 246, 226), (255, 236, 200), (222, 238, 255))
BACKGROUNDS = (BLACK, BLACK, BLACK, (18, 20, 24), (30, 34, 44), (46, 46, 50))


@dataclass(frozen=True)
class Layout:
    """One scanner's screen. `scale` is the colour bar's upper end in `unit`; the lower end is 0.

    Widths and heights are in pixels, `bar_height` is a share of the panel's. `dual` puts plain B-mode on the left of
    the elastogram, with the same frame line when `twin_frame`. `bar_inset` is a bar inside the tissue panel. `gamma`
    above 1 darkens the grey levels, `tint` is what their white becomes.

    `leaves` are the sides of the panel that the box goes past, `zoom` enlarges the middle of the picture; `washed` is
    the share of white in the overlay's colours, `drained` the share of their colour that is grey instead.
    """

    name: str
    width: int = 800
    height: int = 600
    shape: str = "rectangle"
    colours: str = "jet"
    opacity: float = 0.5
    frame: Colour | None = YELLOW
    thickness: int = 1
    dashed: bool = False
    bar: str = "right"
    bar_width: int = 14
    bar_height: float = 0.4
    bar_inset: bool = False
    bar_frame: Colour | None = GREY
    scale: float = 30.0
    unit: str = "kPa"
    ticks: int = 3
    dual: bool = False
    twin_frame: bool = False
    header: int = 40
    footer: int = 28
    side: str = "left"
    side_width: int = 96
    background: Colour = BLACK
    ink: Colour = WHITE
    tint: Colour = (255, 255, 255)
    gamma: float = 1.0
    panel_frame: Colour | None = None
    grey_bar: bool = True
    ruler: str = "right"
    logo: Colour | None = BLUE
    body_mark: bool = False
    focus: Colour | None = None
    calipers: Colour | None = None
    circle: bool = True
    thumbnails: bool = False
    icons: bool = True
    leaves: tuple[str, ...] = ()
    zoom: float = 1.0
    washed: float = 0.0
    drained: float = 0.0

    @property
    def letters(self) -> int:
        """Height of the interface's text in pixels."""
        return max(9, round(self.height / 46))


def named(name: str, **values: Any) -> tuple[str, Layout]:
    return name, Layout(name, **values)


LAYOUTS: dict[str, Layout] = dict(
    (
        named("convex-jet", width=640, height=480, header=34, focus=ORANGE, body_mark=True, gamma=1.3),
        named("twin-sky", width=1024, height=768, dual=True, twin_frame=True, frame=WHITE, opacity=0.7, header=58,
              bar="left", tint=(236, 244, 255), calipers=YELLOW, thumbnails=True, side="right"),
        named("sector-blaze", shape="sector", colours="rainbow", frame=GREEN, thickness=2, scale=50.0, ticks=5,
              background=(18, 20, 24), side="none", logo=RED, gamma=1.7),
        named("fan-speed", width=960, height=720, shape="sector", frame=CYAN, unit="m/s", scale=4.0, ticks=4,
              opacity=0.6, bar="left", ruler="left", side_width=120, logo=GREEN, body_mark=True),
        named("hot-plate", width=720, height=576, colours="hot", frame=None, opacity=0.65, scale=40.0, side="right",
              bar="left", circle=False, gamma=2.0, logo=ORANGE, panel_frame=GREY),
        named("redshift", width=1024, height=768, shape="trapezoid", colours="jet-reversed", frame=YELLOW, thickness=2,
              opacity=0.4, scale=60.0, ticks=4, header=56, side_width=150, thumbnails=True, tint=(255, 246, 226)),
        named("polar-five", width=1280, height=960, dashed=True, colours="ice-fire", frame=GREY, thickness=3,
              scale=75.0, ticks=6, dual=True, header=64, footer=60,
              background=(30, 34, 44), panel_frame=BLUE, side_width=130),
        named("glass", colours="jet", opacity=0.3, frame=WHITE, bar="none", scale=20.0, grey_bar=False, logo=None,
              icons=False, side="right", focus=GREEN, gamma=1.2),
        named("inlay", width=640, height=480, colours="rainbow", bar_inset=True, bar_height=0.34, frame=ORANGE,
              opacity=0.8, side="none", header=30, footer=22, ticks=2, tint=(255, 236, 200), logo=PURPLE),
        named("solid-state", width=960, height=720, shape="trapezoid", opacity=1.0, frame=WHITE, scale=40.0, ticks=5,
              dual=True, twin_frame=True, bar_width=20, bar_height=0.6, gamma=1.5, background=(46, 46, 50)),
    )
)  # fmt: skip


def draw_layout(rng: np.random.Generator) -> Layout:
    """Draws a scanner nobody has built: every parameter at random within plausible ranges."""

    def one_of(values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    def odds(share: float) -> bool:
        return bool(rng.random() < share)

    width, height = one_of(SIZES)
    unit = "kPa" if odds(0.75) else "m/s"
    dual = odds(0.35)
    bar = one_of(("left", "right", "right", "none"))
    lines = [YELLOW, WHITE, GREEN, CYAN, ORANGE, GREY]
    return Layout(
        name="drawn",
        width=width,
        height=height,
        shape=one_of(SHAPES),
        colours=one_of(("jet", "jet", "jet-reversed", "rainbow", "hot", "ice-fire")),
        opacity=round(float(rng.uniform(0.3, 1.0)), 2),
        frame=one_of(lines) if odds(0.85) else None,
        thickness=int(rng.integers(1, 4)),
        dashed=odds(0.15),
        bar=bar,
        bar_width=int(rng.integers(8, 15) * height / 480),
        bar_height=round(float(rng.uniform(0.22, 0.65)), 2),
        bar_inset=bar != "none" and not dual and odds(0.3),
        bar_frame=one_of((None, GREY, WHITE)),
        scale=one_of(SCALES[unit]),
        unit=unit,
        ticks=int(rng.integers(2, 7)),
        dual=dual,
        twin_frame=dual and odds(0.5),
        header=int(height * rng.uniform(0.055, 0.09)),
        footer=int(height * rng.uniform(0.04, 0.08)),
        side=one_of(("left", "right", "none")),
        side_width=int(width * rng.uniform(0.11, 0.17)),
        background=one_of(BACKGROUNDS),
        ink=one_of((WHITE, WHITE, GREY, CYAN, YELLOW, GREEN)),
        tint=one_of(TINTS),
        gamma=round(float(rng.uniform(0.8, 2.2)), 2),
        panel_frame=one_of((GREY, BLUE, GREEN, YELLOW)) if odds(0.25) else None,
        grey_bar=odds(0.6),
        ruler=one_of(("left", "right", "none")),
        logo=one_of((BLUE, RED, GREEN, ORANGE, PURPLE, CYAN)) if odds(0.75) else None,
        body_mark=odds(0.4),
        focus=one_of((YELLOW, ORANGE, GREEN, CYAN)) if odds(0.5) else None,
        calipers=one_of((YELLOW, GREEN, WHITE)) if odds(0.4) else None,
        circle=odds(0.6),
        thumbnails=odds(0.3),
        icons=odds(0.6),
    )
