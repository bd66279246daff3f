"""A simulated cohort as files: pictures, P.csv, I.csv, a plan, the ceilings, and the truth in a file of its own.

Every picture has a generator of its own, seeded by (seed, patient, modality, number), so a cohort is the same
whatever the number of processes.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fibrostage import SIMULATED
from fibrostage.cohort.store import whole_or_absent
from fibrostage.phantom.bmode import Scan, bmode
from fibrostage.phantom.ceiling import ceilings
from fibrostage.phantom.patients import AST_ULN, GGT_ULN, Patients, draw_patients, draw_stages
from fibrostage.phantom.screen import (
    draw_box,
    elastogram,
    plain,
    point_measurement,
    stiffness_map,
)
from fibrostage.progress import SILENT, Progress
from fibrostage.stage import METAVIR

RECIPE = "recipe.json"
BAD = ("shadow", "motion", "unfilled", "wrong_organ")
COUNTS = {"LSTE": (4, 5), "LUS": (7, 7), "LSTQ": (3, 5), "SSTE": (3, 5)}  # per patient, paper §2.1
FRAMES = (20, 30)  # more B-mode frames where there is a video
EXCLUSIONS = {  # DLRE paper §3: why 37 of 334 patients were not studied
    "unqualified histology": 22,
    "antiviral treatment in the last 6 months": 7,
    "other liver disease": 5,
    "missing serology": 2,
    "failed 2D-SWE": 1,
}
KINDS = {"LSTE": "elastogram", "LUS": "bmode", "LSTQ": "bmode", "SSTE": "elastogram"}

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


@dataclass(frozen=True)
class Recipe:
    """What to simulate. Shares are of patients (`missing`, `video`) or of pictures (`bad`)."""

    patients: int
    seed: int = 0
    bmode_signal: float = 1.0
    bad: float = 0.08
    missing: float = 0.08
    video: float = 0.0
    modalities: tuple[str, ...] = tuple(COUNTS)
    pictures: int | None = None  # of each modality a patient has, instead of COUNTS
    excluded: int = 0  # of the patients, for the reasons of EXCLUSIONS


def write_phantom(out: Path, recipe: Recipe, progress: Progress = SILENT) -> None:
    """Writes the simulated cohort to `out`, whole or not at all."""
    rng = np.random.default_rng([recipe.seed, 0])
    stages = draw_stages(recipe.patients, rng)
    patients = draw_patients(stages, recipe.bmode_signal, rng)
    with whole_or_absent(out) as work:
        (work / "images").mkdir()
        rows: list[dict[str, Any]] = []
        with (
            progress.task("simulating patients", recipe.patients) as advance,
            ProcessPoolExecutor(os.cpu_count()) as workers,
        ):
            jobs = [(work, recipe, index, one(patients, index)) for index in range(recipe.patients)]
            for made in workers.map(simulate_patient, jobs, chunksize=4):
                rows += made
                advance(1)
        truth = ("file", "patient_id", "modality", "bad", "true_kpa")
        write_csv(work / "images.csv", ("file", "patient_id", "modality", *ROI), rows)
        write_csv(work / "truth_images.csv", truth, rows)
        columns, people = patient_rows(patients)
        for row, reason in excluded_rows(recipe):
            people[row]["excluded"] = reason
        write_csv(work / "patients.csv", (*columns, "excluded") if recipe.excluded else columns, people)
        write_csv(work / "truth_patients.csv", *truth_rows(patients))
        (work / "plan.toml").write_text(PLAN, encoding="utf-8")
        best = {SIMULATED: True, **ceilings(recipe.bmode_signal, recipe.seed)}
        (work / "ceiling.json").write_text(json.dumps(best, indent=2), encoding="utf-8")
        content = {SIMULATED: True, **asdict(recipe)}
        (work / RECIPE).write_text(json.dumps(content, indent=2), encoding="utf-8")


def excluded_rows(recipe: Recipe) -> list[tuple[int, str]]:
    """Which patients are not studied and why, in the paper's proportions."""
    shares = np.array(list(EXCLUSIONS.values())) / sum(EXCLUSIONS.values()) * recipe.excluded
    counts = np.floor(shares).astype(int)
    order = np.argsort(counts - shares, kind="stable")  # largest remainder first
    counts[order[: recipe.excluded - counts.sum()]] += 1
    reasons = np.repeat(list(EXCLUSIONS), counts)
    rows = np.random.default_rng([recipe.seed, 3]).permutation(recipe.patients)[: recipe.excluded]
    return [(int(row), str(reason)) for row, reason in zip(rows, reasons, strict=True)]


def is_of(folder: Path, recipe: Recipe) -> bool:
    """Whether a simulated cohort was made by this recipe."""
    content = {SIMULATED: True, **asdict(recipe)}
    found = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
    return bool(found == json.loads(json.dumps(content)))


ROI = ("roi_x", "roi_y", "roi_w", "roi_h")


def one(patients: Patients, index: int) -> dict[str, Any]:
    return {f.name: getattr(patients, f.name)[index].item() for f in fields(patients)}


def name_of(index: int) -> str:
    return f"SIM{index + 1:04d}"


