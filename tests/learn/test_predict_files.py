"""The exams just made: staged from their files as the cohort of the same files is, and nothing left behind."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from fibrostage.api.answers import predict
from fibrostage.cohort.store import Cohort, taken_in_with
from fibrostage.ground.errors import IntakeError, RunError
from fibrostage.intake.privacy import VARIABLE
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.predict_cohort import PredictedCohort, predict_cohort
from fibrostage.learn.predict_files import Exams, predict_files, reading_plan
from fibrostage.learn.train import train
from tests.conftest import make_source, write_rows
from tests.intake.hospital import PLAN, put, screen
from tests.loop import SMALL
from tests.services import BucketOfTests
from tests.trained import TrainedHospital


def told(found: PredictedCohort) -> dict[str, tuple[str, list[float]]]:
    return {one.patient_id: (one.stage, list(one.probabilities.values())) for one in found.staged}


def test_files_are_staged_as_the_cohort_of_them_is(
    hospital: TrainedHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIBROSTAGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    exams = Exams((hospital.source / "3", hospital.source / "7"), key=hospital.key)
    found, _ = predict_files(hospital.run, exams, tmp_path / "staged.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["staged.csv"], "no cohort, no key, no features"
    whole = told(predict_cohort(hospital.run, hospital.cohort))
    assert len(found.staged) == 2
    for patient, (stage, probabilities) in told(found).items():
        assert stage == whole[patient][0]
        assert probabilities == pytest.approx(whole[patient][1], abs=5e-5)
    assert found.refused == ()


def test_the_run_knows_how_its_pictures_were_read(hospital: TrainedHospital) -> None:
    assert reading_plan(hospital.run).rule == PLAN.rule
    assert reading_plan(hospital.run).stiffness == PLAN.stiffness
    assert taken_in_with(hospital.cohort) == json.loads((hospital.run / "intake.json").read_text())


def test_what_cannot_be_read_is_told_and_the_rest_is_staged(hospital: TrainedHospital, tmp_path: Path) -> None:
    source = tmp_path / "today"
    put(source, "good.dcm", "P1", 1, 8.0)
    put(source, "grey.dcm", "P2", 2, series_description="elasto")  # says that it is a map, and shows no box
    whole = (source / "good.dcm").read_bytes()
    (source / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    link = tmp_path / "link.csv"
    found, _ = predict_files(hospital.run, Exams((source,), key=hospital.key, link=link))
    assert len(found.staged) == 1
    assert len(found.refused) == 2
    assert not {"good.dcm", "P1"} & set(json.dumps(found.as_dict()).split('"')), "no name of a file or a patient"
    assert {row["reason"] for row in found.as_dict()["refused"]} == {reason for _, reason in found.refused}  # type: ignore[index,union-attr]
    assert "good.dcm" in link.read_text(), "but for whoever asked for the way back"


def test_nothing_usable_is_a_clear_error(hospital: TrainedHospital, tmp_path: Path) -> None:
    source = tmp_path / "today"
    put(source, "still.dcm", "P2", 2, pixels=screen(2) * 0)
    with pytest.raises(IntakeError, match="no picture could be taken in"):
        predict_files(hospital.run, Exams((source,), key=hospital.key), tmp_path / "staged.csv")
    with pytest.raises(IntakeError, match="there is no "):
        predict_files(hospital.run, Exams((tmp_path / "nowhere",), key=hospital.key))
    assert not (tmp_path / "staged.csv").exists()
    (tmp_path / "staged.csv").write_text("mine")
    with pytest.raises(RunError, match="exists; choose another --out"):
        predict_files(hospital.run, Exams((source,), key=hospital.key), tmp_path / "staged.csv")


def test_a_run_from_before_says_so(hospital: TrainedHospital, tmp_path: Path) -> None:
    shutil.copytree(hospital.run, tmp_path / "old")
    (tmp_path / "old" / "intake.json").unlink()
    with pytest.raises(RunError, match="does not say how its pictures were read"):
        predict_files(tmp_path / "old", Exams((hospital.source,), key=hospital.key))
    (tmp_path / "old" / "intake.json").write_text("{")
    with pytest.raises(RunError, match=r"intake\.json"):
        predict_files(tmp_path / "old", Exams((hospital.source,), key=hospital.key))


def test_pictures_that_do_not_say_whose_they_are_are_named_by_a_csv(
    pictures_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "key"))
    source = make_source(tmp_path / "source", 2, ()).folder
    rows = [["pictures/P000_LSTE_0.png", "NEW1", "LSTE"], ["pictures/P001_LUS_0.png", "NEW2", "LUS"]]
    listed = write_rows(tmp_path / "today.csv", ["file", "patient_id", "modality"], [list(row) for row in rows])
    found, _ = predict_files(pictures_run, Exams((source,), listed))
    assert [one.patient_id for one in found.staged] == ["NEW1", "NEW2"]
    assert found.staged[0].pictures == {"LSTE": 1, "LUS": 0}
    bad = write_rows(tmp_path / "bad.csv", ["file", "patient_id"], [["a.png", "NEW1"]])
    with pytest.raises(IntakeError, match="modality"):
        predict_files(pictures_run, Exams((source,), bad))


def test_what_was_measured_comes_with_the_files(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "key"))
    sets = [one for one in SMALL if not one.startswith("active")]
    train(cohort, plan_for(cohort, {}, [*sets, 'network.modalities=["LSTE","table"]']), tmp_path / "run")
    source = make_source(tmp_path / "source", 2, ()).folder
    rows = [["pictures/P000_LSTE_0.png", "NEW1", "LSTE"], ["pictures/P001_LSTE_0.png", "NEW2", "LSTE"]]
    listed = write_rows(tmp_path / "today.csv", ["file", "patient_id", "modality"], [list(row) for row in rows])
    measured = write_rows(tmp_path / "P.csv", ["patient_id", "age"], [["NEW1", "61"]])
    found, _ = predict_files(tmp_path / "run", Exams((source,), listed, patients=measured))
    assert [one.pictures for one in found.staged] == [{"LSTE": 1, "table": 1}, {"LSTE": 1, "table": 0}]
    assert "no measurement (table)" in found.staged[1].reasons


def test_exams_in_a_bucket_are_staged_as_their_files_are(bucket: BucketOfTests, hospital: TrainedHospital) -> None:
    one = hospital.source / "3" / "map.dcm"
    bucket.put("today/map.dcm", one.read_bytes())
    there = predict(hospital.run, f"{bucket.address}/today", key=hospital.key)
    same = predict(hospital.run, f"{bucket.address}/today/map.dcm", key=hospital.key)
    here = predict(hospital.run, one, key=hospital.key)
    assert_frame_equal(there.table, here.table)
    assert_frame_equal(same.table, here.table)
