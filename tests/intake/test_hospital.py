"""Intake on real ultrasound files, whose colours somebody else decoded, and on small hospitals made in the test.

The real files come with pydicom, pydicom-data and deid-data; tests that need the last two are skipped without them.
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.pixels import set_pixel_data

from fibrostage.cohort.splits import GROUP, make_folds
from fibrostage.cohort.store import Cohort, verify_pixels
from fibrostage.dicom.header import Dicom
from fibrostage.dicom.sr_write import Measurement, write_measurements
from fibrostage.ground.errors import IntakeError, PlanError
from fibrostage.intake.build.take_in import Choices, Sources, look_at, take_in
from fibrostage.intake.find.tissue import find_tissue
from fibrostage.intake.privacy import VARIABLE
from fibrostage.intake.read.media import open_medium
from fibrostage.intake.read.raster import UnreadableImageError
from fibrostage.phantom.dicom_files import COLOUR_BAR, COLOUR_FLOW, TISSUE, Region, Stored, write_dicom
from fibrostage.phantom.screen import colours
from fibrostage.plan.run_plan import Plan, SplitPlan
from tests.conftest import write_rows

ANY = ("US", "OT", "CR", "")
PUBLISHED = np.array(  # the stripes of SC_rgb*, from above: red, green, blue, each with its light, and black to white
    [
        (255, 0, 0), (255, 128, 128), (0, 255, 0), (128, 255, 128), (0, 0, 255), (128, 128, 255),
        (0, 0, 0), (64, 64, 64), (192, 192, 192), (255, 255, 255),
    ]
)  # fmt: skip
PANEL = Region(TISSUE, 40, 40, 240, 180, 0.4)
BAR = Region(COLOUR_BAR, 292, 60, 14, 140)
HEADER: dict[str, Any] = {
    "patient_name": "INVENTED^Person", "birth_date": "19600101", "study_date": "20210317",
    "manufacturer": "Invented Sonics", "model": "Convex 4",
}  # fmt: skip
MODALITIES = [
    {"name": "SWE", "kind": "elastogram", "size": 96, "marker": "swe"},
    {"name": "B", "kind": "bmode", "size": 64},
]
RULES = [{"modality": "SWE", "series": "^elasto"}, {"modality": "B", "series": "^abdomen"}]
BASE: dict[str, Any] = {"modality": MODALITIES, "rule": RULES, "stiffness": [{"scale": 40.0}]}
PLAN = Plan.parse(BASE)


@pytest.fixture(autouse=True)
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "key"
    path.write_text("5a" * 32)
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def real(name: str) -> Path:
    """A file of pydicom's, of pydicom-data's or of deid-data's."""
    folders = [Path(pydicom.__file__).parent / "data" / "test_files"]
    for package, inside in (("data_store", "data"), ("deid_data", "data/ultrasounds")):
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:
            folders.append(Path(found.origin).parent / inside)
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        pytest.skip(f"{name} is not at hand: pip install pydicom-data deid-data")
    return path


def opened(path: Path) -> Dicom:
    medium = open_medium(path, ANY)
    assert isinstance(medium, Dicom)
    return medium


def frame(path: Path, index: int = 0) -> NDArray[np.uint8]:
    ((found, _, pixels),) = opened(path).frames([index])
    assert found == index
    return pixels


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


@pytest.mark.parametrize(
    ("name", "photometric", "off"),
    [
        ("SC_rgb.dcm", "RGB", 0),
        ("SC_rgb_16bit.dcm", "RGB", 0),
        ("SC_rgb_expb.dcm", "RGB", 0),  # big-endian
        ("SC_rgb_expb_16bit.dcm", "RGB", 0),
        ("SC_rgb_rle.dcm", "RGB", 0),
        ("SC_rgb_rle_16bit.dcm", "RGB", 0),
        ("SC_rgb_jpeg_gdcm.dcm", "RGB", 0),  # lossless
        ("SC_rgb_gdcm_KY.dcm", "RGB", 0),  # JPEG 2000
        ("SC_rgb_dcmtk_+eb+cr.dcm", "RGB", 0),  # JPEG of RGB
        ("SC_rgb_jls_lossy_line.dcm", "RGB", 2),
        ("SC_rgb_jpeg_dcmtk.dcm", "YBR_FULL", 5),
        ("SC_rgb_jpeg_lossy_gdcm.dcm", "YBR_FULL", 1),
        ("SC_rgb_dcmtk_+eb+cy+n1.dcm", "YBR_FULL", 5),
        ("SC_rgb_dcmtk_+eb+cy+n2.dcm", "YBR_FULL", 5),
        ("SC_rgb_dcmtk_+eb+cy+s4.dcm", "YBR_FULL", 5),
        ("SC_ybr_full_uncompressed.dcm", "YBR_FULL", 5),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", "YBR_FULL_422", 5),
        ("SC_rgb_dcmtk_+eb+cy+s2.dcm", "YBR_FULL_422", 5),
        ("SC_ybr_full_422_uncompressed.dcm", "YBR_FULL_422", 5),
    ],
)
def test_published_colours(name: str, photometric: str, off: int) -> None:
    """Ten stripes, each read in its middle; the greys that a lossy coder left are 5 off at most."""
    path = real(name)
    medium = opened(path)
    assert medium.header.photometric == photometric
    pixels = frame(path)
    assert pixels.shape == (100, 100, 3)
    for column in (0, 50, 99):
        assert np.abs(pixels[5::10, column].astype(int) - PUBLISHED).max() <= off


