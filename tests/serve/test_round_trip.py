"""A SIMULATED hospital: its archive sends exams to a node with a trained model, and has the reports in the studies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from fibrostage import SIMULATED
from fibrostage.deploy.station import Station, open_station
from fibrostage.dicom.web import WebInstance, fetch_study, instances, parse_archive, push
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.predict_files import Exams, predict_files
from fibrostage.learn.train import train
from fibrostage.serve.associations import parse_caller
from fibrostage.serve.dicomweb import take_file, take_study
from fibrostage.serve.node import NodeSettings, open_node
from fibrostage.serve.send import Peer
from fibrostage.serve.spool import Spool
from tests.dicom.staged_exam import items_of
from tests.intake.hospital import PLAN, put, screen, table
from tests.loop import SMALL
from tests.serve.pacs import NOBODY, Receiver, says_f2, send, settings, until
from tests.services import Orthanc


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten patients' screens, a cohort of them, and a run."""
    folder = tmp_path_factory.mktemp("hospital")
    for number in range(10):
        put(folder / "source", f"{number}/map.dcm", f"P{number}", number, 4.0 + 3 * number)
        put(folder / "source", f"{number}/grey.dcm", f"P{number}", 20 + number)
    listed = table(folder, [[f"P{number}", f"F{number % 5}"] for number in range(10)])
    (folder / "key").write_text("5a" * 32)
    sources = Sources(folder / "source", listed)
    cohort = take_in(sources, folder / "cohort", PLAN, choices=Choices(key=folder / "key", workers=1))
    train(cohort, plan_for(cohort, {}, [one for one in SMALL if not one.startswith("active")]), folder / "run")
    return folder


@pytest.fixture(scope="module")
def station(hospital: Path) -> Station:
    return open_station(hospital / "run")


def exam_of(hospital: Path, number: int) -> list[Path]:
    return sorted((hospital / "source" / str(number)).iterdir())


def with_archive(orthanc: Orthanc, spool: Path, **more: object) -> NodeSettings:
    """A node that the archive knows, and that knows it."""
    asked = settings(spool, Peer("ORTHANC", "127.0.0.1", orthanc.dicom_port), port=orthanc.node_port)
    return replace(asked, allow=(parse_caller("ORTHANC@127.0.0.1"),), **more)  # type: ignore[arg-type]


def sends_to_the_node(orthanc: Orthanc, study: str) -> None:
    """The archive sends a study to the node, as its operator or a rule of its own has it do."""
    (known,) = orthanc.ask("tools/find", {"Level": "Study", "Query": {"StudyInstanceUID": study}})  # type: ignore[misc]
    orthanc.ask("modalities/node/store", {"Resources": [known], "Synchronous": True})


def reports_in(orthanc: Orthanc, study: str) -> list[WebInstance]:
    """The structured reports of a study, as its archive lists them."""
    return [one for one in instances(parse_archive(orthanc.web)[0], study) if one.modality == "SR"]


def test_an_exam_goes_round_and_says_what_predict_says(
    orthanc: Orthanc, hospital: Path, station: Station, tmp_path: Path
) -> None:
    exam, heard = exam_of(hospital, 3), list[str]()
    study = str(pydicom.dcmread(exam[0]).StudyInstanceUID)
    assert send(orthanc.dicom_port, exam, "SCANNER", "ORTHANC") == [0, 0]
    with open_node(station, with_archive(orthanc, tmp_path / "spool"), heard.append) as node:
        sends_to_the_node(orthanc, study)
        until(lambda: reports_in(orthanc, study), 120)
        until(lambda: node.counts() == {"sent": 1})
        sends_to_the_node(orthanc, study)  # with the report in it, as a rule of the archive may
        until(lambda: any("not sent again" in line for line in heard), 120)
    (listed,) = reports_in(orthanc, study)
    archive = parse_archive(orthanc.web)[0]
    fetch_study(archive, study, tmp_path / "back", ("SR",))
    report = pydicom.dcmread(tmp_path / "back" / f"{listed.instance}.dcm")
    found, _ = predict_files(hospital / "run", Exams(tuple(exam), key=hospital / "key"))
    (staged,) = found.staged
    said = {code: value for kind, code, value in items_of(report) if kind == "NUM"}
    for stage, probability in staged.probabilities.items():
        assert said[f"P-{stage}"] == probability
    assert report.PatientID == "P3"
    assert SIMULATED in report.PatientComments
    told = "\n".join([*heard, *(path.read_text() for path in tmp_path.rglob("*.json"))])
    assert not any(secret in told for secret in (study, listed.instance, "INVENTED"))


