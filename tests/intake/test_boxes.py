"""The box finder, the tissue finder and the colour bar on simulated screens and on real pictures."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fibrostage.bench.intake import bench_boxes, make_screen
from fibrostage.ground.geometry import Roi, iou, shared
from fibrostage.intake.find.box_finder import find_box
from fibrostage.intake.find.colour_bar import bar_at, find_bar
from fibrostage.intake.find.masks import cell_sums, dilated, eroded, filled, like, paired
from fibrostage.intake.find.stiffness import MisfitError, Scale, read_stiffness
from fibrostage.intake.find.straight_lines import Line, horizontal_lines, vertical_lines
from fibrostage.intake.find.tissue import find_tissue


def test_boxes_on_the_named_screens() -> None:
    """50 screens with a box and 10 without; `fibrostage bench boxes` measures more of them."""
    lossless, jpeg = bench_boxes(60, drawn=False)["rows"]
    assert lossless["iou_95"]["value"] >= 0.98
    assert lossless["false_boxes"] == jpeg["false_boxes"] == 0
    assert lossless["kpa_fitted"]["mean_absolute_error"] < 0.3
    assert lossless["kpa_given"]["mean_absolute_error"] < 0.2
    assert lossless["kpa_given"]["n"] >= 40
    assert jpeg["iou_90"]["value"] >= 0.9
    assert jpeg["kpa_given"]["mean_absolute_error"] < 0.5


def test_boxes_on_screens_drawn_at_random() -> None:
    lossless, jpeg = bench_boxes(40, drawn=True, seed=5)["rows"]
    assert lossless["iou_95"]["value"] >= 0.85  # maps that are all white show no colour
    assert lossless["false_boxes"] == jpeg["false_boxes"] == 0


def test_boxes_on_real_screens(shared_data: Path) -> None:
    """Colour boxes of a real scanner whose colour is sparse, and plain pictures of the same patients."""
    folder = shared_data / "doppler_boxes"
    found, plain = [], []
    with (folder / "boxes.csv").open() as file:
        for row in csv.DictReader(file):
            box = find_box(np.asarray(Image.open(folder / "images" / row["file"]).convert("RGB")))
            if row["x0"]:
                x0, y0, x1, y1 = (int(row[name]) for name in ("x0", "y0", "x1", "y1"))
                found.append(iou(box.roi, Roi(x0, y0, x1 - x0 + 1, y1 - y0 + 1)) if box else 0.0)
            else:
                plain.append(box)
    assert np.mean(np.array(found) >= 0.9) >= 0.9
    assert plain == [None] * 6


def test_plain_bmode_of_real_scanners_has_no_box(shared_data: Path) -> None:
    files = sorted((shared_data / "liver_f0f4" / "images").rglob("*.*"))[::40]
    boxes = [find_box(np.asarray(Image.open(file).convert("RGB"))) for file in files]
    assert len(files) >= 20
    assert sum(box is not None for box in boxes) == 0


def test_a_tint_is_no_colour() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (240, 320, 1)).astype(np.float32)
    sepia = (grey * np.array([1.0, 0.86, 0.7])).astype(np.uint8)
    assert find_box(sepia) is None


@pytest.mark.parametrize("shape", [(3, 3, 3), (1, 40, 3), (40, 1, 3), (24, 24, 3), (240, 320)])
def test_small_and_grey_pictures_have_no_box(shape: tuple[int, ...]) -> None:
    assert find_box(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)) is None


def test_a_box_is_looked_for_where_tissue_is() -> None:
    _, screen = make_screen(1, drawn=False, seed=0)
    assert screen.box is not None
    truth = Roi(*screen.box)
    assert (
        iou((find_box(screen.pixels, [Roi(*panel) for panel in screen.tissue]) or pytest.fail("no box")).roi, truth)
        > 0.95
    )
    assert find_box(screen.pixels, [Roi(0, 0, 100, 60)]) is None


def test_tissue_is_found_without_the_interface() -> None:
    for number in range(10):
        _, screen = make_screen(number, drawn=False, seed=3)
        areas = find_tissue(screen.pixels)
        assert len(areas) == len(screen.tissue)
        for area, panel in zip(areas, screen.tissue, strict=True):
            assert shared(area, Roi(*panel)) > 0.97 * area.width * area.height  # inside its panel
            assert area.height > 0.65 * panel.h
    assert find_tissue(np.zeros((200, 300, 3), np.uint8)) == ()
    assert find_tissue(np.full((4, 4), 90, np.uint8)) == ()


def test_lines_are_found_to_the_pixel() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 90, (120, 160, 3), dtype=np.uint8)
    picture[40, 20:120] = (250, 220, 60)
    picture[70:73, 30:140] = (240, 240, 240)
    assert horizontal_lines(picture, 8) == [Line(40, 1, 20, 120, (250, 220, 60)), Line(70, 3, 30, 140, (240, 240, 240))]
    turned = np.ascontiguousarray(picture.transpose(1, 0, 2))
    assert vertical_lines(turned, 8) == horizontal_lines(picture, 8)


def test_masks_are_the_literal_ones() -> None:
    rng = np.random.default_rng(2)
    mask = rng.random((23, 31)) < 0.1
    literal = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        literal[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = True
    np.testing.assert_array_equal(dilated(mask, 5), literal)
    np.testing.assert_array_equal(eroded(literal, 5) & mask, mask)
    ring = np.zeros((12, 12), bool)
    ring[2:9, 2:9] = True
    hollow = ring.copy()
    hollow[4:7, 4:7] = False
    np.testing.assert_array_equal(filled(hollow), ring)
    np.testing.assert_array_equal(cell_sums(mask, 4), mask[:20, :28].reshape(5, 4, 7, 4).sum(axis=(1, 3)))
    codes = np.array([[1, 2, 3], [4, 1, 5], [6, 7, 8]], np.int32)
    np.testing.assert_array_equal(paired(codes), codes == 1)
    picture = rng.integers(0, 255, (6, 7, 3), dtype=np.uint8)
    close = (np.abs(picture.astype(int) - (90, 100, 110)) <= 60).all(axis=2)
    np.testing.assert_array_equal(like(picture, np.array([90, 100, 110], np.int16), 60), close)


def ramp(height: int = 150) -> np.ndarray:
    t = np.linspace(1, 0, height)[:, None]
    return np.asarray(255 * np.clip(1.5 - np.abs(4 * (t - np.array([[0.75, 0.5, 0.25]]))), 0, 1), dtype=np.uint8)


def painted(kpa: float, opacity: float, scale: float = 30.0) -> tuple[np.ndarray, Roi]:
    """A screen with a uniform map of `kpa` on noisy tissue, and a jet-like bar."""
    rng = np.random.default_rng(4)
    screen = rng.integers(20, 160, (300, 400, 1)).repeat(3, axis=2).astype(np.float32)
    colours = ramp()[::-1]
    box = Roi(100, 90, 120, 100)
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
    bar = bar_at(pixels, Roi(370, 60, 12, 150))
    speed = read_stiffness(pixels, box, bar, Scale(4.0, "m/s", 0.6))
    assert speed.median == pytest.approx(3 * 2.0**2, rel=0.06)  # half of the bar is 2 m/s


def test_a_map_that_is_not_the_bars_is_refused() -> None:
    pixels, box = painted(12.0, 0.6)
    bar = bar_at(pixels, Roi(370, 60, 12, 150))
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
        read_stiffness(pixels, Roi(100, 90, 10, 10), bar, Scale(30.0))
    with pytest.raises(ValueError, match="leaves the 400×300 picture"):
        bar_at(pixels, Roi(395, 60, 12, 150))
    assert find_bar(grey[:, :360]) is None
