"""A simulated cohort as files: pictures, P.csv, I.csv, a plan, the ceilings, and the truth in a file of its own.

Pictures are plain PNGs, or DICOM files of whole scanner screens (`phantom.study`).

Every picture has a generator of its own, seeded by (seed, patient, modality, number), so a cohort is the same
whatever the number of processes.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL.PngImagePlugin import PngInfo

from fibrostage import SIMULATED
from fibrostage.cohort.store import whole_or_absent
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import PlanError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.stage import METAVIR
from fibrostage.phantom.ceiling import ceilings
from fibrostage.phantom.patients import AST_ULN, GGT_ULN, Patients, draw_patients, draw_stages
from fibrostage.phantom.pictures import PICTURES
from fibrostage.phantom.populations import COMMON, DISTINCT, Population, population_named
from fibrostage.phantom.recipe import EXCLUSIONS, KEYS, PLAN, RECIPE, Files, Job, Recipe, Rows, name_of, shots
from fibrostage.phantom.sites import SITES


def write_phantom(out: Path, recipe: Recipe, progress: Progress = SILENT) -> None:
    """Writes the simulated cohort to `out`, whole or not at all.

    Raises `CohortError` where `out` exists and is not an empty folder or cannot be written, and `PlanError` where DICOM
    is asked for and pydicom is not installed.
    """
    rng = Draws.PHANTOM_PATIENTS.of(recipe.seed)
    stages = draw_stages(recipe.patients, rng)
    model = population_named(recipe.model)
    patients = draw_patients(stages, recipe.bmode_signal, rng, model)
    files = files_of(recipe.format)
    with whole_or_absent(out) as work:
        (work / files.folder).mkdir()
        rows: Rows = []
        with (
            progress.task("simulating patients", recipe.patients) as advance,
            ProcessPoolExecutor(os.cpu_count()) as workers,
        ):
            jobs = [(work, recipe, index, one(patients, index)) for index in range(recipe.patients)]
            for made in workers.map(files.simulate, jobs, chunksize=4):
                rows += made
                advance(1)
        write_csv(work / "images.csv", files.listed, rows)
        write_csv(work / "truth_images.csv", files.truth, rows)
        frames = [frame for row in rows for frame in row.get("frames", ())]
        if frames:
            write_csv(work / "truth_frames.csv", frames[0], frames)
        names = [files.called(recipe, index, one(patients, index)) for index in range(len(patients))]
        columns, people = patient_rows(patients, names, model)
        for row, reason in excluded_rows(recipe):
            people[row]["excluded"] = reason
        write_csv(work / "patients.csv", (*columns, "excluded") if recipe.excluded else columns, people)
        write_csv(work / "truth_patients.csv", *truth_rows(patients, names))
        (work / "plan.toml").write_text(files.plan, encoding="utf-8")
        best = {SIMULATED: True, **ceilings(recipe.bmode_signal, recipe.seed, model)}
        (work / "ceiling.json").write_text(json.dumps(best, indent=2), encoding="utf-8")
        content = {SIMULATED: True, **asdict(recipe)}
        (work / RECIPE).write_text(json.dumps(content, indent=2), encoding="utf-8")


def excluded_rows(recipe: Recipe) -> list[tuple[int, str]]:
    """Draws which patients, by number, are not studied and why, in the paper's proportions."""
    shares = np.array(list(EXCLUSIONS.values())) / sum(EXCLUSIONS.values()) * recipe.excluded
    counts = np.floor(shares).astype(int)
    order = np.argsort(counts - shares, kind="stable")  # largest remainder first
    counts[order[: recipe.excluded - counts.sum()]] += 1
    reasons = np.repeat(list(EXCLUSIONS), counts)
    rows = Draws.PHANTOM_EXCLUDED.of(recipe.seed).permutation(recipe.patients)[: recipe.excluded]
    return [(int(row), str(reason)) for row, reason in zip(rows, reasons, strict=True)]


