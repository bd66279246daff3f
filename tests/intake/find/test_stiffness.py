"""Stiffness read from a painted colour bar, and maps that are not the bar's."""

import numpy as np
import pytest

from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.find.colour_bar import bar_at, find_bar
from fibrostage.intake.find.stiffness import MisfitError, Scale, likely_opacity, read_stiffness


def ramp(height: int = 150) -> np.ndarray:
    t = np.linspace(1, 0, height)[:, None]
    return np.asarray(255 * np.clip(1.5 - np.abs(4 * (t - np.array([[0.75, 0.5, 0.25]]))), 0, 1), dtype=np.uint8)


def painted(kpa: float, opacity: float, scale: float = 30.0) -> tuple[np.ndarray, Rectangle]:
    """A screen with a uniform map of `kpa` on noisy tissue, and a jet-like bar."""
    rng = np.random.default_rng(4)
    screen = rng.integers(20, 160, (300, 400, 1)).repeat(3, axis=2).astype(np.float32)
    colours = ramp()[::-1]
    box = Rectangle(100, 90, 120, 100)
    part = screen[90:190, 100:220]
    field = np.clip(kpa + 1.5 * np.sin(np.arange(120) / 9)[None] + np.zeros((100, 1)), 0, scale)
    part[:] = (1 - opacity) * part + opacity * colours[(field / scale * 149).astype(int)]
    pixels = screen.astype(np.uint8)
    pixels[60:210, 370:382] = ramp()[:, None]
    return pixels, box


@pytest.mark.parametrize("opacity", [0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("kpa", [5.0, 12.0, 24.0])
def test_stiffness_is_read_from_the_bar(kpa: float, opacity: float) -> None:
    pixels, box = painted(kpa, opacity)
    bar = find_bar(pixels, box)
    assert bar is not None
    assert (bar.roi.x, bar.roi.width) == (370, 12)
    assert abs(bar.roi.y - 60) <= 2
    found = read_stiffness(pixels, box, bar, Scale(30.0, opacity=opacity))
    assert found.median == pytest.approx(kpa, abs=0.4)
    assert found.filled > 0.95
    assert found.residual < 3
    assert read_stiffness(pixels, box, bar, Scale(30.0)).median == pytest.approx(kpa, abs=1.0)


def test_metres_a_second_become_kilopascals() -> None:
    pixels, box = painted(15.0, 0.6)
    bar = bar_at(pixels, Rectangle(370, 60, 12, 150))
    speed = read_stiffness(pixels, box, bar, Scale(4.0, "m/s", 0.6))
    assert speed.median == pytest.approx(3 * 2.0**2, rel=0.06)  # half of the bar is 2 m/s


def test_a_map_that_is_not_the_bars_is_refused() -> None:
    pixels, box = painted(12.0, 0.6)
    bar = bar_at(pixels, Rectangle(370, 60, 12, 150))
    other = pixels.copy()
    other[90:190, 100:220, 0] = 200  # magenta and pink: nowhere on the bar
    other[90:190, 100:220, 1] = 40
    other[90:190, 100:220, 2] = 190
    with pytest.raises(MisfitError, match="are not the colour bar's"):
        read_stiffness(other, box, bar, Scale(30.0, opacity=0.6))
    grey = pixels.copy()
    grey[90:190, 100:220] = 90
    with pytest.raises(MisfitError, match="of the box is coloured"):
        read_stiffness(grey, box, bar, Scale(30.0))
    with pytest.raises(MisfitError, match="too small"):
        read_stiffness(pixels, Rectangle(100, 90, 10, 10), bar, Scale(30.0))
    with pytest.raises(ValueError, match="leaves the 400×300 picture"):
        bar_at(pixels, Rectangle(395, 60, 12, 150))
    assert find_bar(grey[:, :360]) is None


@pytest.mark.parametrize("top", [0, 1, 2, 30])
def test_the_opacity_is_read_wherever_the_box_stands(top: int) -> None:
    """A box at the picture's upper edge is not its own surroundings."""
    rng = np.random.default_rng(4)
    screen = rng.integers(20, 160, (300, 400, 1)).repeat(3, axis=2).astype(np.float32)
    box = Rectangle(100, top, 120, 100)
    part = screen[box.part]
    part[:] = 0.3 * part + 0.7 * np.array([40.0, 90.0, 200.0])
    coloured = np.ones((96, 116), dtype=bool)
    assert likely_opacity(screen.astype(np.uint8), box, coloured, 1) == pytest.approx(0.7, abs=0.05)
