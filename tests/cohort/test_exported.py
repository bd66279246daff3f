"""A cohort written for other programs: the same pictures, patients and stages."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from monai.data import load_decathlon_datalist
from PIL import Image

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.cohort.bids import labels_of
from fibrostage.cohort.exported import LAYOUTS, ExportChoices, export
from fibrostage.cohort.store import Cohort, hash_pixels
from fibrostage.ground.errors import CohortError, RunError
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.plan.run_plan import Plan
from tests.trained import TrainedHospital


def hash_of(path: Path) -> str:
    pixels = np.asarray(Image.open(path))
    return hash_pixels(pixels if pixels.ndim == 3 else pixels[..., None])


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))


def test_csv_is_read_back_to_the_same_patients_and_pictures(cohort: Cohort, tmp_path: Path) -> None:
    assert export(cohort, tmp_path / "out", "csv") == len(cohort.images)
    sources = Sources(tmp_path / "out", tmp_path / "out" / "patients.csv", tmp_path / "out" / "images.csv")
    back = take_in(sources, tmp_path / "back", Plan.load(tmp_path / "out" / "plan.toml"))
    columns = ["patient_id", "modality", "sha256"]
    assert back.images.select(columns).sort(columns).equals(cohort.images.select(columns).sort(columns))
    assert back.patients.select("patient_id", "stage", "age").equals(
        cohort.patients.select("patient_id", "stage", "age")
    )
    assert back.staging == cohort.staging


def test_monai_reads_its_list(cohort: Cohort, tmp_path: Path) -> None:
    export(cohort, tmp_path / "out", "monai", ExportChoices(test=0.25, seed=3))
    path = str(tmp_path / "out" / "datalist.json")
    parts = {key: load_decathlon_datalist(path, False, key) for key in ("training", "testing")}
    stages = dict(cohort.patients.select("patient_id", "stage").iter_rows())
    people = {key: {entry["patient_id"] for entry in part} for key, part in parts.items()}
    assert len(people["testing"]) == 5
    assert not people["training"] & people["testing"]
    assert sum(map(len, parts.values())) == len(cohort.images)
    for entry in (*parts["training"], *parts["testing"]):
        assert cohort.staging.classes[entry["label"]] == stages[entry["patient_id"]]
        assert hash_of(Path(entry["image"])) == entry["sha256"]
    head = json.loads(Path(path).read_text(encoding="utf-8"))
    assert head["labels"] == {str(index): stage for index, stage in enumerate(cohort.staging.classes)}
    assert RESEARCH_USE in head["description"]


def test_an_imagefolder_has_its_metadata_beside_the_pictures(cohort: Cohort, tmp_path: Path) -> None:
    export(cohort, tmp_path / "out", "imagefolder")
    sides = {path.name: rows_of(path / "metadata.csv") for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert sorted(sides) == ["test", "train"]
    assert not {row["patient_id"] for row in sides["test"]} & {row["patient_id"] for row in sides["train"]}
    for side, rows in sides.items():
        assert {row["file_name"] for row in rows} == {path.name for path in (tmp_path / "out" / side).glob("*.png")}
        for row in rows:
            assert hash_of(tmp_path / "out" / side / row["file_name"]) == row["sha256"]


def test_bids_has_a_folder_a_patient_and_says_what_is_known(cohort: Cohort, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(cohort, out, "bids") == len(cohort.images)
    rows = list(csv.DictReader((out / "participants.tsv").open(encoding="utf-8"), delimiter="\t"))
    assert [row["patient_id"] for row in rows] == cohort.patient_ids
    assert [row["stage"] for row in rows] == [stage or "n/a" for stage in cohort.patients["stage"]]
    assert all(row["participant_id"].removeprefix("sub-").isalnum() for row in rows)
    folders = {row["patient_id"]: out / row["participant_id"] / "us" for row in rows}
    hashes = dict(cohort.images.select("image_id", "sha256").iter_rows())
    owners = dict(cohort.images.select("image_id", "patient_id").iter_rows())
    pictures = sorted(out.rglob("*.png"))
    assert len(pictures) == len(cohort.images)
    for picture in pictures:
        told = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))
        assert picture.parent == folders[owners[told["ImageId"]]]
        assert hash_of(picture) == told["PixelHash"] == hashes[told["ImageId"]]
    assert json.loads((out / "dataset_description.json").read_text())["BIDSVersion"]


def test_ids_that_bids_cannot_tell_apart_are_refused() -> None:
    assert labels_of(["P-1", "P2"], "patients") == {"P-1": "P1", "P2": "P2"}
    for ids in (["P-1", "p1"], ["…"]):
        with pytest.raises(CohortError, match="letters and digits in the names of patients"):
            labels_of(ids, "patients")


def test_a_simulated_cohort_says_so_in_every_file(hospital: TrainedHospital, tmp_path: Path) -> None:
    for layout in LAYOUTS:
        export(hospital.cohort, tmp_path / layout, layout, ExportChoices(test=0))
        one = next((tmp_path / layout).rglob("*.png"))
        assert Image.open(one).info["Comment"] == SIMULATED
        assert SIMULATED in (tmp_path / layout / "README.txt").read_text(encoding="utf-8")


def test_an_unknown_layout_or_a_folder_that_is_there_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="layout must be one of csv, monai, imagefolder, bids, got 'nifti'"):
        export(cohort, tmp_path / "out", "nifti")
    with pytest.raises(RunError, match="exists; choose another --out"):
        export(cohort, tmp_path, "csv")
    with pytest.raises(CohortError, match="lies in the cohort .*, which stays as it is"):
        export(cohort, cohort.path / "out", "csv")
    assert not (cohort.path / "out").exists()


def test_a_patients_text_cannot_run_in_a_spreadsheet(cohort: Cohort, tmp_path: Path) -> None:
    remarked = replace(cohort, patients=cohort.patients.with_columns(remark=pl.lit("=1+1")))
    export(remarked, tmp_path / "out", "csv")
    rows = list(csv.DictReader((tmp_path / "out" / "patients.csv").open(encoding="utf-8")))
    assert {row["remark"] for row in rows} == {"'=1+1"}
    assert [row["patient_id"] for row in rows] == cohort.patient_ids
