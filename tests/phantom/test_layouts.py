"""Scanner screens: the truth says where things are, and names stay in the header."""

from dataclasses import replace

import numpy as np
import pytest

from fibrostage.ground.geometry import Rectangle, lies_in
from fibrostage.phantom.bmode import Scan, bmode
from fibrostage.phantom.layouts import COLOUR_MAPS, Screen, render
from fibrostage.phantom.vendors import LAYOUTS, SHAPES, Layout, draw_layout

NAME = "HOLLOWAY, Iris  460314159  1969-02-11"
GREY = bmode(Scan(0.0, 0.0), np.random.default_rng(0))
BARE = {"calipers": None, "circle": False, "ruler": "none", "focus": None, "body_mark": False, "logo": None}


def screen_of(layout: Layout, kpa: float | None, seed: int = 0, name: str = NAME, fill: float = 0.9) -> Screen:
    return render(layout, GREY, kpa, 0.12, fill, name, np.random.default_rng(seed))


def area(rect: Rectangle) -> tuple[slice, slice]:
    return slice(rect.y, rect.y + rect.height), slice(rect.x, rect.x + rect.width)


def within(inner: Rectangle, outer: Rectangle) -> bool:
    return inner == outer or lies_in(inner, outer)


def check(layout: Layout, screen: Screen) -> None:
    """What holds of any screen with a box."""
    assert screen.pixels.shape == (layout.height, layout.width, 3)
    assert screen.pixels.dtype == np.uint8
    everything = Rectangle(0, layout.header, layout.width, layout.height - layout.header)
    assert all(within(panel, everything) for panel in screen.tissue)
    assert len(screen.tissue) == 1 + layout.dual
    assert screen.box is not None
    assert within(screen.box, screen.tissue[-1])
    assert screen.field is not None
    assert screen.field.shape == (screen.box.height, screen.box.width)
    assert screen.kpa is not None
    assert screen.kpa <= (screen.scale if screen.unit == "kPa" else 3 * screen.scale**2)
    if screen.bar is not None:
        assert within(screen.bar, Rectangle(0, 0, layout.width, layout.height))
        bar = screen.pixels[area(screen.bar)]
        assert (bar[0, 0] == COLOUR_MAPS[layout.colours][255]).all()
        assert (bar[-1, -1] == COLOUR_MAPS[layout.colours][0]).all()
        assert layout.bar_inset or not any(overlap(screen.bar, panel) for panel in screen.tissue)


def overlap(a: Rectangle, b: Rectangle) -> bool:
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_named_scanner_draws_its_screen_with_and_without_a_box(name: str) -> None:
    check(LAYOUTS[name], screen_of(LAYOUTS[name], 9.0))
    plain = screen_of(LAYOUTS[name], None)
    assert (plain.box, plain.field, plain.kpa) == (None, None, None)


def test_drawn_scanners_vary_and_keep_their_promises() -> None:
    rng = np.random.default_rng(1)
    layouts = [draw_layout(rng) for _ in range(40)]
    assert {layout.shape for layout in layouts} == set(SHAPES)
    assert {layout.colours for layout in layouts} == set(COLOUR_MAPS)
    for seed, layout in enumerate(layouts):
        check(layout, screen_of(layout, 9.0, seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("frame", [(250, 220, 60), None])
def test_the_box_bounds_all_that_the_overlay_changed(shape: str, frame: tuple[int, int, int] | None) -> None:
    """Against the tissue's own grey the overlay is whatever has colour: tint and marks are off."""
    layout = replace(Layout("bare", shape=shape, frame=frame, thickness=2, opacity=0.6), **BARE)
    screen = screen_of(layout, 9.0)
    panel = screen.tissue[0]
    part = screen.pixels[area(panel)].astype(int)
    rows, columns = np.nonzero(part.max(axis=2) - part.min(axis=2) > 3)
    found = Rectangle(
        panel.x + int(columns.min()),
        panel.y + int(rows.min()),
        int(np.ptp(columns)) + 1,
        int(np.ptp(rows)) + 1,
    )
    assert found == screen.box


@pytest.mark.parametrize("unit", ["kPa", "m/s"])
def test_an_opaque_overlay_is_the_field_in_the_bars_colours(unit: str) -> None:
    layout = replace(LAYOUTS["convex-jet"], opacity=1.0, unit=unit, scale=30.0 if unit == "kPa" else 4.0)
    screen = screen_of(layout, 9.0)
    assert screen.box is not None
    assert screen.field is not None
    seen = np.isfinite(screen.field)
    colours = screen.pixels[area(screen.box)][seen].astype(int)
    table = COLOUR_MAPS["jet"].astype(int)
    index = np.abs(colours[:, None] - table[None]).sum(axis=2).argmin(axis=1)
    value = index / 255 * screen.scale
    kpa = value if unit == "kPa" else 3 * value**2
    assert np.median(np.abs(kpa - screen.field[seen])) < 0.2
    assert np.median(kpa) == pytest.approx(screen.kpa, abs=0.2)


def test_a_name_is_burned_into_the_header_and_nowhere_else() -> None:
    rng = np.random.default_rng(2)
    for seed, layout in enumerate([*LAYOUTS.values(), *(draw_layout(rng) for _ in range(15))]):
        for kpa in (9.0, None):
            one = screen_of(layout, kpa, seed)
            other = screen_of(layout, kpa, seed, "WINTERBOTTOM-FEATHERSTONEHAUGH, Wilhelmina  1  1900-01-01")
            rows = np.nonzero((one.pixels != other.pixels).any(axis=(1, 2)))[0]
            assert len(rows)
            assert rows.max() < layout.header <= min(panel.y for panel in one.tissue)


def test_every_panel_says_simulated_outside_the_box() -> None:
    screen = screen_of(replace(LAYOUTS["solid-state"], **BARE), 9.0)
    for panel in screen.tissue:
        part = screen.pixels[area(panel)].copy()
        corners = np.concatenate([part[:24, 14:80].reshape(-1, 3), part[-24:, 14:80].reshape(-1, 3)])
        assert (corners == 240).all(axis=1).sum() > 50  # letters


def test_unfilled_boxes_show_little() -> None:
    layout = LAYOUTS["convex-jet"]
    little, much = (screen_of(layout, 9.0, fill=fill).field for fill in (0.2, 0.95))
    assert little is not None
    assert much is not None
    assert np.isfinite(little).mean() < 0.35 < 0.7 < np.isfinite(much).mean()