def simulate_patient(job: tuple[Path, Recipe, int, dict[str, Any]]) -> list[dict[str, Any]]:
    """All pictures of one patient, written; returns their rows."""
    folder, recipe, index, patient = job
    rng = np.random.default_rng([recipe.seed, 1, index])
    rows = []
    for modality in COUNTS:
        low, high = COUNTS[modality]
        count = int(rng.integers(low, high + 1))
        if recipe.pictures is not None:
            count = recipe.pictures
        if modality == "LUS" and rng.random() < recipe.video:
            count += int(rng.integers(FRAMES[0], FRAMES[1] + 1))
        missing = modality != "LSTE" and rng.random() < recipe.missing
        for number in range(count):
            own = np.random.default_rng([recipe.seed, 2, index, list(COUNTS).index(modality), number])
            bad = draw_bad(modality, recipe.bad, own)
            if missing or modality not in recipe.modalities:
                continue
            image, kpa, box = PICTURES[modality](patient, bad, own)
            file = f"images/{name_of(index)}_{modality}_{number + 1:02d}.png"
            image.save(folder / file, compress_level=1)
            row = {"file": file, "patient_id": name_of(index), "modality": modality}
            row |= {"bad": bad or "", "true_kpa": "" if kpa is None else f"{kpa:.3f}"}
            if box is not None:
                row |= dict(zip(ROI, (box.x, box.y, box.width, box.height), strict=True))
            rows.append(row)
    return rows


def draw_bad(modality: str, share: float, rng: np.random.Generator) -> str | None:
    kinds = [kind for kind in BAD if kind != "unfilled" or KINDS[modality] == "elastogram"]
    return str(rng.choice(kinds)) if rng.random() < share else None


def scan_of(patient: dict[str, Any], bad: str | None, rng: np.random.Generator) -> Scan:
    """The B-mode behind any picture of a patient; a wrong organ shows nothing of their liver."""
    return Scan(
        remodelling=patient["remodelling"] + 0.5 * rng.standard_normal(),
        steatosis=patient["steatosis"],
        organ="other" if bad == "wrong_organ" else "liver",
        shadow=bad == "shadow",
        motion=bad == "motion",
    )


def elastogram_picture(
    patient: dict[str, Any], bad: str | None, rng: np.random.Generator, stiffness: str, cv: str
) -> tuple[Image.Image, float, Any]:
    grey = bmode(scan_of(patient, bad, rng), rng)
    kpa = patient[stiffness] * float(np.exp(0.10 * rng.standard_normal()))
    if bad in ("wrong_organ", "motion", "shadow"):  # the reading is of something else
        kpa = float(10 * np.exp(0.6 * rng.standard_normal()))
    fill = float(rng.uniform(0.05, 0.35)) if bad == "unfilled" else float(rng.uniform(0.82, 1.0))
    box = draw_box((100, 150), (80, 120), rng)
    field, shown = stiffness_map(box, kpa, patient[cv], fill, rng)
    return elastogram(grey, box, field, shown), kpa, box


def liver_elastogram(
    patient: dict[str, Any], bad: str | None, rng: np.random.Generator
) -> tuple[Image.Image, float, Any]:
    return elastogram_picture(patient, bad, rng, "swe", "map_cv")


def spleen_elastogram(
    patient: dict[str, Any], bad: str | None, rng: np.random.Generator
) -> tuple[Image.Image, float, Any]:
    spleen = {**patient, "remodelling": 0.0, "steatosis": 0.0}
    return elastogram_picture(spleen, bad, rng, "spleen", "spleen_cv")


def point_picture(
    patient: dict[str, Any], bad: str | None, rng: np.random.Generator
) -> tuple[Image.Image, float, None]:
    grey = bmode(scan_of(patient, bad, rng), rng)
    kpa = patient["stq"] * float(np.exp(0.15 * rng.standard_normal()))
    box = draw_box((22, 26), (32, 40), rng)
    return point_measurement(grey, box, kpa, reliable=bad is None), kpa, None


def bmode_picture(patient: dict[str, Any], bad: str | None, rng: np.random.Generator) -> tuple[Image.Image, None, None]:
    return plain(bmode(scan_of(patient, bad, rng), rng)), None, None


PICTURES: dict[str, Any] = {
    "LSTE": liver_elastogram,
    "LUS": bmode_picture,
    "LSTQ": point_picture,
    "SSTE": spleen_elastogram,
}

MEASURED = ("age", "ast", "alt", "ggt", "platelets", "te", "swe", "stq", "spleen")


def patient_rows(patients: Patients) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """P.csv: what a hospital would know, and `origin` = SIMULATED on every row."""
    columns = ("patient_id", "stage", "sex", *MEASURED, "ast_uln", "ggt_uln", "origin")
    rows = []
    for index in range(len(patients)):
        row: dict[str, Any] = {
            "patient_id": name_of(index),
            "stage": METAVIR.classes[patients.stage[index]],
            "sex": "F" if patients.female[index] else "M",
            "ast_uln": f"{AST_ULN:g}",
            "ggt_uln": f"{GGT_ULN:g}",
            "origin": SIMULATED,
        }
        row |= {name: f"{getattr(patients, name)[index]:.2f}" for name in MEASURED}
        rows.append(row)
    return columns, rows


def truth_rows(patients: Patients) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """The latent state nobody would know."""
    names = ("remodelling", "steatosis", "map_cv", "spleen_cv")
    rows = [
        {"patient_id": name_of(index)} | {name: f"{getattr(patients, name)[index]:.5f}" for name in names}
        for index in range(len(patients))
    ]
    return ("patient_id", *names), rows


def write_csv(path: Path, columns: Iterable[str], rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(rows)