def test_what_the_model_cannot_stage_is_put_aside_with_the_reason(
    hospital: Path, station: Station, tmp_path: Path
) -> None:
    whole = exam_of(hospital, 8)[1].read_bytes()
    put(tmp_path, "cut.dcm", "CUT-SHORT", 1, 9.0)
    cut = (tmp_path / "cut.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(cut[: len(cut) // 2])
    put(tmp_path, "odd.dcm", "NO-RULE", 2, series_description="HANNAH^SECRET kidney")
    put(tmp_path, "blank.dcm", "BLANK", 3, pixels=screen(3) * 0)
    put(tmp_path, "nobody.dcm", "", 4)
    heard: list[str] = []
    with Receiver().running() as receiver:
        asked = settings(tmp_path / "spool", receiver.peer)
        with open_node(station, asked, heard.append) as node:
            (tmp_path / "good.dcm").write_bytes(whole)
            for name in ("odd", "blank", "nobody", "good"):
                assert send(node.port, [tmp_path / f"{name}.dcm"]) == [0]
            assert take_file(node.spool, tmp_path / "cut.dcm")
            until(lambda: node.counts() == {"failed": 4, "sent": 1}, 120)
    told = "\n".join(heard)
    for why in (
        "no picture can be used: no rule of the plan says what it is",
        "no picture can be used: does not say whose it is",
        "no picture can be used: the probe is off the skin",
        "no picture can be used: says 1 frame and holds 0",
    ):
        assert why in told
    for secret in ("HANNAH", "SECRET", "CUT-SHORT", "NO-RULE", "BLANK"):
        assert secret not in told


def test_an_archive_that_is_killed_gets_its_report_when_it_is_back(
    orthanc: Orthanc, hospital: Path, tmp_path: Path
) -> None:
    exam = exam_of(hospital, 4)
    study = str(pydicom.dcmread(exam[0]).StudyInstanceUID)
    push(parse_archive(orthanc.web)[0], exam)
    with open_node(NOBODY, with_archive(orthanc, tmp_path / "spool", quiet=1.0), answering=says_f2) as node:
        sends_to_the_node(orthanc, study)
        orthanc.kill()
        until(lambda: waits(tmp_path / "spool", "cannot be reached"))
        orthanc.start()
        until(lambda: node.counts() == {"sent": 1})
    assert len(reports_in(orthanc, study)) == 1


def waits(spool: Path, why: str) -> bool:
    """Whether a study of the spool waits for this reason."""
    states = [json.loads(path.read_text()) for path in spool.glob("studies/*/state.json")]
    return any(state["name"] == "answered" and why in (state["reason"] or "") for state in states)


def test_reports_go_back_over_dicomweb(orthanc: Orthanc, hospital: Path, tmp_path: Path) -> None:
    exam = exam_of(hospital, 5)
    study = str(pydicom.dcmread(exam[0]).StudyInstanceUID)
    push(parse_archive(orthanc.web)[0], exam)
    asked = replace(with_archive(orthanc, tmp_path / "spool"), send_to=None, dicomweb=orthanc.web)
    orthanc.kill()
    with open_node(NOBODY, replace(asked, allow=()), answering=says_f2) as node:
        send(node.port, exam)
        until(lambda: waits(tmp_path / "spool", "cannot be reached"))
        orthanc.start()
        until(lambda: node.counts() == {"sent": 1})
    assert len(reports_in(orthanc, study)) == 1


def test_a_study_that_comes_in_part_is_completed_over_dicomweb(
    orthanc: Orthanc, hospital: Path, tmp_path: Path
) -> None:
    exam = exam_of(hospital, 6)
    study = str(pydicom.dcmread(exam[0]).StudyInstanceUID)
    push(parse_archive(orthanc.web)[0], exam)
    asked = replace(with_archive(orthanc, tmp_path / "spool"), allow=(), dicomweb=orthanc.web)
    with open_node(NOBODY, replace(asked, keep=0.0), answering=says_f2) as node:
        send(node.port, exam)
        until(lambda: not node.counts())
    with open_node(NOBODY, asked, answering=says_f2) as node:
        send(node.port, exam[:1])  # one of them again, the others are gone
        until(lambda: node.counts() == {"sent": 1})
        assert len(node.spool.files(node.spool.name_of(study))) == 2
    assert len(reports_in(orthanc, study)) == 1, "the same report"


def test_a_study_is_pulled_into_a_spool_once(orthanc: Orthanc, hospital: Path, tmp_path: Path) -> None:
    exam = exam_of(hospital, 7)
    study = str(pydicom.dcmread(exam[0]).StudyInstanceUID)
    archive = parse_archive(orthanc.web)[0]
    push(archive, exam)
    spool = Spool(tmp_path / "spool")
    assert take_study(spool, archive, study) == 2
    assert take_study(spool, archive, study) == 0
    assert spool.counts() == {"arriving": 1}
    assert list((spool.folder / "arriving").iterdir()) == []
