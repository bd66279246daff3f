"""Real DICOM folders become a cohort, or are refused for a reason."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fibrostage.cohort.store import Cohort, verify_pixels
from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import look_at, take_in
from fibrostage.plan.run_plan import Plan
from tests.conftest import write_rows
from tests.dicom.real_files import frame, real
from tests.intake.hospital import NOBODY

pytestmark = pytest.mark.usefixtures("key")


SINGLE = ("OBXXXX1A", "OBXXXX1A_rle", "OBXXXX1A_expb")
REAL = (
    "examples_ybr_color", "examples_palette", "examples_jpeg2k", "ExplVR_BigEnd", "gdcm-US-ALOKA-16",
    "color3d_jpeg_baseline", *SINGLE, *(f"{name}_2frame" for name in SINGLE), "JPGLosslessP14SV1_1s_1f_8b",
    "RGB_IMAGE",
)  # fmt: skip
UNMASKED = r"marks no regions( \(region .*\))? and may have a name burned into its pixels: kept out"


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
    assert counts["OBXXXX1A_2frame"] == 1  # one is inverted, so both move: the stiller is taken
    for name in (*SINGLE[1:], *(f"{name}_2frame" for name in SINGLE[1:])):
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
    cohort = take_in(
        Sources(tmp_path / "source", people, images),
        tmp_path / "cohort",
        real_plan(),
        choices=Choices(accept_unmasked=True),
    )
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