@pytest.mark.parametrize(
    ("name", "same", "index"),
    [
        ("US1_J2KR.dcm", "US1_UNCR.dcm", 0),  # YBR_RCT
        ("examples_jpeg2k.dcm", "US1_UNCR.dcm", 0),
        ("US1_J2KI.dcm", "US1_UNCI.dcm", 0),  # YBR_ICT
        ("RG1_J2KR.dcm", "RG1_UNCR.dcm", 0),  # MONOCHROME1, 16 bits
        ("OBXXXX1A_rle.dcm", "OBXXXX1A.dcm", 0),  # PALETTE COLOR
        ("OBXXXX1A_expb.dcm", "OBXXXX1A.dcm", 0),
        ("OBXXXX1A_expb_2frame.dcm", "OBXXXX1A.dcm", 0),
        ("OBXXXX1A_rle_2frame.dcm", "OBXXXX1A_2frame.dcm", 1),
        ("gdcm-US-ALOKA-16_big.dcm", "gdcm-US-ALOKA-16.dcm", 0),  # a palette in segments
        ("SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd.dcm", 0),
    ],
)
def test_the_same_picture_in_another_coding(name: str, same: str, index: int) -> None:
    assert difference(frame(real(name), index), frame(real(same), index)) == 0


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    """Entries of 16 bits, of 8, and of 8 in fields of 16, against the tables themselves."""
    data = pydicom.dcmread(real("OBXXXX1A.dcm"))
    names = [f"{channel}PaletteColorLookupTableData" for channel in ("Red", "Green", "Blue")]
    tables = np.stack([np.frombuffer(data[name].value, "<u2") for name in names], axis=1)
    index = np.frombuffer(data.PixelData, np.uint8)[: data.Rows * data.Columns].reshape(data.Rows, data.Columns)
    truth = (tables >> 8).astype(np.uint8)[index]
    assert truth.max() == 255
    assert difference(frame(real("OBXXXX1A.dcm")), truth) == 0
    for bits in (8, 16):
        for channel, name in enumerate(names):
            data[name.replace("Data", "Descriptor")].value = [256, 0, bits]
            data[name].value = (tables[:, channel] >> 8).astype("u1" if bits == 8 else "<u2").tobytes()
        data.save_as(tmp_path / f"{bits}.dcm")
        assert difference(frame(tmp_path / f"{bits}.dcm"), truth) == 0


def test_a_dark_frame_of_a_palette_stays_dark(tmp_path: Path) -> None:
    data = pydicom.dcmread(real("OBXXXX1A.dcm"))
    table = (np.arange(256) * 257).astype("<u2")
    table[1] = 200  # of 65535
    for channel in ("Red", "Green", "Blue"):
        data[f"{channel}PaletteColorLookupTableData"].value = table.tobytes()
    data.PixelData = np.resize(np.array([0, 1], np.uint8), data.Rows * data.Columns).tobytes()
    data.save_as(tmp_path / "dark.dcm")
    assert frame(tmp_path / "dark.dcm").max() == 0


@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "color3d_jpeg_baseline.dcm"])
def test_a_loop_of_jpegs_as_another_decoder_shows_it(name: str) -> None:
    data = pydicom.dcmread(real(name))
    streams = list(generate_frames(data.PixelData, number_of_frames=int(data.NumberOfFrames)))
    for index in (0, len(streams) - 1):
        truth = np.asarray(Image.open(io.BytesIO(streams[index])).convert("RGB"))
        pixels = frame(real(name), index)
        assert difference(pixels, truth) <= 8
        assert np.abs(pixels.astype(int) - truth).mean() < 0.5


