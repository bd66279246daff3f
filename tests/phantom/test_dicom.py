"""The DICOM that the phantom writes reads back, carries its regions and is full of names to remove."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
from pydicom.pixels import apply_color_lut, pixel_array  # noqa: E402

from fibrostage.dicom.sr_write import Measurement, Stored  # noqa: E402
from fibrostage.ground.errors import PlanError  # noqa: E402
from fibrostage.phantom.bmode import Scan, bmode  # noqa: E402
from fibrostage.phantom.cine import loop  # noqa: E402
from fibrostage.phantom.dicom_exams import SCANNERS, SERIES  # noqa: E402
from fibrostage.phantom.dicom_files import COLOUR_BAR, PALETTED, SYNTAXES, TISSUE, DrawnRegion, write_dicom  # noqa: E402
from fibrostage.phantom.dicom_reports import write_measurements  # noqa: E402
from fibrostage.phantom.layouts import render  # noqa: E402
from fibrostage.phantom.recipe import Recipe  # noqa: E402
from fibrostage.phantom.vendors import LAYOUTS  # noqa: E402
from fibrostage.phantom.write import write_phantom  # noqa: E402

GREY = bmode(Scan(0.0, 0.0), np.random.default_rng(0))
SCREEN = render(LAYOUTS["convex-jet"], GREY, 9.0, 0.12, 0.9, "X", np.random.default_rng(0))
PATIENT = {"patient_name": "MÜLLER^René", "patient_id": "007", "birth_date": "19600229", "study_date": "20230405"}
MAKE = {"manufacturer": "Invented", "model": "One"}


def write(path: Path, frames: object, **options: object) -> Stored:
    return write_dicom(path, frames, series_description="Liver STE", **PATIENT, **MAKE, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pictures_read_back(tmp_path: Path, syntax: str) -> None:
    path, colour = tmp_path / "IM0001", SCREEN.pixels
    for given in (colour, colour[..., 0], [colour, colour[::-1]]):
        write(path, given, syntax=syntax)
        data = pydicom.dcmread(path)
        found = pixel_array(data) if syntax == "deflated" else pixel_array(path)  # pydicom finds no deflated pixels
        expected = np.asarray(given)
        assert found.shape == expected.shape
        if syntax == "jpeg":
            assert np.abs(found.astype(int) - expected).mean() < 3
            assert data.LossyImageCompression == "01"
        else:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("syntax", PALETTED)
def test_palettes_read_back_nearly(tmp_path: Path, syntax: str) -> None:
    path = tmp_path / "IM0001"
    write(path, SCREEN.pixels, syntax=syntax, palette=True)
    data = pydicom.dcmread(path)
    assert data.PhotometricInterpretation == "PALETTE COLOR"
    found = apply_color_lut(pixel_array(data), data) // 257
    assert np.abs(found.astype(int) - SCREEN.pixels).mean() < 2


def test_an_unknown_syntax_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="jpeg2000, got 'jpg'"):
        write(tmp_path / "x", SCREEN.pixels, syntax="jpg")
    with pytest.raises(ValueError, match="got 'jpeg'"):
        write(tmp_path / "x", SCREEN.pixels, syntax="jpeg", palette=True)


def test_regions_are_inclusive_and_in_centimetres(tmp_path: Path) -> None:
    panel = SCREEN.tissue[0]
    assert SCREEN.bar is not None
    regions = [DrawnRegion.at(TISSUE, panel, 0.4), DrawnRegion.at(COLOUR_BAR, SCREEN.bar)]
    write(
        tmp_path / "x",
        SCREEN.pixels,
        regions=regions,
    )
    tissue, bar = pydicom.dcmread(tmp_path / "x").SequenceOfUltrasoundRegions
    assert tissue.RegionLocationMaxX1 - tissue.RegionLocationMinX0 + 1 == panel.width
    assert tissue.RegionLocationMaxY1 - tissue.RegionLocationMinY0 + 1 == panel.height
    assert (tissue.PhysicalUnitsXDirection, tissue.PhysicalDeltaX) == (3, 0.04)
    assert (bar.RegionDataType, bar.PhysicalUnitsXDirection) == (0xE, 0)


def test_names_are_planted_and_simulation_is_said(tmp_path: Path) -> None:
    write(tmp_path / "x", SCREEN.pixels)
    data = pydicom.dcmread(tmp_path / "x")
    assert data.PatientComments == data.ImageComments == "SIMULATED"
    holders = [element.tag for element in data.iterall() if "MÜLLER" in str(element.value) and element.VR != "SQ"]
    assert len(holders) == 4  # the name, a nested description, two private elements
    assert any(tag.is_private for tag in holders)


def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    assert write(tmp_path / "a", SCREEN.pixels) == write(tmp_path / "b", SCREEN.pixels)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert write(tmp_path / "c", SCREEN.pixels, number=2).instance != write(tmp_path / "d", SCREEN.pixels).instance


def test_measurements_point_at_their_pictures(tmp_path: Path) -> None:
    image = write(tmp_path / "x", SCREEN.pixels)
    readings = [Measurement(image, 9.72, iqr_kpa=1.0), Measurement(image, 12.0, circle=(10, 20, 5), speed=False)]
    write_measurements(tmp_path / "sr", readings, **PATIENT, **MAKE)
    report = pydicom.dcmread(tmp_path / "sr")
    assert report.PatientID == "007"
    assert report.StudyInstanceUID == image.study
    numbers: list[tuple[str, float, str]] = []
    referred = set()
    for element in report.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            referred.add(str(element.value))
        for item in element.value if element.VR == "SQ" else ():
            if item.get("ValueType") == "NUM":
                measured = item.MeasuredValueSequence[0]
                unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
                numbers.append((item.ConceptNameCodeSequence[0].CodeValue, float(measured.NumericValue), unit))
    assert ("110830", 9.72, "kPa") in numbers
    assert ("130611", 1.8, "m/s") in numbers  # E = 3c²
    assert ("130615", 0.1029, "1") in numbers
    assert ("110830", 12.0, "kPa") in numbers
    assert referred == {image.instance}


def test_a_cine_loop_breathes_sweeps_and_leaves_the_skin() -> None:
    poses, frames = zip(*loop(GREY, np.random.default_rng(0)), strict=True)
    assert len(frames) >= 60
    assert {pose.state for pose in poses} == {"still", "fast", "off"}

    def likeness(state: str) -> float:
        pairs = [k for k, (a, b) in enumerate(pairwise(poses)) if a.state == b.state == state]
        return float(np.mean([np.corrcoef(frames[k][GREY > 0], frames[k + 1][GREY > 0])[0, 1] for k in pairs]))

    assert likeness("still") > likeness("fast") + 0.05
    level = {
        s: np.mean([f.mean() for p, f in zip(poses, frames, strict=True) if p.state == s]) for s in ("still", "off")
    }
    assert level["off"] < level["still"] / 3


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_cohort_of_dicom_files(tmp_path: Path) -> None:
    assert set(SCANNERS) == set(LAYOUTS)
    recipe = Recipe(10, 3, bad=0.2, missing=0.0, modalities=("LSTE", "LUS"), pictures=1, video=0.15, format="dicom")
    write_phantom(tmp_path / "p", recipe)
    source = tmp_path / "p"
    images, truth, people = (read(source / f"{name}.csv") for name in ("images", "truth_images", "patients"))
    assert set(images[0]) == {"file", "patient_id", "modality"}
    assert len({row["patient_id"] for row in people}) == 10
    assert {row["patient_id"] for row in truth} == {row["patient_id"] for row in people}
    frames = read(source / "truth_frames.csv")
    for row in truth:
        data = pydicom.dcmread(source / row["file"], stop_before_pixels=True)
        assert data.PatientID == row["patient_id"]
        assert data.SeriesDescription.startswith(SERIES[row["modality"]])
        for region in data.get("SequenceOfUltrasoundRegions", []):
            assert 0 <= region.RegionLocationMinX0 < region.RegionLocationMaxX1 < data.Columns
            assert 0 <= region.RegionLocationMinY0 < region.RegionLocationMaxY1 < data.Rows
        assert (row["box_x"] != "") == (row["modality"] == "LSTE")
        own = [frame for frame in frames if frame["file"] == row["file"]]
        assert len(own) == (data.NumberOfFrames if "NumberOfFrames" in data else 0)
    assert frames
    plan = (source / "plan.toml").read_text(encoding="utf-8")
    assert 'series = "^Liver STE"' in plan
    assert plan.count('region = "find"') == 2


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(PlanError, match="png or dicom"):
        Recipe(5, format="dicm")
