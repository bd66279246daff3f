"""The DLRE paper's crops, clicks in the images CSV, and patients who are not studied."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fibrostage.cohort.flow import OTHER, flow_of
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.read.crops import Square, around_click
from fibrostage.plan.run_plan import Plan
from tests.conftest import CROPS, make_elastograms, write_rows


def test_a_click_is_three_squares_a_tenth_of_the_side_apart() -> None:
    squares = around_click((200, 150), 250, 640, 480)
    assert squares == [Square(75, 25, 250), Square(50, 25, 250), Square(100, 25, 250)]


@pytest.mark.parametrize(
    ("click", "width", "height", "squares"),
    [
        ((0, 0), 640, 480, [(0, 0)]),  # at the corner: left of it there is nothing, so two squares fall together
        ((639, 479), 640, 480, [(390, 230)]),
        ((130, 100), 640, 480, [(5, 0), (0, 0), (30, 0)]),
        ((150, 100), 250, 480, [(0, 0)]),  # no room sideways
        ((100, 100), 200, 300, [(-25, 0)]),  # a picture narrower than the crop is centred in black
    ],
)
def test_squares_are_shifted_inwards_and_kept_once(
    click: tuple[int, int], width: int, height: int, squares: list[tuple[int, int]]
) -> None:
    found = around_click(click, 250, width, height)
    expected = [Square(x, y, 250) for x, y in squares]
    assert found[0] == expected[0]
    assert found[: len(expected)] == expected


@given(st.integers(1, 700), st.integers(1, 700), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_every_square_of_a_large_picture_lies_inside_and_holds_the_click(
    width: int, height: int, x: float, y: float
) -> None:
    click = int(x * width), int(y * height)
    squares = around_click(click, 250, width, height)
    assert 1 <= len(squares) == len(set(squares)) <= 3
    for square in squares:
        if width >= 250:
            assert 0 <= square.x <= width - 250
        if height >= 250:
            assert 0 <= square.y <= height - 250
        assert square.x <= click[0] < square.x + 250
        assert square.y <= click[1] < square.y + 250


def test_crops_are_native_pixels_and_the_box_is_known_in_each(crops: Cohort) -> None:
    table = crops.images_of("LSTE")
    assert len(table) == 3 * 30
    assert table["crop"].to_list()[:3] == [0, 1, 2]
    assert table["image_id"].n_unique() == len(table)
    assert table["source"].n_unique() == 30
    lefts = (25, 0, 50)  # of crops around (150, 130) in a picture of 300×260
    boxes = table.select("box_x", "box_y", "box_w", "box_h").rows()[:3]
    assert boxes == [(90 - left, 75, 120, 100) for left in lefts]
    with Image.open(crops.path.parent / "source" / "pictures" / "E000_0.png") as source:
        native = np.asarray(source)
    pixels = crops.pixels("LSTE")
    for row, left in enumerate(lefts):
        assert np.array_equal(pixels[row], native[5:255, left : left + 250])


def test_without_a_click_the_regions_centre_is_taken(crops: Cohort, tmp_path: Path) -> None:
    made = make_elastograms(tmp_path / "source", 6)
    rows = [line.split(",")[:7] for line in made.images.read_text().splitlines()]
    write_rows(made.images, rows[0], rows[1:])
    found = take_in(made, tmp_path / "cohort", Plan.parse(CROPS))
    assert np.array_equal(found.pixels("LSTE")[:9], crops.pixels("LSTE")[:9])  # the box's centre is the click


@pytest.mark.parametrize(
    ("columns", "cells", "message"),
    [
        (["click_x", "click_y"], ["", ""], "has neither click_x and click_y nor a region"),
        (["click_x", "click_y"], ["300", "10"], r"the click \(300, 10\) lies outside the 300×260 picture"),
        (["click_x", "click_y"], ["10", ""], "the click has click_x alone; give click_x and click_y"),
        (["click_x", "click_y"], ["-4", "10"], "click_x = '-4' is not a whole number from 0"),
    ],
)
def test_what_is_no_click(columns: list[str], cells: list[str], message: str, tmp_path: Path) -> None:
    made = make_elastograms(tmp_path / "source", 5)
    rows = [[f"pictures/E{k:03d}_0.png", f"E{k:03d}", "LSTE", *cells] for k in range(5)]
    images = write_rows(tmp_path / "i.csv", ["file", "patient_id", "modality", *columns], rows)
    with pytest.raises(IntakeError, match=message):
        take_in(Sources(made.folder, made.patients, images), tmp_path / "cohort", Plan.parse(CROPS))
    assert not (tmp_path / "cohort").exists()


def test_an_excluded_patient_is_no_problem_and_is_counted(crops: Cohort) -> None:
    assert len(crops.patients) == 20
    assert "excluded" not in crops.patients.columns
    flow = flow_of(crops)
    assert flow.as_dict() == {
        "enrolled": 22,
        "excluded": {"antiviral treatment": 2},
        "studied": 20,
        "unlabelled": 0,
        "pictures": 30,
        "pictures_left_out": 0,
    }


def test_what_is_no_patient_left_out_is_not_counted_as_one(tmp_path: Path) -> None:
    """A value nobody can believe leaves its patient in; a mistyped patient in the images is nobody who came."""
    made = make_elastograms(tmp_path / "source", 6)
    made.patients.write_text(made.patients.read_text().replace(",30,30,200,", ",30,-4,200,", 1))
    made.images.write_text(made.images.read_text().replace("E001_1.png,E001,", "E001_1.png,E01,"))
    found = take_in(made, tmp_path / "cohort", Plan.parse(CROPS), skip_bad=True)
    assert found.exclusions["kind"].to_list() == ["patient", "patient", "value", "picture"]
    flow = flow_of(found)
    assert (flow.enrolled, flow.studied, flow.pictures_left_out) == (8, 6, 1)


@pytest.mark.parametrize("word", ["0", "no", "TRUE"])
def test_a_word_that_may_mean_anything_excludes_nobody(word: str, tmp_path: Path) -> None:
    made = make_elastograms(tmp_path / "source", 6)
    made.patients.write_text(made.patients.read_text().replace("antiviral treatment", word))
    with pytest.raises(IntakeError, match=f"excluded = '{word}' is no reason"):
        take_in(made, tmp_path / "cohort", Plan.parse(CROPS))


def test_a_plan_that_learns_a_cut_takes_in_the_stages(tmp_path: Path) -> None:
    plan = Plan.parse({**CROPS, "staging": {"task": "F3"}})
    assert take_in(make_elastograms(tmp_path / "source", 6), tmp_path / "cohort", plan).staging.classes[4] == "F4"


def test_a_click_is_of_modalities_that_are_clicked(tmp_path: Path) -> None:
    made = make_elastograms(tmp_path / "source", 5)
    again = made.images.read_text().splitlines()[1].replace(",150,130", ",10,10")
    made.images.write_text(made.images.read_text() + again + "\n")
    squares = {"modality": [{"name": "LSTE", "kind": "elastogram"}]}
    with pytest.raises(IntakeError, match="repeats row 2"):
        take_in(made, tmp_path / "squares", Plan.parse(squares))
    assert len(take_in(made, tmp_path / "crops", Plan.parse(CROPS)).images) > 0


def test_many_reasons_are_told_together(tmp_path: Path) -> None:
    made = make_elastograms(tmp_path / "source", 12)
    lines = made.patients.read_text().splitlines()
    told = [line if k < 5 else line.rstrip() + ("" if k >= 13 else f"reason {k}") for k, line in enumerate(lines)]
    made.patients.write_text("\n".join(told) + "\n")
    flow = flow_of(take_in(made, tmp_path / "cohort", Plan.parse(CROPS)))
    assert flow.studied == 4
    assert flow.enrolled == 14
    assert sum(flow.excluded.values()) == 10
    assert flow.excluded["antiviral treatment"] == 2
    assert flow.excluded[OTHER] == 1
