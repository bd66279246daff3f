"""Cohorts meet: whose patients are whose, what is refused, and what survives."""

from __future__ import annotations

import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fibrostage.cohort.store import Cohort, verify_pixels
from fibrostage.ground.errors import CohortError
from fibrostage.ground.progress import SILENT
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.merge import MergeChoices, merge
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.predict_cohort import predict_cohort
from fibrostage.plan.run_plan import Plan
from tests.conftest import STAGES, plan_data, write_rows
from tests.trained import TrainedHospital

HELD = "patient_id", "modality", "sha256"


def picture(seed: int) -> np.ndarray:
    """A picture with large shapes of its own."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(20, 230, (8, 8), dtype=np.uint8))
    return np.asarray(coarse.resize((48, 40), Image.Resampling.BICUBIC))


def site(
    place: Path,
    people: dict[str, int | None],
    modalities: tuple[str, ...] = ("LSTE", "LUS"),
    seeds: dict[str, int] | None = None,
    key: str | None = None,
    **columns: object,
) -> Path:
    """A cohort of one hospital: two pictures of each modality of each patient, whose stage is a number or None."""
    source = place.with_name(f"{place.name}-source")
    source.mkdir()
    pictures: list[list[object]] = []
    for patient in people:
        own = (seeds or {}).get(patient, zlib.crc32(f"{place.name}{patient}".encode()))
        for m, modality in enumerate(modalities):
            for k in range(2):
                file = f"{patient}_{modality}_{k}.png"
                grey = picture(own * 10 + m * 4 + k)
                Image.fromarray(np.stack([grey] * 3, axis=2) if modality == "LSTE" else grey).save(source / file)
                pictures.append([file, patient, modality])
    rows: list[list[object]] = [
        [name, "" if stage is None else STAGES[stage], *columns.values()] for name, stage in people.items()
    ]
    patients = write_rows(source / "patients.csv", ["patient_id", "stage", *columns], rows)
    images = write_rows(source / "images.csv", ["file", "patient_id", "modality"], pictures)
    data = plan_data()
    data["modality"] = [m for m in [*data["modality"], {"name": "SSTE", "size": 32}] if m["name"] in modalities]  # type: ignore[misc, index]
    made = None if key is None else place.with_name(f"{key}.key")
    if made is not None and not made.exists():
        made.write_text(f"{sum(key.encode()) % 256:02x}" * 32)  # type: ignore[union-attr]
    take_in(Sources(source, patients, images), place, Plan.parse(data), choices=Choices(key=made, accept_unmasked=True))
    return place


def held(cohort: Cohort) -> set[tuple[object, ...]]:
    return set(cohort.images.select(HELD).iter_rows())


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_sites_become_one_cohort_and_stay_as_they_are(tmp_path: Path) -> None:
    a = site(tmp_path / "a", {"A1": 0, "A2": 3}, age=50)
    b = site(tmp_path / "b", {"B1": 4, "B2": None}, ("LUS", "SSTE"), centre="x")
    before = tree(a), tree(b)
    made = merge([a, b], tmp_path / "c", MergeChoices(sites=("Here", "There")))
    assert (tree(a), tree(b)) == before
    assert made.patient_ids == ["A1", "A2", "B1", "B2"]
    assert made.patients["site"].to_list() == ["Here", "Here", "There", "There"]
    assert made.patients["stage"].to_list() == ["F0", "F3", "F4", None]
    assert made.patients["age"].to_list() == [50, 50, None, None]
    assert made.patients["centre"].to_list() == [None, None, "x", "x"]
    assert made.modality_names == ("LSTE", "LUS", "SSTE")
    assert [len(made.pixels(name)) for name in made.modality_names] == [4, 8, 4]
    verify_pixels(made)
    assert all((np.diff(made.owners(name)) >= 0).all() for name in made.modality_names)
    assert made.images["image_id"].is_unique().all()
    inode = (a / "pixels" / "LUS.npy").stat().st_ino
    assert inode in {path.stat().st_ino for path in (tmp_path / "c" / "pixels").iterdir()}, "no pixel was copied"
    shutil.rmtree(a)
    verify_pixels(made)


def test_a_merged_cohort_can_be_merged_again(tmp_path: Path) -> None:
    folders = [site(tmp_path / name, {f"{name}1": number, f"{name}2": None}) for number, name in enumerate("abc")]
    both = merge(folders[:2], tmp_path / "ab")
    every = merge([both.path, folders[2]], tmp_path / "abc")
    verify_pixels(every)
    assert len(every.patients) == 6
    assert every.images["image_id"].is_unique().all()
    flat = merge(folders, tmp_path / "flat")
    assert held(flat) == held(every)


def test_one_key_makes_one_patient_of_two_visits(tmp_path: Path) -> None:
    a = site(tmp_path / "a", {"X": None, "Y": 1}, key="k", age=50)
    b = site(tmp_path / "b", {"X": 3, "Z": 2}, key="k", age=51)
    made = merge([a, b], tmp_path / "c")
    assert len(made.patients) == 3
    shared = made.patients.filter(pl.col("stage") == "F3").row(0, named=True)
    assert shared["age"] == 51
    assert (made.images["patient_id"] == shared["patient_id"]).sum() == 8
    assert made.caveats == ()
    verify_pixels(made)


def test_two_stages_of_one_patient_are_refused(tmp_path: Path) -> None:
    a, b = site(tmp_path / "a", {"X": 1}, key="k"), site(tmp_path / "b", {"X": 3}, key="k")
    with pytest.raises(CohortError, match=r"1 patients have two stages: P[0-9a-f]{16} \(F1 in .*a, F3 in .*b\)"):
        merge([a, b], tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_equal_ids_without_a_key_are_refused_until_somebody_knows_the_people(tmp_path: Path) -> None:
    a, b = site(tmp_path / "a", {"1": 1, "2": 2}), site(tmp_path / "b", {"1": 1, "3": 0})
    with pytest.raises(CohortError, match=r"1 ids are in two cohorts and no key says .*: 1 \(.*--same-patients"):
        merge([a, b], tmp_path / "c")
    made = merge([a, b], tmp_path / "c", MergeChoices(same_patients=True))
    assert made.patient_ids == ["1", "2", "3"]


def test_ids_that_are_nearly_one_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = site(tmp_path / "a", {"007": 1, "12": 2}), site(tmp_path / "b", {"7": 1, "3": 0})
    said: list[str] = []
    monkeypatch.setattr(SILENT, "say", said.append)
    made = merge([a, b], tmp_path / "c")
    assert len(made.patients) == 4
    assert sum("007" in line and "differ only by zeros in front" in line for line in said) == 1
    near = [caveat for caveat in made.caveats if "one person may count as two patients" in caveat]
    assert len(near) == 1
    assert "007" not in near[0], "a caveat stands in every report and names nobody"


def test_several_keys_are_told_to_every_reader(tmp_path: Path) -> None:
    a, b = site(tmp_path / "a", {"X": 1}, key="k"), site(tmp_path / "b", {"X": 1}, key="other")
    made = merge([a, b], tmp_path / "c")
    assert len(made.patients) == 2
    assert "may not have been hashed with one key" in " ".join(made.caveats)


def test_a_person_under_two_keys_is_met_by_the_pictures(tmp_path: Path) -> None:
    a = site(tmp_path / "a", {"X": 1, "Y": 2}, key="k", seeds={"X": 5})
    b = site(tmp_path / "b", {"X": 1}, key="other", seeds={"X": 5})
    with pytest.raises(CohortError, match="4 pictures are the same or nearly the same under two patients' ids: LSTE-"):
        merge([a, b], tmp_path / "c")
    grouped = merge([a, b], tmp_path / "c", MergeChoices(group_near_duplicates=True))
    groups = grouped.patients["duplicate_group"]
    assert groups.null_count() == 1
    assert groups.drop_nulls().n_unique() == 1
    allowed = merge([a, b], tmp_path / "d", MergeChoices(allow_duplicates=True))
    assert "4 pairs of nearly the same picture" in " ".join(allowed.caveats)


def test_what_does_not_go_together_is_said(tmp_path: Path, cohort: Cohort) -> None:
    a = site(tmp_path / "a", {"X": 1})
    for folders, reason in {
        (a,): "needs two cohorts or more",
        (a, a): "is the same cohort as .*name it once",
        (a, tmp_path / "nothing"): "is not a cohort",
    }.items():
        with pytest.raises(CohortError, match=reason):
            merge(folders, tmp_path / "c")
    with pytest.raises(CohortError, match="1 sites for 2 cohorts"):
        merge([a, cohort.path], tmp_path / "c", MergeChoices(sites=("one",)))
    source = Sources(a.with_name("a-source"), *(a.with_name("a-source") / f"{n}.csv" for n in ("patients", "images")))
    other = plan_data()
    other["staging"] = {"name": "Ours", "classes": ["F0", "F1"]}
    take_in(source, tmp_path / "ours", Plan.parse(other))
    with pytest.raises(CohortError, match="stages Ours F0, F1; it cannot join"):
        merge([a, tmp_path / "ours"], tmp_path / "c")
    take_in(source, tmp_path / "small", Plan.parse(plan_data(16)))
    with pytest.raises(CohortError, match="stores LSTE otherwise than"):
        merge([a, tmp_path / "small"], tmp_path / "c")
    with pytest.raises(CohortError, match="exists and is not empty"):
        merge([a, cohort.path], a)
    assert not (tmp_path / "c").exists()


def test_a_merge_that_is_cut_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = site(tmp_path / "a", {"X": 1}), site(tmp_path / "b", {"Y": 2})
    before = sorted(tmp_path.iterdir())

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fibrostage.cohort.written.write_tables", killed)
    with pytest.raises(KeyboardInterrupt):
        merge([a, b], tmp_path / "c")
    assert sorted(tmp_path.iterdir()) == before


def test_a_disk_without_links_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = site(tmp_path / "a", {"X": 1}), site(tmp_path / "b", {"Y": 2})

    def refused(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refused)
    verify_pixels(merge([a, b], tmp_path / "c"))


def test_a_model_still_knows_whom_it_learned_from(hospital: TrainedHospital, tmp_path: Path) -> None:
    taken = hospital.cohort
    plan = Plan.parse({"modality": [{"name": m.name, "kind": m.kind, "size": m.size} for m in taken.modalities]})
    source = tmp_path / "more"
    source.mkdir()
    Image.fromarray(picture(3)).save(source / "a.png")
    patients = write_rows(source / "p.csv", ["patient_id", "stage", "origin"], [["new", "F1", "SIMULATED"]])
    images = write_rows(source / "i.csv", ["file", "patient_id", "modality"], [["a.png", "new", "B"]])
    choices = Choices(accept_unmasked=True)
    more = take_in(Sources(source, patients, images), tmp_path / "other", plan, choices=choices)
    assert more.simulated == taken.simulated
    made = merge([taken.path, more.path], tmp_path / "c")
    known = {one.patient_id: one.trained_on for one in predict_cohort(hospital.run, taken).staged}
    found = {one.patient_id: one.trained_on for one in predict_cohort(hospital.run, made).staged}
    assert any(known.values())
    assert {name: found[name] for name in known} == known
