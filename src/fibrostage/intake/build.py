"""Intake of raster files: SRC + P.csv + I.csv → a cohort, whole or not at all.

Every problem is collected and reported together, with file and row. Without `skip_bad` any problem stops the
intake and nothing is written; with it, what is bad is left out and recorded in exclusions.parquet.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from fibrostage import SIMULATED
from fibrostage.cohort.confounding import check_confounding
from fibrostage.cohort.store import Cohort, Modality, hash_pixels, new_array, open_cohort, whole_or_absent, write_tables
from fibrostage.cohort.tables import BOX, EXCLUSIONS, IMAGES
from fibrostage.errors import IntakeError, Problem, Problems
from fibrostage.intake.crops import MOVES
from fibrostage.intake.csvs import read_csv
from fibrostage.intake.labels import Request, parse_patients, parse_requests
from fibrostage.intake.raster import Picture, UnreadableImageError, read_pictures
from fibrostage.plan import ModalityPlan, Plan, QualityPlan
from fibrostage.progress import SILENT, Progress

SIMULATED_COLUMN = "origin"  # a patients column whose value SIMULATED marks a simulated cohort
CHUNK = 256


@dataclass(frozen=True)
class Sources:
    """What `intake` reads: the folder, its two CSVs and their encoding."""

    folder: Path
    patients: Path
    images: Path
    encoding: str = "utf-8"


def take_in(
    sources: Sources,
    out: Path,
    plan: Plan,
    skip_bad: bool = False,
    progress: Progress = SILENT,
) -> Cohort:
    """Makes the cohort at `out`; raises `IntakeError` with all problems, leaving nothing behind."""
    if not sources.folder.is_dir():
        raise IntakeError(f"{sources.folder} is not a folder")
    problems = Problems()
    staging = plan.staging.whole()
    modalities = {modality.name: modality for modality in plan.modality}
    patient_table = read_csv(sources.patients, ("patient_id", "stage"), problems, sources.encoding)
    image_table = read_csv(sources.images, ("file", "patient_id", "modality"), problems, sources.encoding)
    left_out = Problems()
    patients = parse_patients(patient_table, staging, problems, left_out)
    known, excluded = set(patients["patient_id"]), frozenset(p.patient_id or "" for p in left_out)
    clicked = frozenset(name for name, modality in modalities.items() if modality.fit == "click")
    requests = parse_requests(image_table, sources.folder, known, tuple(modalities), problems, excluded, clicked)
    requests = in_cohort_order(requests, patients["patient_id"].to_list(), list(modalities))
    with whole_or_absent(out) as work:
        images = store_pictures(
            requests,
            sources,
            modalities,
            work / "pixels",
            problems,
            progress,
            plan.quality,
            stop_on_problem=not skip_bad,
        )
        if not len(images):
            raise refusal(problems, "no picture could be taken in")
        caveats = list(plan.cohort.caveats)
        caveats += [found.warning() for found in check_confounding(patients, images, staging)]
        write_tables(
            work,
            name=plan.cohort.name or out.name,
            staging=staging,
            modalities=[Modality(m.name, m.kind, m.size, m.stored_channels, m.fit) for m in plan.modality],
            patients=patients,
            images=images,
            exclusions=exclusions_of([*left_out, *problems], sources.patients.name, known),
            simulated=is_simulated(patients),
            caveats=caveats,
            source="raster files",
        )
    return open_cohort(out)


def refusal(problems: Problems, why: str = "nothing was written") -> IntakeError:
    count = len(problems)
    return IntakeError(
        f"{count} problem{'s' if count != 1 else ''}, {why}:\n{problems.text()}\n"
        "Mend them, or go on without what is bad with --skip-bad.",
        problems,
    )


def is_simulated(patients: pl.DataFrame) -> bool:
    return SIMULATED_COLUMN in patients.columns and bool((patients[SIMULATED_COLUMN] == SIMULATED).any())


def in_cohort_order(requests: list[Request], patients: list[str], modalities: list[str]) -> list[Request]:
    """By modality, then patient, then row: the order of the pixel files."""
    patient_rank = {patient: rank for rank, patient in enumerate(patients)}
    modality_rank = {modality: rank for rank, modality in enumerate(modalities)}
    return sorted(requests, key=lambda r: (modality_rank[r.modality], patient_rank[r.patient_id], r.row))


def store_pictures(
    requests: Sequence[Request],
    sources: Sources,
    modalities: dict[str, ModalityPlan],
    folder: Path,
    problems: Problems,
    progress: Progress,
    floors: QualityPlan,
    stop_on_problem: bool,
) -> pl.DataFrame:
    """Decodes every picture into pixels/<modality>.npy and returns the images table; memory stays flat."""
    folder.mkdir()
    records: list[dict[str, object]] = []
    with (
        progress.task("reading pictures", len(requests)) as advance,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for name, modality in modalities.items():
            wanted = [request for request in requests if request.modality == name]
            most = len(wanted) * (len(MOVES) if modality.fit == "click" else 1)
            shape = (most, modality.size, modality.size, modality.stored_channels)
            target = folder / f"{name}.npy"
            pixels = new_array(target, shape, np.uint8) if wanted else np.empty(shape, dtype=np.uint8)
            stored: dict[str, Request] = {}  # by what their pixels hash to
            start = len(records)
            for chunk in (wanted[at : at + CHUNK] for at in range(0, len(wanted), CHUNK)):
                decoded = pool.map(partial(attempt, folder=sources.folder, modality=modality), chunk)
                for request, outcome in zip(chunk, decoded, strict=True):
                    reason = outcome if isinstance(outcome, str) else refuse_twin(request, outcome[0], stored)
                    if reason or isinstance(outcome, str):
                        note_bad(problems, sources, request, reason or "")
                        continue
                    for crop, picture in enumerate(outcome):
                        row = len(records) - start
                        pixels[row] = picture.pixels
                        number = crop if modality.fit == "click" else None
                        records.append(record_of(request, picture, row, number, floors))
                advance(len(chunk))
            del pixels
            finish_pixels(target, len(records) - start, shape)
    if stop_on_problem and len(problems):
        raise refusal(problems)
    return pl.DataFrame(records, schema=IMAGES)


def note_bad(problems: Problems, sources: Sources, request: Request, reason: str) -> None:
    problems.add(
        sources.images.name,
        f"{request.file!r}: {reason}",
        row=request.row,
        patient_id=request.patient_id,
        file=request.file,
    )


def refuse_twin(request: Request, picture: Picture, stored: dict[str, Request]) -> str | None:
    """Why a picture may not be stored beside those already: the same pixels under another patient's name."""
    first = stored.setdefault(hash_pixels(picture.pixels), request)
    if first.patient_id == request.patient_id:
        return None
    return f"of patient {request.patient_id!r} has the same pixels as {first.file!r} of patient {first.patient_id!r}"


