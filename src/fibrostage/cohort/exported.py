"""A cohort's pictures as PNGs, pixel by pixel as they are stored, in layouts that other programs read.

Ids stay: a patient is called the same in every layout, and a picture read back has the hash that it had. What is known
of patients is only written where the layout has a place for it (`csv`, `bids`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.cohort.bids import bids_files, write_bids
from fibrostage.cohort.splits import make_folds
from fibrostage.cohort.store import Cohort, check_outside
from fibrostage.csv_tables.writer import csv_text, write_csv
from fibrostage.ground.errors import CohortError
from fibrostage.ground.files import Json, new_folder, write_json, write_text
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.plan.split import SplitPlan

TRAIN, TEST, UNLABELLED = "train", "test", "unlabelled"
DEALT = ("monai", "imagefolder")  # layouts that have a place for who tests


@dataclass(frozen=True)
class ExportedPicture:
    """A picture on its way out: its row of the images table, its patient's stage, on which side of the split the
    patient is, and its file within the folder."""

    row: dict[str, Any]
    stage: str | None
    side: str
    file: str


@dataclass(frozen=True)
class ExportChoices:
    """The share of labelled patients who test, and the seed that deals them; nobody tests where it is 0."""

    test: float = 0.2
    seed: int = 0


def export(
    cohort: Cohort, out: Path, layout: str, choices: ExportChoices | None = None, progress: Progress = SILENT
) -> int:
    """Writes a cohort to a new folder `out` in a layout of LAYOUTS, whole or not at all; returns how many pictures.

    Raises `CohortError` for an unknown layout, where too few patients have a stage to be split, or `out` lies in a
    cohort, and `RunError` where there is something at `out`.
    """
    if layout not in LAYOUTS:
        raise CohortError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    check_outside(out)
    sides = sides_of(cohort, choices or ExportChoices()) if layout in DEALT else {}
    with new_folder(out) as work:
        pictures = list(write_pictures(cohort, work, sides, layout, progress))
        LAYOUTS[layout](cohort, work, pictures)
        write_text(work / "README.txt", about(cohort, layout, len(pictures)))
    return len(pictures)


def sides_of(cohort: Cohort, choices: ExportChoices) -> dict[str, str]:
    """On which side of the split each patient is: TRAIN, TEST or, without a stage, UNLABELLED."""
    ids = cohort.patient_ids
    sides = {name: UNLABELLED if stage < 0 else TRAIN for name, stage in zip(ids, cohort.stages, strict=True)}
    if choices.test:
        seen = set(cohort.images["patient_id"])
        usable = np.array([name in seen for name in ids])
        (fold,) = make_folds(cohort, SplitPlan(test=choices.test), choices.seed, usable)
        sides |= {ids[row]: TEST for row in fold.test}
    return sides


def write_pictures(
    cohort: Cohort, work: Path, sides: dict[str, str], layout: str, progress: Progress
) -> Iterator[ExportedPicture]:
    """Writes each picture as PNG and yields it; simulated ones say so in their comment."""
    stages = dict(cohort.patients.select("patient_id", "stage").iter_rows())
    places = bids_files(cohort) if layout == "bids" else {}
    about_it = PngInfo()
    if cohort.simulated:
        about_it.add_text("Comment", SIMULATED)
    with progress.task("writing pictures", len(cohort.images)) as advance:
        for name in cohort.modality_names:
            pixels = cohort.pixels(name)
            for number, row in enumerate(cohort.images_of(name).iter_rows(named=True)):
                side = sides.get(row["patient_id"], "")
                folder = side if layout == "imagefolder" else f"pictures/{name}"
                file = places.get(row["image_id"], f"{folder}/{row['image_id']}.png")
                (work / file).parent.mkdir(parents=True, exist_ok=True)
                picture = np.asarray(pixels[number])
                Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(
                    work / file, pnginfo=about_it
                )
                advance(1)
                yield ExportedPicture(row, stages[row["patient_id"]], side, file)


def write_csv_layout(cohort: Cohort, work: Path, pictures: list[ExportedPicture]) -> None:
    """patients.csv, images.csv and plan.toml, which 'fibrostage intake' reads back to the same pictures."""
    write_csv(cohort.patients, work / "patients.csv")
    columns = ("file", "patient_id", "modality", "kpa", "device")
    rows = [[one.file, *(text(one.row[name]) for name in columns[1:])] for one in pictures]
    write_text(work / "images.csv", csv_text(columns, rows))
    lines = [f"[staging]\nname = {json.dumps(cohort.staging.name, ensure_ascii=False)}"]
    lines[0] += f"\nclasses = {json.dumps(list(cohort.staging.classes), ensure_ascii=False)}"
    lines[0] += f"\ncuts = {json.dumps(list(cohort.staging.cuts), ensure_ascii=False)}"
    for m in cohort.modalities:
        stored = f"size = {m.size}\nchannels = {m.channels}"
        lines.append(f'[[modality]]\nname = "{m.name}"\nkind = "{m.kind}"\nregion = "given"\n{stored}')
    write_text(work / "plan.toml", "\n\n".join(lines) + "\n")


def write_datalist(cohort: Cohort, work: Path, pictures: list[ExportedPicture]) -> None:
    """datalist.json as MONAI's `load_decathlon_datalist` reads it: pictures under "training" and "testing", each with
    its stage's number as the label, and those without a stage under "unlabelled"."""
    number = {stage: index for index, stage in enumerate(cohort.staging.classes)}
    keys = {TRAIN: "training", TEST: "testing", UNLABELLED: "unlabelled"}
    lists: dict[str, list[dict[str, str | int]]] = {key: [] for key in keys.values()}
    for one in pictures:
        entry: dict[str, str | int] = {"image": one.file}
        if one.stage is not None:
            entry["label"] = number[one.stage]
        lists[keys[one.side]].append(entry | {name: one.row[name] for name in ("patient_id", "modality", "sha256")})
    head: dict[str, Json] = {
        "name": cohort.name,
        "description": " ".join([*([SIMULATED + "."] if cohort.simulated else []), RESEARCH_USE, *cohort.caveats]),
        "fingerprint": cohort.fingerprint,
        "labels": {str(index): stage for stage, index in number.items()},
    }
    write_json(work / "datalist.json", {**head, **lists})


def write_imagefolder(cohort: Cohort, work: Path, pictures: list[ExportedPicture]) -> None:
    """A metadata.csv beside the pictures of each side, as Hugging Face's `imagefolder` reads it."""
    columns = ("file_name", "label", "patient_id", "modality", "sha256")
    for side in dict.fromkeys(one.side for one in pictures):
        rows = [
            [Path(one.file).name, one.stage or "", *(text(one.row[name]) for name in columns[2:])]
            for one in pictures
            if one.side == side
        ]
        write_text(work / side / "metadata.csv", csv_text(columns, rows))


def text(value: object) -> str:
    return "" if value is None else str(value)


def about(cohort: Cohort, layout: str, count: int) -> str:
    """What a person who opens the folder should know."""
    lines = [
        f"{cohort.name}: {count} pictures of {len(cohort.patients)} patients, exported by fibrostage as {layout!r}.",
        *([f"{SIMULATED}: no patient was examined."] if cohort.simulated else []),
        RESEARCH_USE,
        f"Fingerprint of the cohort: {cohort.fingerprint}",
        *cohort.caveats,
    ]
    return "\n".join(lines) + "\n"


LAYOUTS: dict[str, Callable[[Cohort, Path, list[ExportedPicture]], None]] = {
    "csv": write_csv_layout,
    "monai": write_datalist,
    "imagefolder": write_imagefolder,
    "bids": write_bids,
}
