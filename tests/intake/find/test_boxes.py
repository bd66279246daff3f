"""The box finder, its lines and its masks on simulated screens and on real pictures."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fibrostage.bench.boxes import bench_boxes, make_screen
from fibrostage.ground.geometry import Rectangle, iou
from fibrostage.intake.find.box_finder import find_box
from fibrostage.intake.find.masks import cell_sums, dilated, eroded, filled, like, paired
from fibrostage.intake.find.straight_lines import Line, horizontal_lines, vertical_lines


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
                found.append(iou(box.roi, Rectangle(x0, y0, x1 - x0 + 1, y1 - y0 + 1)) if box else 0.0)
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
    truth = screen.box
    assert (
        iou(
            (find_box(screen.pixels, list(screen.tissue)) or pytest.fail("no box")).roi,
            truth,
        )
        > 0.95
    )
    assert find_box(screen.pixels, [Rectangle(0, 0, 100, 60)]) is None


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
