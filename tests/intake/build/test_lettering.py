"""Names burned into pixels are looked for in what is stored, whatever the kind of file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import look_at, take_in
from fibrostage.phantom.dicom_files import TISSUE, DrawnRegion
from tests.conftest import write_rows
from tests.intake.build.bad_files import edit
from tests.intake.hospital import PANEL, plan_with, put, screen


@pytest.mark.parametrize(
    ("at", "kind", "refused"),
    [
        ((40, 4), "regions", False),  # outside the scanner's region: blanked
        ((60, 22), "whole", True),  # in the heading of a region that is nearly the screen
        ((60, 190), "whole", False),  # below: a measurement, as far as anybody knows
        ((60, 190), "none", True),  # nobody says what is tissue
        ((60, 190), "listed png", True),
        ((60, 190), "listed png with a region", False),
    ],
)
def test_lettering_is_looked_for_in_what_is_stored(
    at: tuple[int, int], kind: str, refused: bool, tmp_path: Path
) -> None:
    pixels = screen(5)
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).text(at, "DOE^JANE 1980", fill=(250, 250, 250), font=ImageFont.load_default(14))
    written = np.asarray(image)
    source = tmp_path / "source"
    source.mkdir()
    given: dict[str, Any] = {"regions": [PANEL]}
    if kind == "whole":
        given = {"regions": [DrawnRegion(TISSUE, 0, 20, 320, 215, 0.4)]}
    if kind == "none":
        given = {"regions": [], "burned_in": "NO"}
    if kind.startswith("listed"):
        image.save(source / "a.png")
        roi = [40, 40, 200, 120] if "region" in kind else []
        columns = ["file", "patient_id", "modality", *(["roi_x", "roi_y", "roi_w", "roi_h"] if roi else [])]
        images = write_rows(tmp_path / "i.csv", columns, [["a.png", "P1", "B", *roi]])
        sources = Sources(source, write_rows(tmp_path / "p.csv", ["patient_id", "stage"], [["P1", "F1"]]), images)
    else:
        put(source, "a.dcm", "P1", 1, pixels=written, **given)
        edit(source / "a.dcm", DerivationDescription=None)  # as of a scanner, not of a simulation
        sources = Sources(source)
    plan = plan_with(modality=[{"name": "B", "kind": "bmode", "size": 64, "region": "given"}], rule=[{"modality": "B"}])
    choices = Choices(key=tmp_path / "keyed") if not kind.startswith("listed") else Choices()
    if refused:
        with pytest.raises(IntakeError, match="has lettering in what would be stored"):
            take_in(sources, tmp_path / "cohort", plan, choices=choices)
        choices = replace(choices, accept_unmasked=True)
    cohort = take_in(sources, tmp_path / "cohort", plan, choices=choices)
    assert len(cohort.images) == 1
    assert (cohort.path / "contact_sheet" / "sheet-001.png").is_file()


def test_the_plan_blanks_lettering_in_tissue_or_keeps_it_out(tmp_path: Path) -> None:
    image = Image.fromarray(screen(5))
    ImageDraw.Draw(image).text((60, 150), "DOE^JANE 1980", fill=(255, 255, 255), font=ImageFont.load_default(14))
    put(tmp_path / "source", "a.dcm", "P1", 1, pixels=np.asarray(image), regions=[PANEL])
    edit(tmp_path / "source" / "a.dcm", DerivationDescription=None)
    modality = [{"name": "B", "kind": "bmode", "size": 320, "region": "given"}]
    choices = Choices(key=tmp_path / "keyed")
    brightest = {}
    for rule in ("note", "mask"):
        plan = plan_with(modality=modality, rule=[{"modality": "B"}], privacy={"lettering": rule})
        (row,), _ = look_at(Sources(tmp_path / "source"), plan, choices)
        assert ("was blanked" in str(row["notes"])) == (rule == "mask")
        cohort = take_in(Sources(tmp_path / "source"), tmp_path / rule, plan, choices=choices)
        brightest[rule] = int(np.asarray(cohort.pixels("B")[0]).max())
    assert brightest["note"] > 240  # tissue is darker
    assert brightest["mask"] <= 200
    plan = plan_with(modality=modality, rule=[{"modality": "B"}], privacy={"lettering": "refuse"})
    with pytest.raises(IntakeError, match=r"has lettering in its tissue.*privacy\.lettering = \"refuse\""):
        take_in(Sources(tmp_path / "source"), tmp_path / "refused", plan, choices=choices)


def test_what_stands_outside_what_is_stored_is_noted(tmp_path: Path) -> None:
    image = Image.fromarray(screen(5))
    ImageDraw.Draw(image).text((4, 4), "DOE^JANE 1980", fill=(250, 250, 250), font=ImageFont.load_default(14))
    put(tmp_path / "source", "a.dcm", "P1", 1, pixels=np.asarray(image), regions=[], burned_in="NO")
    edit(tmp_path / "source" / "a.dcm", DerivationDescription=None)
    plan = plan_with(modality=[{"name": "B", "kind": "bmode", "size": 64}], rule=[{"modality": "B"}])
    ((row,), _) = look_at(Sources(tmp_path / "source"), plan, Choices(key=tmp_path / "keyed"))
    assert row["taken_for"] == "B"
    assert row["notes"] == "has lettering outside what is stored: look at the contact sheet"


def test_a_screen_that_was_kept_out_is_seen_and_not_read(tmp_path: Path) -> None:
    """Its tile is a mosaic: bright where the screen is, and nothing of a letter's size in it."""
    put(tmp_path / "source", "good.dcm", "P1", 1)
    put(tmp_path / "source", "out.dcm", "P1", 2, regions=[])
    choices = Choices(key=tmp_path / "keyed", skip_bad=True)
    cohort = take_in(Sources(tmp_path / "source"), tmp_path / "cohort", plan_with(), choices=choices)
    with Image.open(cohort.path / "contact_sheet" / "sheet-001.png") as sheet:
        tile = np.asarray(sheet.convert("L"))[20:170, 204:404].astype(int)
    assert tile.max() > 60
    blocks = tile[:144, :200].reshape(18, 8, 25, 8)
    assert np.abs(blocks - blocks.mean(axis=(1, 3), keepdims=True)).mean() < 4


def test_a_loop_says_once_what_every_frame_of_it_has(tmp_path: Path) -> None:
    frames = []
    for seed in range(3):
        image = Image.fromarray(screen(seed))
        ImageDraw.Draw(image).text((60, 190), "12.4 mm D1", fill=(250, 250, 250), font=ImageFont.load_default(14))
        frames.append(np.asarray(image))
    put(tmp_path / "source", "a.dcm", "P1", 1, pixels=frames)
    edit(tmp_path / "source" / "a.dcm", DerivationDescription=None)
    plan = plan_with(cine={"still": 1, "distinct": 0, "lit": 0})
    ((row,), _) = look_at(Sources(tmp_path / "source"), plan, Choices(key=tmp_path / "keyed"))
    assert row["taken_for"] == "B ×3"
    assert row["notes"] == "has lettering in its tissue: look at the contact sheet"
