"""An exam just made is read as a cohort's files are, a model stages it, and nothing is written."""

from pathlib import Path

import numpy as np
import pytest

from fibrostage.cohort.pictures import ExamPictures
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.exam import read_exam
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.read.tables import Request
from fibrostage.learn.model import open_model
from fibrostage.learn.train import train
from fibrostage.plan.run_plan import Plan
from tests.conftest import make_source, plan_data
from tests.intake.build.bad_files import MODALITY, PLAN, take, write


def of_each(pictures: Cohort | ExamPictures, modality: str) -> list[list[bytes]]:
    """By patient, a modality's pixels, however they are ordered and whatever the patients are called."""
    by_patient: dict[int, list[bytes]] = {}
    for owner, pixels in zip(pictures.owners(modality), pictures.pixels(modality), strict=True):
        by_patient.setdefault(int(owner), []).append(np.array(pixels).tobytes())
    return sorted(sorted(own) for own in by_patient.values())


def test_files_become_the_pictures_that_a_cohort_would_hold(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for patient in ("ID-1", "ID-2"):
        for number in range(2):
            write(source / f"{patient}-{3 * number}.dcm", patient=patient)
    cohort = take(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    exam = read_exam([source], PLAN, workers=1)
    assert len(exam.problems) == 0
    assert len(exam.pictures.patient_ids) == 2
    assert of_each(exam.pictures, MODALITY["name"]) == of_each(cohort, MODALITY["name"])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bad_file_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.dcm"), tmp_path / "bad.dcm"
    bad.write_bytes(good.read_bytes()[:900])
    exam = read_exam([good, bad], PLAN, workers=1)
    assert [len(exam.pictures.pixels(MODALITY["name"])), len(exam.problems)] == [1, 1]
    assert "bad.dcm" in exam.problems.text()


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="absent"):
        read_exam([tmp_path / "absent"], PLAN, workers=1)


def test_a_model_stages_what_it_would_of_the_cohort(tmp_path: Path) -> None:
    sources = make_source(tmp_path / "source", patients=10, lacking=())
    plan = Plan.parse(plan_data(), ["split.test=0.5"])
    cohort = take_in(sources, tmp_path / "cohort", plan)
    train(cohort, plan, tmp_path / "run")
    model, patients = open_model(tmp_path / "run"), ("P003", "P008")
    requests = [
        Request(row, f"pictures/{patient}_{modality}_0.png", patient, modality)
        for row, (patient, modality) in enumerate(((p, m) for p in patients for m in ("LSTE", "LUS")), start=2)
    ]
    staged = model.stage(read_exam([sources.folder], model.plan, requests, workers=1).pictures)
    assert [one.patient_id for one in staged] == list(patients)
    assert {one.model for one in staged} == {model.digest}
    alone = Sources(sources.folder, sources.patients, some_of(sources, {r.file for r in requests}, tmp_path))
    whole = {one.patient_id: one for one in model.stage(take_in(alone, tmp_path / "small", plan))}
    for one in staged:
        assert one.probabilities == pytest.approx(whole[one.patient_id].probabilities, abs=1e-6)


def some_of(sources: Sources, files: set[str], place: Path) -> Path:
    """The lines of images.csv about some files."""
    assert sources.images is not None
    head, *lines = sources.images.read_text(encoding="utf-8").splitlines()
    path = place / "some.csv"
    path.write_text("\n".join([head, *(line for line in lines if line.split(",")[0] in files)]) + "\n")
    return path