def attempt(request: Request, folder: Path, modality: ModalityPlan) -> list[Picture] | str:
    """The picture, or its crops, or why it was refused."""
    if request.frame not in (None, 0):
        return f"frame {request.frame} asked for, but a PNG or JPEG holds one picture"
    try:
        return read_pictures(folder / request.file, modality, request.roi, request.click)
    except UnreadableImageError as error:
        return str(error)


def finish_pixels(path: Path, stored: int, shape: tuple[int, ...]) -> None:
    """Shortens a pixel file to the rows that were stored."""
    if stored == shape[0] and path.exists():
        return
    shorter = path.with_suffix(".short.npy")
    if stored:
        source = np.load(path, mmap_mode="r")
        result = new_array(shorter, (stored, *shape[1:]), np.uint8)
        for start in range(0, stored, CHUNK):
            result[start : start + CHUNK] = source[start : min(start + CHUNK, stored)]
        del result
    else:
        np.save(shorter, np.empty((0, *shape[1:]), dtype=np.uint8))
    os.replace(shorter, path)


def record_of(request: Request, picture: Picture, row: int, crop: int | None, floors: QualityPlan) -> dict[str, object]:
    """The images-table row of a picture stored at `row` of its modality; its id says where its pixels are."""
    box = dict(zip(BOX, picture.box or (None,) * 4, strict=True))
    return {
        "image_id": f"{request.modality}-{row}",
        "patient_id": request.patient_id,
        "modality": request.modality,
        "source": request.file,
        "frame": request.frame,
        "crop": crop,
        "source_format": picture.source_format,
        "source_width": picture.width,
        "source_height": picture.height,
        "sha256": hash_pixels(picture.pixels),
        "spacing_mm": None,
        "kpa": request.kpa,
        **box,
        "quality": picture.quality.verdict(floors),
    }


def exclusions_of(problems: Iterable[Problem], patients_csv: str, studied: set[str]) -> pl.DataFrame:
    """What was left out: a patient, a picture, or a value of either."""

    def kind(problem: Problem) -> str:
        if problem.file is not None:
            return "picture"
        return "patient" if problem.where == patients_csv and problem.patient_id not in studied else "value"

    return pl.DataFrame(
        [
            {"kind": kind(p), "patient_id": p.patient_id, "file": p.file or p.where, "row": p.row, "reason": p.reason}
            for p in problems
        ],
        schema=EXCLUSIONS,
    )
