"""The tissue finder on simulated screens and on a real loop."""

from __future__ import annotations

import numpy as np

from fibrostage.bench.boxes import make_screen
from fibrostage.ground.geometry import shared
from fibrostage.intake.find.tissue import find_tissue
from tests.dicom.real_files import opened, real


def test_one_fan_is_one_picture_in_every_frame_of_a_loop() -> None:
    counts = [len(find_tissue(pixels)) for _, _, pixels in opened(real("examples_ybr_color.dcm")).frames()]
    assert set(counts) == {1}


def test_tissue_is_found_without_the_interface() -> None:
    for number in range(10):
        _, screen = make_screen(number, drawn=False, seed=3)
        areas = find_tissue(screen.pixels)
        assert len(areas) == len(screen.tissue)
        for area, panel in zip(areas, screen.tissue, strict=True):
            assert shared(area, panel) > 0.97 * area.width * area.height  # inside its panel
            assert area.height > 0.65 * panel.height
    assert find_tissue(np.zeros((200, 300, 3), np.uint8)) == ()
    assert find_tissue(np.full((4, 4), 90, np.uint8)) == ()
