"""Boxes that leave the picture, boxes that a crop cut, and maps without colour."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fibrostage.bench.boxes import KINDS, as_jpeg, bench_boxes, make_screen
from fibrostage.ground.errors import PlanError
from fibrostage.ground.geometry import Rectangle, iou
from fibrostage.intake.find.box_finder import PALE, closed_at, find_box
from fibrostage.intake.find.colour_bar import bar_at, find_bar
from fibrostage.intake.find.stiffness import MisfitError, Scale, read_stiffness
from fibrostage.intake.privacy import Privacy
from fibrostage.intake.read.outcome import Outcome, ReadingJob, ReadingRules
from fibrostage.intake.read.read_file import read_file
from fibrostage.phantom.dicom_files import TISSUE, DrawnRegion
from tests.intake.build.bad_files import KEY, write
from tests.intake.hospital import plan_with


def test_boxes_that_leave_the_panel_are_found_to_the_pixel() -> None:
    found = []
    for number in (0, 1, 4, 8, 11, 12):  # one side and two; rectangles, and a part of a sector
        _, screen = make_screen(number, drawn=False, seed=0, kind="leaving")
        box = find_box(screen.pixels, screen.tissue)
        assert screen.box is not None
        panel = screen.tissue[-1]
        assert (
            screen.box.x == panel.x
            or screen.box.y == panel.y
            or (screen.box.right == panel.right or screen.box.bottom == panel.bottom)
        )
        found.append(0.0 if box is None else iou(box.roi, screen.box))
    assert min(found) >= 0.95


def test_boxes_that_a_crop_cut_are_found_without_word_of_tissue() -> None:
    found = []
    for number in (0, 1, 8, 10, 11):
        _, screen = make_screen(number, drawn=False, seed=0, kind="cropped")
        box = find_box(screen.pixels)
        assert screen.box is not None
        found.append(0.0 if box is None else iou(box.roi, screen.box))
    assert min(found) >= 0.95


def test_a_white_map_is_found_by_its_frame_and_a_frame_without_a_map_is_none() -> None:
    layout, screen = make_screen(0, drawn=False, seed=0, kind="pale")
    assert layout.washed == 1
    box = find_box(screen.pixels, screen.tissue)
    assert box is not None
    assert screen.box is not None
    assert box.by == PALE
    assert iou(box.roi, screen.box) >= 0.95
    _, plain = make_screen(30, drawn=False, seed=0)
    pixels = plain.pixels.copy()
    x, y, right, bottom = moved_into(plain.tissue[-1], screen.box)
    for part in (np.s_[y, x:right], np.s_[bottom, x:right], np.s_[y:bottom, x], np.s_[y:bottom, right]):
        pixels[part] = layout.frame
    assert find_box(plain.pixels, plain.tissue) is None
    assert find_box(pixels, plain.tissue) is None


def moved_into(panel: Rectangle, box: Rectangle) -> tuple[int, int, int, int]:
    """Corners of a frame in the middle of a panel, as large as a box."""
    x, y = panel.x + (panel.width - box.width) // 2, panel.y + (panel.height - box.height) // 2
    return replace(box, x=x, y=y).corners


def test_washed_colours_are_no_stiffness() -> None:
    """Jet mixed with white: the hue would still have a place on the bar."""
    layout, screen = make_screen(1, drawn=False, seed=0, kind="pale")
    assert layout.washed > 0.8
    assert screen.box is not None
    assert screen.bar is not None
    bar = bar_at(screen.pixels, screen.bar)
    with pytest.raises(MisfitError, match="white or nearly without colour"):
        read_stiffness(screen.pixels, screen.box, bar, Scale(layout.scale, layout.unit))


def test_colours_that_jpeg_made_of_a_white_map_are_no_stiffness() -> None:
    layout, screen = make_screen(50, drawn=False, seed=1, kind="pale")
    assert layout.washed == 1
    pixels = as_jpeg(screen.pixels, 75)
    assert screen.box is not None
    assert screen.bar is not None
    scale = Scale(layout.scale, layout.unit)
    with pytest.raises(MisfitError, match="of the box is coloured; at least 50% are needed after JPEG"):
        read_stiffness(pixels, screen.box, bar_at(pixels, screen.bar), scale, lossy=True)


def test_a_bar_that_a_crop_may_have_cut_is_none() -> None:
    _, screen = make_screen(0, drawn=False, seed=0)
    assert screen.bar is not None
    assert find_bar(screen.pixels, screen.box) is not None
    assert find_bar(screen.pixels[screen.bar.y + 20 :]) is None
    assert find_bar(screen.pixels[: screen.bar.bottom - 20]) is None


def test_a_line_is_closed_only_where_its_box_leaves() -> None:
    whole = np.zeros((30, 40), bool)
    whole[:12, 10:20] = True
    line = np.zeros_like(whole)
    line[:13, 9] = line[:13, 20] = line[12, 9:21] = True
    closed = closed_at(line, whole, (True, False, False, False))
    assert closed[9:-9, 9:-9].sum() == line.sum()
    outside = np.argwhere(closed[:9])
    assert (outside[:, 1].min() - 9, outside[:, 1].max() - 9) == (9, 20)
    assert not closed[:, :9].any()
    assert not closed[-9:].any()


def test_kinds_of_screens_are_named_and_no_pale_map_is_misread() -> None:
    with pytest.raises(PlanError, match="leaving"):
        bench_boxes(4, drawn=False, kind="leavin")
    assert KINDS[0] == "whole"
    (row, _) = bench_boxes(4, drawn=False, kind="pale")["rows"]
    assert row["n"] == 4
    assert row["kpa_given"]["far"] == row["kpa_fitted"]["far"] == 0


@pytest.mark.parametrize("quality", [75, 95])
def test_a_coloured_frame_of_a_white_map_is_found_after_jpeg(quality: int) -> None:
    for number in (0, 10, 14):
        layout, screen = make_screen(number, drawn=False, seed=0, kind="pale")
        assert layout.washed > 0.8
        assert screen.box is not None
        box = find_box(as_jpeg(screen.pixels, quality), screen.tissue, lossy=True)
        assert box is not None
        assert iou(box.roi, screen.box) >= 0.95


def test_a_map_without_colour_and_frame_is_kept_out_or_marked_and_no_stiffness(tmp_path: Path) -> None:
    layout, screen = make_screen(0, drawn=False, seed=0, kind="bare")
    assert (layout.frame, layout.washed) == (None, 1)
    assert find_bar(screen.pixels) is not None
    regions = [DrawnRegion(TISSUE, one.x, one.y, one.width, one.height, 0.3) for one in screen.tissue]
    path = write(tmp_path / "a.dcm", screen.pixels, regions=regions)
    outcome = read(path, kind="elastogram")
    assert not outcome.taken
    assert "shows no colour box" in outcome.refused[0].reason
    outcome = read(path, kind="bmode")
    assert all(taken.record.get("kpa") is None for taken in outcome.taken)
    assert "a colour bar stands beside it and no box was found" in outcome.facts["notes"]


def read(path: Path, kind: str) -> Outcome:
    """What is made of a file that the plan takes for a picture of this kind, its bar from 0 to 30 kPa."""
    plan = plan_with(
        modality=[{"name": "M", "kind": kind, "size": 64}],
        rule=[{"modality": "M"}],
        stiffness=[{"scale": 30, "unit": "kPa"}],
    )
    return read_file(ReadingJob(path, path.name, None), ReadingRules(plan, Privacy(KEY)))
