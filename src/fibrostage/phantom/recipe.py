"""What to simulate, and what every format writes of it: the recipe, patients' pictures, and how files are listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import PlanError, nearest
from fibrostage.phantom.pictures import draw_bad
from fibrostage.phantom.populations import DISTINCT, population_named

RECIPE = "recipe.json"
COUNTS = {"LSTE": (4, 5), "LUS": (7, 7), "LSTQ": (3, 5), "SSTE": (3, 5)}  # per patient, paper §2.1
FRAMES = (20, 30)  # more B-mode frames where there is a video
EXCLUSIONS = {  # DLRE paper §3: why 37 of 334 patients were not studied
    "unqualified histology": 22,
    "antiviral treatment in the last 6 months": 7,
    "other liver disease": 5,
    "missing serology": 2,
    "failed 2D-SWE": 1,
}
FORMATS = ("png", "dicom")

PLAN = """\
# The plan of a simulated cohort; see docs/plan.md for every key.
[cohort]
name = "simulated cohort"

[staging]
name = "METAVIR"

[[modality]]
name = "LSTE"
kind = "elastogram"

[[modality]]
name = "LUS"
kind = "bmode"

[[modality]]
name = "LSTQ"
kind = "bmode"
channels = 3

[[modality]]
name = "SSTE"
kind = "elastogram"

[quality]           # floors that fit this simulation; wrong organs pass all of them
sharpness = 0.78
fill = 0.5
"""
KEYS = ("file", "patient_id", "modality")


@dataclass(frozen=True)
class Recipe:
    """What to simulate. Shares are of patients (`missing`, `video`) or of pictures (`bad`).

    Raises `PlanError` where `format` is not one of FORMATS, or `model` none of POPULATIONS.
    """

    patients: int
    seed: int = 0
    bmode_signal: float = 1.0
    bad: float = 0.08
    missing: float = 0.08
    video: float = 0.0
    modalities: tuple[str, ...] = tuple(COUNTS)
    pictures: int | None = None  # of each modality a patient has, instead of COUNTS
    excluded: int = 0  # of the patients, for the reasons of EXCLUSIONS
    format: str = "png"  # or "dicom"
    model: str = DISTINCT.name  # how modalities share what they show (`phantom.populations`)

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise PlanError(
                f"format {self.format!r}{nearest(self.format, FORMATS)}; the phantom writes {' or '.join(FORMATS)}"
            )
        population_named(self.model)


Rows = list[dict[str, Any]]
Job = tuple[Path, Recipe, int, dict[str, Any]]  # the cohort's folder, and a patient by number and state


@dataclass(frozen=True)
class Files:
    """How a format writes a cohort: one patient's pictures, what the patient is called, and the tables' columns."""

    folder: str
    simulate: Callable[[Job], Rows]
    called: Callable[[Recipe, int, dict[str, Any]], str]
    listed: tuple[str, ...]
    truth: tuple[str, ...]
    plan: str


def name_of(index: int) -> str:
    """Returns the id of a patient by number; the first is SIM0001."""
    return f"SIM{index + 1:04d}"


@dataclass(frozen=True)
class Shot:
    """One picture to make, with its own generator; `video` is one of the frames beyond a patient's pictures."""

    modality: str
    number: int
    bad: str | None
    rng: np.random.Generator
    video: bool = False


def shots(recipe: Recipe, index: int) -> Iterator[Shot]:
    """Yields the pictures to take of one patient, given by number."""
    rng = Draws.PHANTOM_SHOTS.of(recipe.seed, index)
    for modality in COUNTS:
        low, high = COUNTS[modality]
        count = int(rng.integers(low, high + 1))
        if recipe.pictures is not None:
            count = recipe.pictures
        stills = count
        if modality == "LUS" and rng.random() < recipe.video:
            count += int(rng.integers(FRAMES[0], FRAMES[1] + 1))
        missing = modality != "LSTE" and rng.random() < recipe.missing
        for number in range(count):
            own = Draws.PHANTOM_PICTURE.of(recipe.seed, index, list(COUNTS).index(modality), number)
            bad = draw_bad(modality, recipe.bad, own)
            if not missing and modality in recipe.modalities:
                yield Shot(modality, number, bad, own, video=number >= stills)