def test_inverted_grey(tmp_path: Path) -> None:
    """MONOCHROME1 shows its largest value black; MONOCHROME2 is shown as it is."""
    stored = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        for bits, values in ((8, (stored // 16).astype(np.uint8)), (12, stored)):
            path = write_dicom(tmp_path / "a", np.zeros((64, 64), np.uint8), **minimal("7")) and tmp_path / "a"
            data = pydicom.dcmread(path)
            set_pixel_data(data, values, photometric, bits)
            data.save_as(path)
            truth = np.round(values / (2**bits - 1) * 255)
            pixels = frame(path).astype(float)
            assert np.abs(pixels - (255 - truth if photometric == "MONOCHROME1" else truth)).max() <= 0.5
    film = frame(real("RG1_UNCR.dcm"))
    data = pydicom.dcmread(real("RG1_UNCR.dcm"))
    raw = data.pixel_array.astype(float)
    assert np.corrcoef(film.ravel()[::97], raw.ravel()[::97])[0, 1] < -0.5


def test_pixels_that_nobody_can_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="has 32 bits a sample"):
        opened(real("SC_rgb_rle_32bit.dcm"))
    data = pydicom.dcmread(real("examples_ybr_color.dcm"))
    data.NumberOfFrames = 40
    data.save_as(tmp_path / "short.dcm")
    with pytest.raises(UnreadableImageError, match="says 40 frames and holds 30"):
        list(opened(tmp_path / "short.dcm").frames())


def test_regions_say_where_the_tissue_is_and_how_large() -> None:
    first, second, bar = opened(real("gdcm-US-ALOKA-16.dcm")).regions(0)
    assert (first.kind, second.kind, bar.kind) == ("tissue", "tissue", "grey bar")
    assert (first.x, first.y, first.width, first.height) == (32, 24, 304, 392)
    assert second.x == first.x + first.width
    assert first.spacing_mm == pytest.approx(0.383, abs=5e-4)
    assert bar.spacing_mm is None
    data = pydicom.dcmread(real("gdcm-US-ALOKA-16.dcm"), stop_before_pixels=True)
    assert first.spacing_mm == pytest.approx(10 * float(data.SequenceOfUltrasoundRegions[0].PhysicalDeltaX))


@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "examples_palette.dcm"])
def test_regions_written_for_another_size_are_none(name: str) -> None:
    assert "SequenceOfUltrasoundRegions" in pydicom.dcmread(real(name), stop_before_pixels=True)
    assert opened(real(name)).regions(0) == ()


SINGLE = ("OBXXXX1A", "OBXXXX1A_rle", "OBXXXX1A_expb")
REAL = (
    "examples_ybr_color", "examples_palette", "examples_jpeg2k", "ExplVR_BigEnd", "gdcm-US-ALOKA-16",
    "color3d_jpeg_baseline", *SINGLE, *(f"{name}_2frame" for name in SINGLE), "JPGLosslessP14SV1_1s_1f_8b",
    "RGB_IMAGE",
)  # fmt: skip
NOBODY = "does not say whose it is (no PatientID); name it in images.csv"
UNMASKED = "marks no regions and may have a name burned into its pixels: kept out"


def real_folder(folder: Path) -> Path:
    folder.mkdir()
    for name in REAL:
        shutil.copy(real(f"{name}.dcm"), folder)
    with zipfile.ZipFile(real("GREYSCALE_CINE.zip")) as archive:
        archive.extractall(folder)
    return folder


def real_plan(frames: int = 6) -> Plan:
    return Plan.parse(
        {"modality": [{"name": "B", "size": 224}], "rule": [{"modality": "B"}], "cine": {"frames": frames}}
    )


def names_in(link: Path) -> dict[str, str]:
    table = pl.read_csv(link, infer_schema=False)
    return dict(table.select("written", "given").iter_rows())


