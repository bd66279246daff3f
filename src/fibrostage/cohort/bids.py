"""A cohort's pictures in the layout of BIDS, the brain imaging data structure, as far as it goes for ultrasound.

BIDS has no ultrasound yet, so folders are called `us` and a `.bidsignore` tells validators to pass them over; the rest
(participants.tsv, sidecars, dataset_description.json) is as the specification 1.10 has it. Its labels hold letters and
digits only, so a patient's label is the id without other signs; the id itself stands in participants.tsv.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.cohort.store import Cohort
from fibrostage.csv_tables.writer import as_text
from fibrostage.ground.errors import CohortError
from fibrostage.ground.files import Json, write_json, write_text

if TYPE_CHECKING:
    from fibrostage.cohort.exported import ExportedPicture

VERSION = "1.10.0"
NOTHING = "n/a"  # as the specification has a missing value
SIDECAR = {  # what a picture's sidecar calls the columns of the images table
    "image_id": "ImageId",
    "sha256": "PixelHash",
    "kpa": "StiffnessKilopascal",
    "spacing_mm": "PixelSpacingMillimetre",
    "device": "ManufacturersModelName",
    "frame": "SourceFrame",
    "quality": "Quality",
}


def bids_files(cohort: Cohort) -> dict[str, str]:
    """Returns where each picture goes, by its id. Raises `CohortError` where the ids of two patients, or the
    names of two modalities, differ in signs alone that BIDS has not."""
    patients = labels_of(cohort.patient_ids, "patients")
    modalities = labels_of(cohort.modality_names, "modalities")
    runs: Counter[tuple[str, str]] = Counter()
    files = {}
    for row in cohort.images.sort("image_id").iter_rows(named=True):
        who, what = patients[row["patient_id"]], modalities[row["modality"]]
        runs[who, what] += 1
        files[row["image_id"]] = f"sub-{who}/us/sub-{who}_acq-{what}_run-{runs[who, what]:02d}_us.png"
    return files


def labels_of(names: Sequence[str], what: str) -> dict[str, str]:
    """Returns each name's letters and digits. Raises `CohortError` where nothing is left of one, or two are left the
    same, whatever the case, as some disks have it."""
    labels = {name: "".join(sign for sign in name if sign.isascii() and sign.isalnum()) for name in names}
    alike = Counter(label.casefold() for label in labels.values())
    for name, label in labels.items():
        if not label or alike[label.casefold()] > 1:
            raise CohortError(
                f"layout 'bids' allows letters and digits in the names of {what}, and {name!r} is left as {label!r}, "
                "which is nothing or another's too; export as csv, or rename them"
            )
    return labels


def write_bids(cohort: Cohort, work: Path, pictures: Sequence[ExportedPicture]) -> None:
    """Writes what belongs to the pictures: dataset_description.json, participants.tsv with what its columns mean, a
    sidecar a picture, and .bidsignore."""
    described: dict[str, Json] = {
        "Name": cohort.name,
        "BIDSVersion": VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "fibrostage", "Description": RESEARCH_USE}],
        "Simulated": cohort.simulated,
        "Fingerprint": cohort.fingerprint,
        "Caveats": [*([SIMULATED] if cohort.simulated else []), *cohort.caveats],
    }
    write_json(work / "dataset_description.json", described)
    write_text(work / ".bidsignore", "sub-*/us/\n")
    labels = labels_of(cohort.patient_ids, "patients")
    rows = cohort.patients.iter_rows(named=True)
    columns = [column for column in cohort.patients.columns if column != "patient_id"]
    lines = [["participant_id", "patient_id", *columns]]
    for row in rows:
        lines.append([f"sub-{labels[row['patient_id']]}", cell(row["patient_id"]), *(cell(row[c]) for c in columns)])
    write_text(work / "participants.tsv", "".join("\t".join(line) + "\n" for line in lines))
    name = cohort.staging.name
    levels: dict[str, Json] = {stage: f"number {at} of {name}" for at, stage in enumerate(cohort.staging.classes)}
    meaning: dict[str, Json] = {
        "patient_id": {"Description": "the id in the cohort, with the signs that BIDS has no place for"},
        "stage": {"Description": "stage of fibrosis; n/a where it is not known", "Levels": levels},
    }
    write_json(work / "participants.json", meaning)
    for one in pictures:
        known: dict[str, Json] = {SIDECAR[key]: one.row[key] for key in SIDECAR if one.row.get(key) is not None}
        known |= {"Modality": one.row["modality"], "Simulated": cohort.simulated}
        write_json((work / one.file).with_suffix(".json"), known)


def cell(value: Any) -> str:
    """Returns a value as a cell of a table whose columns tabs part; one that a spreadsheet would run is guarded."""
    return NOTHING if value is None else " ".join(str(as_text(str(value))).split())