def is_of(folder: Path, recipe: Recipe) -> bool:
    """Whether a simulated cohort was made by this recipe."""
    content = {SIMULATED: True, **asdict(recipe)}
    found = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
    older = {"format": "png", "model": COMMON.name}  # what older ones do not name
    return bool({**older, **found} == json.loads(json.dumps(content)))


ROI = ("roi_x", "roi_y", "roi_w", "roi_h")


def one(patients: Patients, index: int) -> dict[str, Any]:
    """Returns one patient's state by name, as plain numbers."""
    return {f.name: getattr(patients, f.name)[index].item() for f in fields(patients)}


def simulate_patient(job: Job) -> Rows:
    """Writes all pictures of one patient and returns their rows."""
    folder, recipe, index, patient = job
    rows = []
    mark = PngInfo()
    mark.add_text("Comment", SIMULATED)
    for shot in shots(recipe, index):
        image, kpa, box = PICTURES[shot.modality](patient, shot.bad, shot.rng)
        file = f"images/{name_of(index)}_{shot.modality}_{shot.number + 1:02d}.png"
        image.save(folder / file, compress_level=1, pnginfo=mark)
        row = {"file": file, "patient_id": name_of(index), "modality": shot.modality}
        row |= {"bad": shot.bad or "", "true_kpa": "" if kpa is None else f"{kpa:.3f}"}
        if box is not None:
            row |= dict(zip(ROI, (box.x, box.y, box.width, box.height), strict=True))
        rows.append(row)
    return rows


PNG = Files(
    "images", simulate_patient, lambda _, index, __: name_of(index), (*KEYS, *ROI), (*KEYS, "bad", "true_kpa"), PLAN
)


def files_of(form: str) -> Files:
    """Returns how a format writes a cohort; raises `PlanError` for DICOM where pydicom is not installed."""
    if form == "png":
        return PNG
    try:
        from fibrostage.phantom.dicom_exams import DICOM
    except ImportError:
        raise PlanError('writing DICOM needs pydicom and its codecs: pip install "fibrostage[dicom]"') from None
    return DICOM


MEASURED = ("age", "ast", "alt", "ggt", "platelets", "te", "swe", "stq", "spleen")


def patient_rows(patients: Patients, names: list[str], model: Population = DISTINCT) -> tuple[tuple[str, ...], Rows]:
    """Returns the columns and rows of P.csv: what a hospital would know, and `origin` = SIMULATED on every row."""
    sites = ("site",) if model.sites else ()
    columns = ("patient_id", "stage", "sex", *sites, *MEASURED, "ast_uln", "ggt_uln", "origin")
    rows = []
    for index, called in enumerate(names):
        row: dict[str, Any] = {
            "patient_id": called,
            "stage": METAVIR.classes[patients.stage[index]],
            "sex": "F" if patients.female[index] else "M",
            "ast_uln": f"{AST_ULN:g}",
            "ggt_uln": f"{GGT_ULN:g}",
            "origin": SIMULATED,
            "site": SITES[patients.site[index]].name,
        }
        row |= {name: f"{getattr(patients, name)[index]:.2f}" for name in MEASURED}
        rows.append(row)
    return columns, rows


def truth_rows(patients: Patients, names: list[str]) -> tuple[tuple[str, ...], Rows]:
    """Returns the columns and rows of the latent state that nobody would know."""
    state = ("remodelling", "steatosis", "map_cv", "spleen_cv", "stiffness", "point", "underlay")
    rows = [
        {"patient_id": called} | {name: f"{getattr(patients, name)[index]:.5f}" for name in state}
        for index, called in enumerate(names)
    ]
    return ("patient_id", *state), rows


def write_csv(path: Path, columns: Iterable[str], rows: list[dict[str, Any]]) -> None:
    """Writes the named columns of the rows; a cell that a row lacks is blank, and other columns are left out."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(rows)
