"""A box that a reader draws anew: out of the loop, into the next intake of the same files, and back in their place."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.cohort.tables import BOX, CROP
from fibrostage.ground.errors import CohortError, IntakeError
from fibrostage.ground.geometry import Rectangle, iou
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.privacy import VARIABLE
from fibrostage.loop.answers import Answer, take
from fibrostage.loop.joining import add
from fibrostage.loop.opened import Loop, begin, open_loop, over_added, recorded
from fibrostage.loop.questions import next_question
from fibrostage.loop.readings_table import in_source, write_boxes
from tests.intake.hospital import PLAN, put, table
from tests.loop import SMALL

ASKS = (*SMALL, "active.initial=4", "active.query=4", "loop.audit=0", 'network.modalities=["SWE"]')
DRAWN = (20, 25, 61, 40)  # in the 96 stored pixels of a side


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight patients with a map each, and the key their ids are hashed with."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "key"))
    for number in range(8):
        put(tmp_path / "source", f"{number}.dcm", f"P{number}", number, 5.0 + 2 * number)
    table(tmp_path / "source", [[f"P{number}", ""] for number in range(8)])
    return tmp_path / "source"


def taken_in(source: Path, name: str, boxes: Path | None = None, skip_bad: bool = False) -> Cohort:
    sources = Sources(source, source / "patients.csv", boxes=boxes)
    return take_in(sources, source.parent / name, PLAN, skip_bad, choices=Choices(workers=1))


def drawn(loop: Loop, target: Path) -> dict[str, str]:
    """A reader draws a box on the first exam that is asked for; the row of the picture as the loop exports it."""
    asked, _ = next_question(loop)
    cohort = loop.setting.cohort
    row = cohort.images_of("SWE").filter(pl.col("patient_id") == asked.items[0].patient_id).row(0, named=True)
    answer = Answer("F2", patient_id=asked.items[0].patient_id)
    take(loop, [answer], "Dr A", {"boxes": {row["sha256"]: list(DRAWN)}})
    assert write_boxes(loop, loop.campaign.setting.run.path, target) == 1
    (written,) = csv.DictReader(target.open())
    assert (written["image_id"], written["modality"], written["reader"]) == (row["image_id"], "SWE", "Dr A")
    return written


def test_a_cohort_says_where_each_picture_was_cut(source: Path) -> None:
    from fibrostage.intake.read.media import open_medium

    cohort = taken_in(source, "cohort")
    pixels = cohort.pixels("SWE")
    screens = [frame for path in source.glob("*.dcm") for _, _, frame in open_medium(path, ("US",)).frames()]
    compared = 0
    for row, own in enumerate(cohort.images_of("SWE").iter_rows(named=True)):
        x, y, w, h = (own[column] for column in CROP)
        cuts = [screen[y : y + h, x : x + w] for screen in screens]
        assert w == h >= 96
        if (w, h) == (96, 96):  # nothing was scaled: the stored pixels are the source's own, where a box lies
            left, top, across, down = (own[column] for column in BOX)
            inside = np.s_[top : top + down, left : left + across]
            assert any(np.array_equal(cut[inside], pixels[row][inside]) for cut in cuts if cut.shape == (96, 96, 3))
            compared += 1
    assert compared >= 3


def test_the_colour_bar_comes_along(source: Path) -> None:
    from fibrostage.phantom.screen import colours

    own = taken_in(source, "cohort").images_of("SWE").row(0, named=True)
    assert (own["bar_top"], own["bar_unit"]) == (40.0, "kPa")
    bar = np.frombuffer(bytes.fromhex(own["bar_colours"]), dtype=np.uint8).reshape(32, 3).astype(int)
    even = colours()[np.linspace(0, 255, 32).astype(int)].astype(int)
    assert np.abs(bar - even).max() <= 12, "from the bottom to the top"


def test_a_box_drawn_anew_is_what_the_next_intake_cuts_around(source: Path, tmp_path: Path) -> None:
    cohort, boxes = taken_in(source, "cohort"), tmp_path / "boxes.csv"
    with begin(cohort.path, tmp_path / "loop", {}, ASKS) as loop:
        written = drawn(loop, boxes)
        asked = [item.patient_id for item in next_question(loop)[0].items]
        rows = loop.setting.cohort.images_of("SWE")
    roi = Rectangle(*(int(written[name]) for name in ("roi_x", "roi_y", "roi_w", "roi_h")))
    again = taken_in(source, "again", boxes)
    was = cohort.images.filter(pl.col("source") == written["source"]).row(0, named=True)
    now = again.images.filter(pl.col("source") == written["source"]).row(0, named=True)
    assert (now["crop_w"], now["crop_h"]) == (96, 96)
    x, y, w, h = (now[column] for column in BOX)
    inside = Rectangle(now["crop_x"] + x, now["crop_y"] + y, w, h)
    assert inside == roi, "the box of the next cut is the one that was drawn"
    scale = was["crop_w"] / 96
    left, top = was["crop_x"] + DRAWN[0] * scale, was["crop_y"] + DRAWN[1] * scale
    asked_for = Rectangle(round(left), round(top), round(DRAWN[2] * scale), round(DRAWN[3] * scale))
    assert iou(inside, asked_for) > 0.95
    others = pl.col("source") != written["source"]
    assert again.images.filter(others)["sha256"].to_list() == cohort.images.filter(others)["sha256"].to_list()

    beside = add(tmp_path / "loop", again.path) if now["sha256"] == was["sha256"] else None
    assert beside is None, "the picture is cut otherwise"
    joined = add(tmp_path / "loop", again.path, recut=True)
    assert (joined.patients, joined.pictures, joined.again, joined.replaced) == (0, 1, 7, 1)
    with open_loop(tmp_path / "loop") as loop:
        table = loop.setting.cohort.images_of("SWE")
        assert len(table) == len(rows)
        assert now["sha256"] in table["sha256"].to_list()
        assert was["sha256"] not in table["sha256"].to_list()
        row = table["sha256"].to_list().index(now["sha256"])
        place = again.images_of("SWE")["sha256"].to_list().index(now["sha256"])
        assert np.array_equal(loop.setting.cohort.pixels("SWE")[row], again.pixels("SWE")[place])
        assert [item.patient_id for item in next_question(loop)[0].items] == asked, "the queue in hand stays"
        fingerprint = loop.setting.cohort.fingerprint
    run, payload, added, plan = recorded(tmp_path / "loop", None)
    _, beside, _ = over_added(tmp_path / "loop", added, plan, payload, run)
    assert beside.cohort.fingerprint == fingerprint, "a model that is fitted beside the page sees the new cuts too"


def test_other_cuts_are_told_and_only_replace_when_asked(source: Path, tmp_path: Path) -> None:
    cohort, boxes = taken_in(source, "cohort"), tmp_path / "boxes.csv"
    with begin(cohort.path, tmp_path / "loop", {}, ASKS) as loop:
        drawn(loop, boxes)
    again = taken_in(source, "again", boxes)
    with pytest.raises(CohortError, match="no picture of .* is cut anew"):
        add(tmp_path / "loop", cohort.path, recut=True)
    joined = add(tmp_path / "loop", again.path)
    assert (joined.pictures, joined.replaced, joined.other_cuts) == (1, 0, 1)
    with open_loop(tmp_path / "loop") as loop:
        assert len(loop.setting.cohort.images_of("SWE")) == 9
    assert add(tmp_path / "loop", again.path, recut=True).replaced == 1, "it is never too late"
    add(tmp_path / "loop", again.path)  # it lies elsewhere now, which undoes nothing
    with open_loop(tmp_path / "loop") as loop:
        assert len(loop.setting.cohort.images_of("SWE")) == 8


def test_bad_boxes_are_named_and_stop_the_intake(source: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.csv"
    cohort = taken_in(source, "cohort")
    name = cohort.images["source"][0]
    head = "source,modality,frame,crop,roi_x,roi_y,roi_w,roi_h\n"
    for row, message in (
        (f"{name},SWE,,,,,,", "row 2: has no roi_x, roi_y, roi_w, roi_h"),
        (f"{name},SWE,,,1,1,0,5", "row 2: the region 0×5 is empty"),
        (f"{name},SWE,,,a,1,5,5", "roi_x = 'a' is not a whole number"),
        (f"{name},SWE,3,,1,1,50,50", f"no picture is SWE of the source '{name}', frame 3"),
        ("elsewhere,SWE,,,1,1,50,50", "no picture is SWE of the source 'elsewhere'"),
        (f"{name},SWE,,,300,200,50,50", "the region 50×50 at (300, 200) leaves the 320×240 picture"),
    ):
        boxes.write_text(head + row + "\n")
        with pytest.raises(IntakeError) as error:
            taken_in(source, "bad", boxes)
        assert message in str(error.value)
        assert not (tmp_path / "bad").exists()
    boxes.write_text(head + "elsewhere,SWE,,,1,1,50,50\n")
    assert len(taken_in(source, "skipped", boxes, skip_bad=True).images) == 8
    boxes.write_text("source,modality\n")
    with pytest.raises(IntakeError, match="frame"):
        taken_in(source, "headless", boxes)


def test_a_box_is_told_in_pixels_of_its_source_where_they_are_known() -> None:
    picture = {"crop_x": 10, "crop_y": -20, "crop_w": 200, "crop_h": 200, "source_width": 150, "source_height": 400}
    assert in_source(picture, (10, 20, 30, 40), 100) == (30, 20, 60, 80)
    assert in_source(picture, (60, 0, 40, 20), 100) == (130, 0, 20, 20), "only as far as it lies in the source"
    nowhere = (None, None, None, None)
    assert in_source(picture, (80, 0, 20, 20), 100) == nowhere, "beside the source, where all is black"
    older = {"source_width": 150, "source_height": 400}
    assert in_source(older, (10, 20, 30, 40), 100) == nowhere, "a cohort of before"