def test_every_real_file_is_taken_in_or_refused_for_a_reason(tmp_path: Path) -> None:
    """Two name nobody, and a pair of frames of which one is inverted is no loop of tissue."""
    source, link = Sources(real_folder(tmp_path / "real")), tmp_path / "link.csv"
    choices = Choices(skip_bad=True, accept_unmasked=True, workers=1, link=link)
    cohort = take_in(source, tmp_path / "cohort", real_plan(), choices=choices)
    names = names_in(link)
    keep_sheet(cohort)
    verify_pixels(cohort)
    taken = [(names[name].removesuffix(".dcm"), at) for name, at in cohort.images.select("source", "frame").iter_rows()]
    counts = {name: sum(each == name for each, _ in taken) for name, _ in taken}
    assert counts["gdcm-US-ALOKA-16"] == 2  # two pictures side by side
    assert counts["color3d_jpeg_baseline"] == 6
    assert len({at for name, at in taken if name == "examples_ybr_color"}) == 6
    for name in ("OBXXXX1A", "examples_palette", "examples_jpeg2k", "RGB_IMAGE"):
        assert counts[name] == 1
        assert (name, None) in taken
    assert all(at is not None for name, at in taken if name in ("color3d_jpeg_baseline", "examples_ybr_color"))
    reasons = {
        names[file].removesuffix(".dcm"): reason
        for file, reason in cohort.exclusions.select("file", "reason").iter_rows()
    }
    assert reasons.pop("ExplVR_BigEnd") == reasons.pop("JPGLosslessP14SV1_1s_1f_8b") == NOBODY
    for name in SINGLE:
        assert reasons.pop(f"{name}_2frame").startswith("none of its 2 frames can be used: 1 moving, 1 with the probe")
    for name in SINGLE[1:]:
        assert reasons.pop(name) == "has the same pixels as … of the same patient"
    assert set(reasons) <= {"GREYSCALE_CINE"}
    spacing = dict(zip([name for name, _ in taken], cohort.images["spacing_mm"], strict=True))
    assert spacing["OBXXXX1A"] == pytest.approx(0.262, abs=1e-3)
    assert spacing["examples_palette"] is None


@pytest.mark.parametrize("name", ["examples_jpeg2k", "examples_palette", "examples_ybr_color"])
def test_real_files_without_regions_are_kept_out_until_somebody_looked(tmp_path: Path, name: str) -> None:
    (tmp_path / "source").mkdir()
    shutil.copy(real(f"{name}.dcm"), tmp_path / "source")
    with pytest.raises(IntakeError, match=UNMASKED):
        take_in(Sources(tmp_path / "source"), tmp_path / "cohort", real_plan())


def keep_sheet(cohort: Cohort) -> None:
    """Copies the contact sheet to $SHEETS, where somebody wants to look at it."""
    wanted = os.environ.get("SHEETS")
    if wanted:
        shutil.copytree(cohort.path / "contact_sheet", wanted, dirs_exist_ok=True)


def test_a_recording_in_air_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(real("GREYSCALE_CINE.zip")) as archive:
        archive.extractall(tmp_path / "source")
    rows, _ = look_at(Sources(tmp_path / "source"), real_plan(), Choices(workers=1))
    assert "with the probe off the skin" in str(rows[0]["refused"])


def test_the_pixels_of_a_recording_in_air_are_shown_when_a_frame_is_asked_for(tmp_path: Path) -> None:
    with zipfile.ZipFile(real("GREYSCALE_CINE.zip")) as archive:
        archive.extractall(tmp_path / "source")
    people = write_rows(tmp_path / "p.csv", ["patient_id", "stage"], [["A", ""]])
    rows: list[list[object]] = [["GREYSCALE_CINE.dcm", "A", "B", 3], ["GREYSCALE_CINE.dcm", "A", "B", 26]]
    images = write_rows(tmp_path / "i.csv", ["file", "patient_id", "modality", "frame"], rows)
    cohort = take_in(Sources(tmp_path / "source", people, images), tmp_path / "cohort", real_plan())
    assert cohort.images["frame"].to_list() == [3, 26]
    assert cohort.images["source_width"].to_list() == [800, 800]
    with Image.open(cohort.path / "contact_sheet" / "sheet-001.png") as sheet:
        page = np.asarray(sheet)
    assert frame(tmp_path / "source" / "GREYSCALE_CINE.dcm")[:28].max() > 150  # a name, an id and a date of birth
    assert page[:6, :200].max() < 60
    assert page[8:150, :200].max() > 200


