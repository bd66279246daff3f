"""Loops that are one video inside DICOM: taken in, blanked and staged as loops of single frames are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import look_at, take_in
from fibrostage.learn.predict_files import Exams, predict_files
from tests.dicom.videos import as_video
from tests.intake.build.test_hospital import loop_of
from tests.intake.hospital import plan_with, put
from tests.trained import TrainedHospital

LOOP = plan_with(cine={"frames": 5, "still": 1.0})
KINDS = ["101", "102", "107"]

pytestmark = pytest.mark.usefixtures("key")


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_gives_the_frames_that_single_frames_give(tmp_path: Path, kind: str) -> None:
    for folder in ("frames", "video"):
        put(tmp_path / folder, "loop", "A1", 1, pixels=loop_of(40))
    as_video(tmp_path / "video" / "loop", kind)
    plain, video = (
        take_in(Sources(tmp_path / name), tmp_path / f"{name}-cohort", LOOP) for name in ("frames", "video")
    )
    assert video.patient_ids == plain.patient_ids
    same = ["modality", "source", "source_format", "source_width", "spacing_mm", "device", "crop_x", "crop_w"]
    assert video.images.select(same).equals(plain.images.select(same))
    assert [index // 8 for index in video.images["frame"]] == [0, 1, 2, 3, 4]
    every = plan_with(cine={"frames": 40, "still": 1.0, "distinct": 0.0})
    whole = take_in(Sources(tmp_path / "frames"), tmp_path / "whole", every)
    place = {index: row for row, index in enumerate(whole.images["frame"])}
    part = slice(8, 56)  # between the bars that make it square
    for stored, index in zip(video.pixels("B")[:, part], video.images["frame"], strict=True):
        assert np.abs(stored.astype(float) - whole.pixels("B")[place[index], part]).mean() < 4


def test_what_lies_outside_the_regions_of_a_video_is_not_stored(tmp_path: Path) -> None:
    frames = loop_of(40)
    for each in frames:
        each[:38, :] = 250  # where the name stands
    put(tmp_path / "source", "loop", "A1", 1, pixels=frames)
    as_video(tmp_path / "source" / "loop")
    cohort = take_in(Sources(tmp_path / "source"), tmp_path / "cohort", LOOP)
    assert cohort.pixels("B")[:, 8:56].max() < 215
    marked = cohort.images.select("crop_x", "crop_y", "crop_w").row(0)
    assert marked == (40, 10, 240)


def test_a_video_without_regions_is_kept_out(tmp_path: Path) -> None:
    put(tmp_path / "source", "loop", "A1", 1, pixels=loop_of(40), regions=[])
    as_video(tmp_path / "source" / "loop")
    ((row,), _) = look_at(Sources(tmp_path / "source"), LOOP, Choices(workers=1))
    assert "may have a name burned into its pixels" in row["refused"]


def test_a_video_that_breaks_off_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    put(tmp_path / "source", "good", "A1", 1)
    for name, keep in (("cut", 0.5), ("loop", 1.0)):
        put(tmp_path / "source", name, "A2", 2, pixels=loop_of(40), series=3)
        as_video(tmp_path / "source" / name, "103", keep)
    rows, _ = look_at(Sources(tmp_path / "source"), LOOP, Choices(workers=1))
    assert {row["file"]: row["refused"] for row in rows if row["refused"]} == {
        "cut": "the video breaks off or is damaged; export it again"
    }
    cohort = take_in(Sources(tmp_path / "source"), tmp_path / "cohort", LOOP, skip_bad=True)
    assert len(cohort.images) == 6
    assert cohort.exclusions["reason"].to_list() == ["the video breaks off or is damaged; export it again"]


def test_an_exam_with_a_video_is_staged(hospital: TrainedHospital, tmp_path: Path) -> None:
    put(tmp_path / "today", "loop", "P1", 1, pixels=loop_of(40))
    as_video(tmp_path / "today" / "loop")
    found, _ = predict_files(hospital.run, Exams((tmp_path / "today",), key=hospital.key))
    assert found.refused == ()
    assert len(found.staged) == 1
