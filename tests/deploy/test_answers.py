"""A folder of answers: whole or absent, the same in every form, with pages and reports of whom they could be made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pydicom
import pytest
from typer.testing import CliRunner

from fibrostage import RESEARCH_USE
from fibrostage.cli.app import app
from fibrostage.cohort.store import Cohort
from fibrostage.deploy import answers
from fibrostage.deploy.answers import Wanted, asked_of, file_names, page_of, write_answers
from fibrostage.deploy.package import package
from fibrostage.deploy.patient_page import page_html
from fibrostage.deploy.station import answer, open_station
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.heat_maps import HeatMaps
from fibrostage.learn.model import open_model
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.predict_cohort import stage_cohort
from fibrostage.learn.predict_files import Exams
from fibrostage.learn.train import train
from tests.intake.hospital import PLAN, put, table
from tests.loop import SMALL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("answers")


@pytest.fixture(scope="module")
def hospital(folder: Path) -> Cohort:
    for number in range(10):
        put(folder / "source", f"{number}/map.dcm", f"P{number}", number, 4.0 + 3 * number)
        put(folder / "source", f"{number}/grey.dcm", f"P{number}", 20 + number)
    listed = table(folder / "source", [[f"P{number}", f"F{number % 5}"] for number in range(10)])
    (folder / "key").write_text("5a" * 32)
    choices = Choices(key=folder / "key", workers=1)
    return take_in(Sources(folder / "source", listed), folder / "cohort", PLAN, choices=choices)


@pytest.fixture(scope="module")
def model(folder: Path, hospital: Cohort) -> Path:
    sets = [one for one in SMALL if not one.startswith("active")]
    train(hospital, plan_for(hospital, {}, sets), folder / "run", deploy=True)
    package(folder / "run", folder / "model", "a hospital's")
    return folder / "model"


def test_a_folder_holds_the_same_in_every_form(hospital: Cohort, model: Path, tmp_path: Path) -> None:
    opened = open_model(model)
    found = stage_cohort(opened, hospital)
    asked = asked_of(model, opened.plan, opened.plan.decision)
    assert asked.name == "a hospital's"
    assert write_answers(tmp_path / "out", found, hospital, asked, Wanted()) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    csv = pl.read_csv(tmp_path / "out" / "predictions.csv")
    parquet = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    told = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert csv["patient_id"].to_list() == parquet["patient_id"].to_list()
    assert [one["patient_id"] for one in told["patients"]] == csv["patient_id"].to_list()
    assert csv["p_F4"].to_list() == pytest.approx([one["probabilities"]["F4"] for one in told["patients"]])
    assert set(csv["answer"]) == {"cannot say"}, "ten patients teach nobody how often he is wrong"
    with pytest.raises(RunError, match="exists; choose another --out"):
        write_answers(tmp_path / "out", found, hospital, asked, Wanted())
    with pytest.raises(RunError, match="there is no folder"):
        write_answers(tmp_path / "no" / "out", found, hospital, asked, Wanted())


def test_a_full_disk_leaves_nothing(
    hospital: Cohort, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_model(model)
    found, asked = stage_cohort(opened, hospital), asked_of(model, opened.plan, opened.plan.decision)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(answers, "write_json", full)
    with pytest.raises(RunError, match="No space left on device"):
        write_answers(tmp_path / "out", found, hospital, asked, Wanted())
    assert not list(tmp_path.iterdir())


def test_files_come_back_with_pages_and_reports(folder: Path, model: Path, tmp_path: Path) -> None:
    put(tmp_path / "today", "one.dcm", "HOSP77123", 3, 9.0)
    put(tmp_path / "today", "two.dcm", "HOSP77123", 33, 9.5)
    line = ["predict", str(model), str(tmp_path / "today"), "--out", str(tmp_path / "out"), "--report", "--sr", "--sc"]
    done = CliRunner().invoke(app, [*line, "--key", str(folder / "key"), "--coverage", "0.8"])
    assert done.exit_code == 0, done.output
    (page,) = (tmp_path / "out" / "pages").glob("*.html")
    report, capture = sorted((tmp_path / "out" / "reports").glob("*.dcm"), key=lambda path: len(path.name))
    patient = pl.read_csv(tmp_path / "out" / "predictions.csv")["patient_id"][0]
    assert page.stem == report.stem == patient
    assert RESEARCH_USE in page.read_text()
    assert page.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    header, source = pydicom.dcmread(report), pydicom.dcmread(tmp_path / "today" / "one.dcm")
    assert header.StudyInstanceUID == source.StudyInstanceUID
    assert header.PatientID == "HOSP77123", "the archive's own id goes back to it"
    shown = pydicom.dcmread(capture)
    assert capture.name == f"{patient}-page.dcm"
    assert (shown.StudyInstanceUID, shown.PatientID) == (source.StudyInstanceUID, "HOSP77123")
    pixels = shown.pixel_array
    assert pixels.shape[1:] == (1241, 3), "A4 at 150 dots an inch"
    assert pixels.shape[0] % 1754 == 0
    assert 200 < pixels.mean() < 255, "a page, mostly white"
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.suffix != ".dcm":
            assert b"HOSP77123" not in path.read_bytes(), f"{path.name} names the patient"


def test_two_studies_are_answered_but_get_no_one_report(folder: Path, model: Path, tmp_path: Path) -> None:
    put(tmp_path / "today", "one.dcm", "P3", 3, 9.0)
    put(tmp_path / "today", "two.dcm", "P3", 33, 9.5)
    later = pydicom.dcmread(tmp_path / "today" / "two.dcm")
    later.StudyInstanceUID = "1.2.3.4"
    later.save_as(tmp_path / "today" / "two.dcm")
    found = answer(open_station(model), Exams((tmp_path / "today",), key=folder / "key"), Wanted(True, True))
    (patient,) = [one.patient_id for one in found.found.staged]
    assert patient in found.failed
    assert "stud" in found.failed[patient]
    assert not found.reports


def test_names_of_files_are_taken_by_every_system() -> None:
    names = file_names(["a/b", "a\\b", "A_B", "..", "é", "x" * 300])
    assert names["a/b"] == "a_b"
    assert len({name.casefold() for name in names.values()}) == 6
    assert all(name.isascii() and len(name) < 90 and not name.startswith(".") for name in names.values())


def test_what_predict_cannot_do_is_said(model: Path, hospital: Cohort, tmp_path: Path) -> None:
    run = CliRunner()
    line = ["predict", str(model), str(hospital.path)]
    for more, message in (
        (["--out", str(tmp_path / "a.csv"), "--sr"], "written to a folder"),
        (["--json", "--report"], "written to a folder"),
        (["--json", "--coverage", "1.5"], "coverage 1.5"),
        (["--json", "--npv", "0.2"], "npv 0.2"),
        ([], "needs --out"),
    ):
        done = run.invoke(app, [*line, *more])
        assert message in str(done.exception)


def test_pages_show_where_the_answer_lies(hospital: Cohort, model: Path, tmp_path: Path) -> None:
    opened = open_model(model)
    found, maps = stage_cohort(opened, hospital), HeatMaps(opened)
    one = found.staged[0]
    heat = maps.of(one, hospital)
    assert set(heat) == {(each.modality, each.row) for each in one.seen}
    assert all(np.isfinite(each).all() and each.std() > 0 for each in heat.values())
    asked = asked_of(model, opened.plan, opened.plan.decision)
    plain, shown = (page_html(page_of(one, found, hospital, asked, each)) for each in (None, heat))
    assert shown.count("data:image/png") == plain.count("data:image/png") + len(heat)
    with pytest.raises(PlanError, match="give --report or --sc too"):
        CliRunner().invoke(app, ["predict", str(model), str(hospital.path), "--out", str(tmp_path / "a"), "--heat"],
                           catch_exceptions=False)  # fmt: skip


def test_measurements_are_no_pictures_of_a_page(hospital: Cohort, folder: Path) -> None:
    aged = replace(hospital, patients=hospital.patients.with_columns(pl.lit(50.0).alias("age")))
    sets = [one for one in SMALL if not one.startswith("active")]
    train(aged, plan_for(aged, {}, [*sets, 'network.modalities=["SWE","table"]']), folder / "measured")
    opened = open_model(folder / "measured")
    found = stage_cohort(opened, aged)
    page = page_of(found.staged[0], found, aged, asked_of(folder / "measured", opened.plan, opened.plan.decision))
    assert {one.modality for one in page.pictures} == {"SWE"}
    assert "table" in page_html(page)