def test_files_that_name_nobody_are_taken_in_by_a_table(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    rows: list[list[object]] = []
    for name in ("ExplVR_BigEnd.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"):
        shutil.copy(real(name), tmp_path / "source")
        rows.append([name, name[:3], "B"])
    people = write_rows(tmp_path / "p.csv", ["patient_id", "stage"], [[row[1], "F1"] for row in rows])
    images = write_rows(tmp_path / "i.csv", ["file", "patient_id", "modality"], rows)
    source = Sources(tmp_path / "source", people, images)
    with pytest.raises(IntakeError, match=f"'ExplVR_BigEnd.dcm': {UNMASKED}"):
        take_in(source, tmp_path / "cohort", real_plan())
    cohort = take_in(source, tmp_path / "cohort", real_plan(), choices=Choices(accept_unmasked=True))
    assert sorted(cohort.images["source_width"]) == [80, 1024]


def minimal(patient_id: str) -> dict[str, Any]:
    return {**HEADER, "patient_id": patient_id, "series_description": "abdomen"}


def tissue(seed: int, height: int = 180, width: int = 240) -> NDArray[np.uint8]:
    """Grey [H, W] with detail of its own."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.uniform(40, 150, (height // 14, width // 14)).astype(np.float32))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(smooth + rng.normal(0, 8, (height, width)), 20, 180).astype(np.uint8)


def screen(seed: int, kpa: float | None = None) -> NDArray[np.uint8]:
    """A screen [240, 320, 3], with `kpa` with a box and a colour bar that goes to 40 kPa."""
    pixels = np.zeros((240, 320, 3), np.uint8)
    pixels[40:220, 40:280] = tissue(seed)[..., None]
    if kpa is None:
        return pixels
    rng = np.random.default_rng(seed)
    x, y, w, h = (int(rng.integers(*span)) for span in ((60, 150), (60, 120), (80, 110), (60, 90)))
    spread = Image.fromarray(rng.normal(kpa, 0.1 * kpa, (6, 7)).astype(np.float32))
    index = np.clip(np.asarray(spread.resize((w, h), Image.Resampling.BICUBIC)) / 40 * 255, 0, 255).astype(np.uint8)
    box = pixels[y : y + h, x : x + w]
    box[:] = (0.4 * box + 0.6 * colours()[index]).astype(np.uint8)
    box[:2] = box[-2:] = (250, 230, 0)
    box[:, :2] = box[:, -2:] = (250, 230, 0)
    pixels[60:200, 292:306] = colours()[np.linspace(255, 0, 140).astype(int)][:, None]
    return pixels


def put(folder: Path, name: str, patient: str, seed: int, kpa: float | None = None, **more: Any) -> Stored:
    """One screen, written."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {**minimal(patient), "regions": [PANEL], "number": seed}
    if kpa is not None:
        given |= {"series_description": "elasto", "regions": [PANEL, BAR]}
    pixels = more.pop("pixels", None)
    return write_dicom(folder / name, screen(seed, kpa) if pixels is None else pixels, **{**given, **more})


def table(folder: Path, rows: list[list[object]], *columns: str) -> Path:
    return write_rows(folder / "patients.csv", ["patient_id", "stage", *columns], rows)


def plan_with(**more: Any) -> Plan:
    return Plan.parse({**BASE, **more})


def test_a_dry_run_lists_every_file_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    stored = put(source, "a/elasto", "A1", 1, 12.0)
    put(source, "a/b.dcm", "A1", 2)
    put(source, "b/other.dcm", "A2", 3, series_description="heart")
    write_measurements(source / "a/report", [Measurement(stored, 7.5)], **{**minimal_report("A1")})
    Image.fromarray(tissue(4)).save(source / "still.png")
    (source / "words.bin").write_text("no picture")
    (source / "notes.txt").write_text("passed over")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere" / "key"))
    before = sorted(tmp_path.rglob("*"))
    rows, problems = look_at(Sources(source, table(source, [["A1", "F1"]])), PLAN, Choices(workers=1))
    assert sorted(tmp_path.rglob("*")) == sorted([*before, source / "patients.csv"])
    assert not len(problems)
    by_name = {row["file"]: row for row in rows}
    assert sorted(by_name) == ["a/b.dcm", "a/elasto", "a/report", "b/other.dcm", "still.png", "words.bin"]
    assert {name: row.get("taken_for") for name, row in by_name.items() if row.get("taken_for")} == {
        "a/b.dcm": "B", "a/elasto": "SWE", "a/report": "1 readings",
    }  # fmt: skip
    assert by_name["a/elasto"]["kpa"] == pytest.approx(12, rel=0.1)
    assert by_name["a/elasto"]["regions"] == "tissue, colour bar"
    assert by_name["b/other.dcm"]["refused"] == "no rule of the plan says what it is"
    assert by_name["still.png"]["refused"] == NOBODY
    assert by_name["words.bin"]["refused"].startswith("not a readable PNG")


def minimal_report(patient_id: str) -> dict[str, Any]:
    return {**HEADER, "patient_id": patient_id}


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        ([{"series": "^ELASTO$"}, {}], "10"),  # whatever the case
        ([{"series": "elasto", "view": "spleen"}, {}], "00"),  # all of a rule must fit
        ([{"view": "liver"}, {"series": "elasto"}], "11"),  # the first that fits wins
        ([{"device": "^Invented Sonics Convex"}, {}], "11"),
        ([{"device": "^Convex"}, {}], "00"),
        ([{"file": r"^e/.*\.img$"}, {}], "10"),
        ([{"colour": True}, {}], "10"),
        ([{"colour": False}, {}], "01"),
        ([{"regions": ["tissue", "colour bar"]}, {}], "10"),
        ([{"regions": ["colour"]}, {}], "00"),
        ([{"frames": "many"}, {"frames": "one"}], "00"),
    ],
)
def test_the_first_rule_that_fits_says_what_a_file_is(tmp_path: Path, rules: list[dict[str, Any]], taken: str) -> None:
    """`taken` says of an elastogram and a B-mode picture whether the first rule got them."""
    put(tmp_path / "source", "e/a.img", "A1", 1, 12.0)
    put(tmp_path / "source", "u/b.img", "A1", 2)
    modalities = [{"name": "SECOND", "size": 32}, {"name": "FIRST", "size": 32}]
    named = [{"modality": name, **rule} for name, rule in zip(("FIRST", "SECOND"), rules, strict=True)]
    plan = Plan.parse({"modality": modalities, "rule": named})
    rows, _ = look_at(Sources(tmp_path / "source"), plan, Choices(workers=1))
    assert "".join(str(int(row["taken_for"] == "FIRST")) for row in rows) == taken


