"""The tables of a cohort and what makes them valid.

Columns we know have a type, and measured ones a plausible range, as the markers that read them say; columns we do
not know are carried along untouched, because a fold or a centre may live there.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fibrostage.ground.errors import Problems
from fibrostage.ground.stage import Staging
from fibrostage.markers import measured

PATIENT_KEY = {"patient_id": pl.String, "stage": pl.String}
PATIENT_TEXT = ("site", "sex")

IMAGES: dict[str, type[pl.DataType]] = {
    "image_id": pl.String,
    "patient_id": pl.String,
    "modality": pl.String,
    "source": pl.String,
    "frame": pl.Int64,
    "crop": pl.Int64,  # which of several crops of the picture, from 0
    "source_format": pl.String,
    "source_width": pl.Int64,
    "source_height": pl.Int64,
    "sha256": pl.String,  # of the stored pixels
    "spacing_mm": pl.Float64,
    "device": pl.String,  # manufacturer and model
    "day": pl.Int64,  # of the exam, from the patient's first
    "kpa": pl.Float64,
    "kpa_from": pl.String,  # csv, sr (a structured report) or colour (the colour bar)
    "kpa_mean": pl.Float64,  # these of the colour map
    "kpa_sd": pl.Float64,
    "kpa_iqr": pl.Float64,  # IQR/median
    "kpa_filled": pl.Float64,  # share of the box
    "kpa_residual": pl.Float64,  # grey levels between its colours and the bar's
    "bar_colours": pl.String,  # of the colour bar that kpa was read by, from its bottom to its top, six hex digits each
    "bar_top": pl.Float64,  # what the bar's top means; its bottom means 0
    "bar_unit": pl.String,  # kPa or m/s
    "crop_x": pl.Int64,  # which part of the source picture is stored, in its pixels; what lies outside it is black
    "crop_y": pl.Int64,
    "crop_w": pl.Int64,
    "crop_h": pl.Int64,
    "box_x": pl.Int64,  # an elastogram's region, in stored pixels
    "box_y": pl.Int64,
    "box_w": pl.Int64,
    "box_h": pl.Int64,
    "box_confidence": pl.Float64,  # of a box that was found, not given
    "quality": pl.String,  # GOOD, what is wrong with it, or null where nobody judged
}

GOOD = "good"
BOX = ("box_x", "box_y", "box_w", "box_h")
BAR = ("bar_colours", "bar_top", "bar_unit")
CROP = ("crop_x", "crop_y", "crop_w", "crop_h")

EXCLUSIONS: dict[str, type[pl.DataType]] = {
    "kind": pl.String,  # patient, picture or value
    "patient_id": pl.String,
    "file": pl.String,
    "row": pl.Int64,
    "reason": pl.String,
}


def check_patients(patients: pl.DataFrame, staging: Staging) -> Problems:
    """Finds everything wrong with a patients table: missing columns, ids, stages, types and ranges."""
    problems = Problems()
    for column in PATIENT_KEY:
        if column not in patients.columns:
            problems.add("patients", f"column {column!r} is missing")
    if len(problems):
        return problems
    ids = patients["patient_id"]
    for value in ids.filter(ids.is_duplicated()).unique(maintain_order=True):
        problems.add("patients", f"patient {value!r} occurs more than once", patient_id=value)
    if ids.null_count() or (ids == "").any():
        problems.add("patients", "a patient_id is empty")
    known = set(staging.classes)
    for patient, stage in patients.select("patient_id", "stage").iter_rows():
        if stage is not None and stage not in known:
            problems.add(
                "patients",
                f"patient {patient!r}: unknown stage {stage!r}; {staging.name} has {', '.join(staging.classes)}",
                patient_id=patient,
            )
    for column, quantity in measured().items():
        if column not in patients.columns:
            continue
        if not patients[column].dtype.is_numeric():
            problems.add("patients", f"column {column!r} must be a number")
            continue
        for patient, value in patients.select("patient_id", column).iter_rows():
            refusal = quantity.refusal(value) if value is not None else None
            if refusal:
                problems.add("patients", f"patient {patient!r}: {refusal}", patient_id=patient)
    return problems


def check_images(images: pl.DataFrame, patients: pl.DataFrame, modalities: Sequence[str]) -> Problems:
    """Finds everything wrong with an images table: columns, repeated ids, unknown patients and modalities, order."""
    problems = Problems()
    for column, dtype in IMAGES.items():
        if column not in images.columns:
            problems.add("images", f"column {column!r} is missing")
        elif images[column].dtype not in (dtype, pl.Null):
            problems.add("images", f"column {column!r} has type {images[column].dtype}, must be {dtype}")
    if len(problems):
        return problems
    ids = images["image_id"]
    for value in ids.filter(ids.is_duplicated()).unique(maintain_order=True):
        problems.add("images", f"image {value!r} occurs more than once")
    known = set(patients["patient_id"])
    for image, patient, modality in images.select("image_id", "patient_id", "modality").iter_rows():
        if patient not in known:
            problems.add("images", f"image {image!r} has the unknown patient {patient!r}")
        if modality not in modalities:
            problems.add(
                "images",
                f"image {image!r} has the unknown modality {modality!r}; known: {', '.join(modalities)}",
            )
    order = {name: index for index, name in enumerate(modalities)}
    ranks = [order.get(name, -1) for name in images["modality"]]
    if ranks != sorted(ranks):
        problems.add("images", "rows must be ordered by modality, as the pixel files are")
    return problems
