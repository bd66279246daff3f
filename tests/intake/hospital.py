"""Small hospitals made in a test: screens with or without an elastogram, written as DICOM, and their plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage.dicom.sr_write import Stored
from fibrostage.phantom.dicom_files import COLOUR_BAR, TISSUE, DrawnRegion, write_dicom
from fibrostage.phantom.screen import colours
from fibrostage.plan.run_plan import Plan
from tests.conftest import write_rows

PANEL = DrawnRegion(TISSUE, 40, 40, 240, 180, 0.4)
BAR = DrawnRegion(COLOUR_BAR, 292, 60, 14, 140)
HEADER: dict[str, Any] = {
    "birth_date": "19600101", "study_date": "20210317",
    "manufacturer": "Invented Sonics", "model": "Convex 4",
}  # fmt: skip
MODALITIES = [
    {"name": "SWE", "kind": "elastogram", "size": 96, "marker": "swe"},
    {"name": "B", "kind": "bmode", "size": 64},
]
RULES = [{"modality": "SWE", "series": "^elasto"}, {"modality": "B", "series": "^abdomen"}]
BASE: dict[str, Any] = {"modality": MODALITIES, "rule": RULES, "stiffness": [{"scale": 40.0}]}
PLAN = Plan.parse(BASE)
NOBODY = "does not say whose it is (no PatientID); name it in images.csv"


def named(patient_id: str) -> str:
    """A name of their own for everybody, which their id is no part of."""
    return "INVENTED^" + "".join(chr(ord("a") + ord(sign) % 26) for sign in f"{patient_id}:")


def minimal(patient_id: str) -> dict[str, Any]:
    return {**HEADER, "patient_name": named(patient_id), "patient_id": patient_id, "series_description": "abdomen"}


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


def minimal_report(patient_id: str) -> dict[str, Any]:
    return {**HEADER, "patient_name": named(patient_id), "patient_id": patient_id}