def test_a_reports_stiffness_goes_before_the_csvs_and_the_csvs_before_the_colours(tmp_path: Path) -> None:
    source = tmp_path / "source"
    stored = [put(source, f"{k}.dcm", "A1", k, 10.0 + 6 * k) for k in range(3)]
    write_measurements(source / "sr.dcm", [Measurement(stored[0], 5.25)], **minimal_report("A1"))
    people = table(tmp_path, [["A1", "F1"]])
    rows: list[list[object]] = [["0.dcm", "A1", "SWE", 8.5], ["1.dcm", "A1", "SWE", 9.5], ["2.dcm", "A1", "SWE", ""]]
    images = write_rows(
        tmp_path / "i.csv", ["file", "patient_id", "modality", "kpa"], [*rows, ["sr.dcm", "A1", "SWE", ""]]
    )
    plan = plan_with(modality=[{**MODALITIES[0], "region": "find"}, MODALITIES[1]])
    cohort = take_in(Sources(source, people, images), tmp_path / "cohort", plan)
    assert cohort.images["kpa_from"].to_list() == ["sr", "csv", "colour"]
    assert cohort.images["kpa"].to_list()[:2] == [5.25, 9.5]
    assert cohort.images["kpa"][2] == pytest.approx(22, rel=0.1)
    assert cohort.images["kpa_mean"][0] == pytest.approx(10, rel=0.15)  # what the colours said stays beside


def test_readings_of_a_patient_without_a_picture_make_the_marker(tmp_path: Path) -> None:
    source, nothing = tmp_path / "source", Stored("", "", "", "")
    for patient, values in {"A1": [6.0, 7.0, 6.5], "A2": [6.0, 7.0]}.items():
        put(source, f"{patient}.dcm", patient, int(patient[1]))
        readings = [Measurement(nothing, value) for value in values]
        write_measurements(source / f"sr{patient}", readings, **minimal_report(patient))
    people = table(tmp_path, [["A1", "F1", "F1"], ["A2", "F2", "F2"]], "note")
    found = take_in(Sources(source, people), tmp_path / "cohort", PLAN).patients.sort("note")
    assert found["swe"].to_list() == [6.5, None]
    assert found["swe_n"].to_list() == [3, 2]


def test_the_marker_is_the_median_of_enough_readings_that_agree(tmp_path: Path) -> None:
    given = {"A1": [8.0, 9.0, 10.0], "A2": [8.0, 9.0], "A3": [5.0, 14.0, 24.0], "A4": [8.0, 9.0, 10.0], "A5": []}
    rows: list[list[object]] = []
    for number, (patient, values) in enumerate(given.items()):
        for k, value in enumerate(values):
            put(tmp_path / "source", f"{patient}{k}", patient, 10 * number + k, 12.0)
            rows.append([f"{patient}{k}", patient, "SWE", value])
    people = table(tmp_path, [[p, "F1", 33 if p in ("A4", "A5") else "", p] for p in given], "swe", "note")
    images = write_rows(tmp_path / "i.csv", ["file", "patient_id", "modality", "kpa"], rows)
    source = Sources(tmp_path / "source", people, images)
    found = take_in(source, tmp_path / "cohort", PLAN).patients.sort("note")
    assert found["swe"].to_list() == [9.0, None, None, 33.0, 33.0]
    assert found["swe_n"].to_list() == [3, 2, 3, 3, None]
    assert found["swe_iqr"].to_list()[:3] == pytest.approx([1 / 9, 0.5 / 8.5, 9.5 / 14])
    loose = plan_with(reliability={"pictures": 2, "iqr": 0.7})
    assert take_in(source, tmp_path / "loose", loose).patients.sort("note")["swe"].to_list()[:3] == [9.0, 8.5, 14.0]


