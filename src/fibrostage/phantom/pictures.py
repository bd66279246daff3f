"""One picture of each kind of a simulated patient, and what can be bad about it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from fibrostage.phantom.bmode import Scan, bmode
from fibrostage.phantom.screen import draw_box, elastogram, plain, point_measurement, stiffness_map
from fibrostage.phantom.sites import SITES

BAD = ("shadow", "motion", "unfilled", "wrong_organ")
KINDS = {"LSTE": "elastogram", "LUS": "bmode", "LSTQ": "bmode", "SSTE": "elastogram"}


def draw_bad(modality: str, share: float, rng: np.random.Generator) -> str | None:
    """Draws what is bad about a picture, one of BAD, or None; `share` of the pictures have something."""
    kinds = [kind for kind in BAD if kind != "unfilled" or KINDS[modality] == "elastogram"]
    return str(rng.choice(kinds)) if rng.random() < share else None


def scan_of(patient: dict[str, Any], bad: str | None, rng: np.random.Generator, texture: str = "underlay") -> Scan:
    """Returns the B-mode behind any picture of a patient; `texture` names the value that it shows, and a wrong organ is
    drawn without liver texture."""
    return Scan(
        remodelling=patient[texture] + 0.5 * rng.standard_normal(),
        steatosis=patient["steatosis"],
        organ="other" if bad == "wrong_organ" else "liver",
        shadow=bad == "shadow",
        motion=bad == "motion",
    )


def reading(stiffness: float, bad: str | None, rng: np.random.Generator) -> tuple[float, float]:
    """Returns what one elastogram of a patient measures in kPa, and the share of its box that the scanner fills."""
    kpa = stiffness * float(np.exp(0.10 * rng.standard_normal()))
    if bad in ("wrong_organ", "motion", "shadow"):  # the reading is of something else
        kpa = float(10 * np.exp(0.6 * rng.standard_normal()))
    fill = float(rng.uniform(0.05, 0.35)) if bad == "unfilled" else float(rng.uniform(0.82, 1.0))
    return kpa, fill


def elastogram_picture(
    patient: dict[str, Any], bad: str | None, rng: np.random.Generator, stiffness: str, cv: str
) -> tuple[Image.Image, float, Any]:
    """Draws an elastogram and returns it with its kPa and its box; `stiffness` and `cv` name the patient's values."""
    site = SITES[patient["site"]]
    grey = site.developed(bmode(scan_of(patient, bad, rng), rng))
    kpa, fill = reading(patient[stiffness], bad, rng)
    box = draw_box((100, 150), (80, 120), rng)
    field, shown = stiffness_map(box, kpa, patient[cv], fill, rng)
    return elastogram(grey, box, field, shown, site.opacity), kpa, box


def liver_elastogram(
    patient: dict[str, Any], bad: str | None, rng: np.random.Generator
) -> tuple[Image.Image, float, Any]:
    """Draws an elastogram of the liver and returns it with its kPa and its box."""
    return elastogram_picture(patient, bad, rng, "stiffness", "map_cv")


def spleen_elastogram(
    patient: dict[str, Any], bad: str | None, rng: np.random.Generator
) -> tuple[Image.Image, float, Any]:
    """Draws an elastogram of the spleen, whose texture says nothing of the liver, and returns its kPa and box too."""
    spleen = {**patient, "underlay": 0.0, "steatosis": 0.0}
    return elastogram_picture(spleen, bad, rng, "spleen", "spleen_cv")


def point_picture(
    patient: dict[str, Any], bad: str | None, rng: np.random.Generator
) -> tuple[Image.Image, float, None]:
    """Draws a point measurement of the liver and returns it with its kPa; it has no box to be cut to."""
    grey = SITES[patient["site"]].developed(bmode(scan_of(patient, bad, rng), rng))
    kpa = patient["point"] * float(np.exp(0.15 * rng.standard_normal()))
    box = draw_box((22, 26), (32, 40), rng)
    return point_measurement(grey, box, kpa, reliable=bad is None), kpa, None


def bmode_picture(patient: dict[str, Any], bad: str | None, rng: np.random.Generator) -> tuple[Image.Image, None, None]:
    """Draws a B-mode picture of the liver, which has neither kPa nor box."""
    grey = bmode(scan_of(patient, bad, rng, "remodelling"), rng)
    return plain(SITES[patient["site"]].developed(grey)), None, None


PICTURES: dict[str, Any] = {
    "LSTE": liver_elastogram,
    "LUS": bmode_picture,
    "LSTQ": point_picture,
    "SSTE": spleen_elastogram,
}