@pytest.mark.parametrize("many", ["crops", "frames"])
def test_one_reading_is_not_three(tmp_path: Path, many: str) -> None:
    """A marker needs three acquisitions; three crops around one click, or frames with one reading, are one."""
    source = tmp_path / "source"
    swe: dict[str, Any] = {**MODALITIES[0], "region": "find"}
    if many == "crops":
        swe |= {"fit": "click", "size": 48}
        stored = put(source, "a.dcm", "A1", 1, 12.0)
    else:
        moved = [np.roll(screen(1, 12.0), 5 * k, axis=1).astype(int) for k in range(4)]
        frames = [np.clip(each + k, 0, 255).astype(np.uint8) for k, each in enumerate(moved)]
        stored = put(source, "a.dcm", "A1", 1, 12.0, pixels=frames)
    write_measurements(source / "sr", [Measurement(stored, 7.5)], **minimal_report("A1"))
    plan = plan_with(modality=[swe, MODALITIES[1]], cine={"still": 1.0, "distinct": 0.0})
    cohort = take_in(Sources(source, table(tmp_path, [["A1", "F1"]])), tmp_path / "cohort", plan)
    assert len(cohort.images) >= 3
    assert cohort.patients["swe_n"].to_list() == [1]
    assert cohort.patients["swe"].to_list() == [None]


def copied(folder: Path, pairs: int = 1, exact: bool = False) -> Path:
    """Six patients with two pictures each; the first pictures of A0 lie under A1's name too, saved as JPEG."""
    for number in range(6):
        for k in range(2):
            put(folder, f"A{number}/{k}.dcm", f"A{number}", 10 * number + k)
    for k in range(pairs):
        syntax = "explicit" if exact else "jpeg"
        put(folder, f"A1/copy{k}.dcm", "A1", k, syntax=syntax, number=99 - k)
    return folder


def six(folder: Path) -> Path:
    """Their stages, and a fold that parts A0 from A1."""
    return table(folder, [[f"A{k}", f"F{k // 2}", k % 2, k // 2] for k in range(6)], "fold", "centre")


def test_a_copy_under_another_id_is_an_error_that_names_both(tmp_path: Path) -> None:
    source = Sources(copied(tmp_path / "source"), six(tmp_path))
    with pytest.raises(IntakeError) as caught:
        take_in(source, tmp_path / "cohort", PLAN)
    text = str(caught.value)
    assert text.startswith("1 problem")
    assert "'A1'" in text
    assert "'A0'" in text
    assert "A1/copy0.dcm" in text
    assert "A0/0.dcm" in text
    assert "--allow-duplicates" in text
    assert "--group-near-duplicates" in text
    assert not (tmp_path / "cohort").exists()
    cohort = take_in(source, tmp_path / "cohort", PLAN, choices=Choices(allow_duplicates=True))
    assert len(cohort.images) == 13
    assert any("1 pairs of nearly the same picture" in caveat for caveat in cohort.caveats)
    left = take_in(source, tmp_path / "left", PLAN, choices=Choices(skip_bad=True))
    assert len(left.images) == 12
    assert left.exclusions["reason"].str.contains("nearly the same").any()


def test_every_copy_that_is_left_out_is_recorded(tmp_path: Path) -> None:
    source = Sources(copied(tmp_path / "source", pairs=2), six(tmp_path))
    cohort = take_in(source, tmp_path / "cohort", PLAN, choices=Choices(skip_bad=True))
    assert len(cohort.images) == 12
    assert len(cohort.exclusions) == 2


def test_patients_who_share_pictures_lie_on_one_side_of_every_split(tmp_path: Path) -> None:
    source = Sources(copied(tmp_path / "source"), six(tmp_path))
    cohort = take_in(source, tmp_path / "cohort", PLAN, choices=Choices(group_near_duplicates=True))
    assert sorted(cohort.patients[GROUP].drop_nulls()) == ["G1", "G1"]
    assert len(cohort.images) == 13
    assert "2 patients share nearly the same pictures; splits keep them together" in cohort.caveats
    pair = set(np.flatnonzero(cohort.patients[GROUP].is_not_null().to_numpy()).tolist())
    usable = np.ones(6, dtype=bool)
    for seed in range(8):
        for scheme in ("holdout", "kfold"):
            for fold in make_folds(cohort, SplitPlan(scheme=scheme, test=0.34, folds=3), seed, usable):
                assert len(pair & set(fold.test.tolist())) in (0, 2)
                assert sorted([*fold.train.tolist(), *fold.test.tolist()]) == list(range(6))
    for fold in make_folds(cohort, SplitPlan(scheme="column", column="centre"), 0, usable):
        assert len(pair & set(fold.test.tolist())) in (0, 2)
    with pytest.raises(PlanError, match="parts patients who share pictures"):
        make_folds(cohort, SplitPlan(scheme="column", column="fold"), 0, usable)


def test_exact_copies_are_grouped_too(tmp_path: Path) -> None:
    source = Sources(copied(tmp_path / "source", exact=True), six(tmp_path))
    cohort = take_in(source, tmp_path / "cohort", PLAN, choices=Choices(group_near_duplicates=True))
    assert sorted(cohort.patients[GROUP].drop_nulls()) == ["G1", "G1"]


def loop_of(count: int) -> list[NDArray[np.uint8]]:
    """A sweep: tissue that moves on by two pixels a frame."""
    wide = tissue(5, 180, 240 + 2 * count)
    frames = [np.zeros((240, 320), np.uint8) for _ in range(count)]
    for k, each in enumerate(frames):
        each[40:220, 40:280] = wide[:, 2 * k : 2 * k + 240]
    return frames


def test_one_fan_is_one_picture_in_every_frame_of_a_loop() -> None:
    counts = [len(find_tissue(pixels)) for _, _, pixels in opened(real("examples_ybr_color.dcm")).frames()]
    assert set(counts) == {1}


def test_a_loop_gives_so_many_frames_at_most(tmp_path: Path) -> None:
    put(tmp_path / "source", "loop", "A1", 1, pixels=loop_of(40), syntax="jpeg")
    plan = plan_with(cine={"frames": 5, "still": 1.0})
    cohort = take_in(Sources(tmp_path / "source"), tmp_path / "cohort", plan)
    frames = cohort.images["frame"].to_list()
    assert len(frames) == 5
    assert [index // 8 for index in frames] == [0, 1, 2, 3, 4]
    assert cohort.images["source"].n_unique() == 1


def test_a_frame_column_asks_for_frames(tmp_path: Path) -> None:
    put(tmp_path / "source", "loop", "A1", 1, pixels=loop_of(40), syntax="jpeg")
    rows: list[list[object]] = [["loop", "A1", "B", 7], ["loop", "A1", "B", 8]]
    images = write_rows(tmp_path / "i.csv", ["file", "patient_id", "modality", "frame"], rows)
    source = Sources(tmp_path / "source", table(tmp_path, [["A1", "F1"]]), images)
    cohort = take_in(source, tmp_path / "cohort", PLAN)
    assert cohort.images["frame"].to_list() == [7, 8]
    truth = frame(tmp_path / "source" / "loop", 8)[40:220, 40:280]
    stored = np.asarray(cohort.pixels("B")[1, 8:56, :, 0], dtype=float)
    shrunk = np.asarray(Image.fromarray(truth).resize((64, 48), Image.Resampling.BILINEAR), dtype=float)
    assert np.abs(stored - shrunk).mean() < 1
    write_rows(images, ["file", "patient_id", "modality", "frame"], [*rows, ["loop", "A1", "B", 40]])
    with pytest.raises(IntakeError, match=r"frame 40 asked for, but the file holds 40 \(from 0\)"):
        take_in(source, tmp_path / "other", PLAN)


def test_what_a_scanner_marks_as_colour_is_kept_and_no_picture_of_its_own(tmp_path: Path) -> None:
    put(tmp_path / "source", "a", "A1", 1, 12.0, regions=[PANEL, Region(COLOUR_FLOW, 60, 60, 60, 60), BAR])
    cohort = take_in(Sources(tmp_path / "source"), tmp_path / "cohort", PLAN)
    assert cohort.images["kpa"].to_list() == pytest.approx([12], rel=0.15)
    assert len(cohort.images) == 1
