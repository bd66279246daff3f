"""Exams over HTTP: answered as the command line answers them, and refused in words where they cannot be."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from fibrostage.cli.app import app as command_line
from fibrostage.deploy.station import open_station
from fibrostage.ground.errors import RunError
from fibrostage.learn.predict_files import Exams, predict_files
from fibrostage.serve import queue as queue_module
from fibrostage.serve.schema import AnswerShape, VersionShape
from fibrostage.serve.tokens import Tokens, digest
from tests.conftest import make_source
from tests.intake.hospital import put
from tests.serve.rest_service import Files, Opened, Service
from tests.trained import TrainedHospital

Screens = Callable[..., Files]
TOKEN = "a-token-that-nobody-guesses"


def predicted(
    hospital: TrainedHospital, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *sources: Path
) -> dict[str, object]:
    """What `predict --json` says of files."""
    monkeypatch.setenv("FIBROSTAGE_KEY", str(hospital.key))
    command_line(["predict", str(hospital.run), *map(str, sources), "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def numbers(content: object) -> object:
    """The same with numbers to six digits, for exams are not staged in the company of the same others."""
    if isinstance(content, float):
        return round(content, 6)
    if isinstance(content, dict):
        return {key: numbers(value) for key, value in content.items()}
    return [numbers(one) for one in content] if isinstance(content, list) else content


def test_two_patients_are_answered_as_predict_answers_them(
    service: Service, screens: Screens, hospital: TrainedHospital, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    expected = predicted(hospital, monkeypatch, capsys, hospital.source / "3", hospital.source / "7")
    answer = service.ask(screens(3, 7))
    assert answer.status_code == 200, answer.text
    AnswerShape.model_validate(answer.json())
    found = answer.json()
    assert len(found["patients"]) == 2
    assert isinstance(found.pop("caveats"), list)
    assert numbers(found) == numbers(expected)
    assert service.left() == []


def test_what_cannot_be_read_is_told_by_the_clients_names_and_the_rest_is_staged(
    service: Service, screens: Screens
) -> None:
    grey, whole = screens(2)
    sent = [grey, whole, ("cut.dcm", whole[1][: len(whole[1]) // 2]), ("nothing.png", b""), ("notes.txt", b"hello")]
    answer = service.ask(sent)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["patients"]) == 1
    assert {one["file"] for one in answer.json()["refused"]} == {"cut.dcm", "nothing.png", "notes.txt"}
    assert "upload-" not in answer.text


def test_nothing_usable_is_said_in_words(service: Service) -> None:
    answer = service.ask([("../../etc/cut.dcm", b"\0" * 128 + b"DICM" + b"\1" * 40), ("empty.png", b"")])
    assert answer.status_code == 422
    told = answer.json()["detail"]
    assert "no picture could be taken in" in told
    assert "../../etc/cut.dcm" in told
    assert "empty.png" in told
    for words in (str(service.queue.folder), "upload-", "--skip-bad", "next call"):
        assert words not in told
    assert service.left() == []


def test_pages_reports_and_ids_come_when_they_are_asked_for(
    other_service: Opened, screens: Screens, tmp_path: Path
) -> None:
    import pydicom

    service = other_service(keep=tmp_path)
    answer = service.ask(screens(4), pages=True, reports=True, ids=True)
    assert answer.status_code == 200, answer.text
    AnswerShape.model_validate(answer.json())
    found = answer.json()
    (patient,) = found["patients"]
    assert patient["given_id"] == "P4"
    assert found["failed"] == {}
    assert "P4" in found["pages"][patient["patient_id"]]
    report = pydicom.dcmread(io.BytesIO(base64.b64decode(found["reports"][patient["patient_id"]])))
    assert (report.Modality, report.PatientID) == ("SR", "P4")
    (kept,) = tmp_path.iterdir()
    assert kept.stem == answer.headers["Answer-Number"]
    written = json.loads(kept.read_text())
    assert [one["patient_id"] for one in written["patients"]] == [patient["patient_id"]]
    assert "P4" not in kept.read_text().split('"')
    assert "given_id" not in kept.read_text()


def test_an_answer_that_cannot_be_kept_is_given_and_logged(
    other_service: Opened, screens: Screens, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = other_service(keep=tmp_path / "gone")
    answer = service.ask(screens(4))
    assert answer.status_code == 200
    assert "Answer-Number" not in answer.headers
    assert "could not be kept" in caplog.text


def test_pictures_that_do_not_say_whose_they_are_come_with_a_table(
    other_service: Opened, pictures_run: Path, tmp_path: Path
) -> None:
    folder = make_source(tmp_path / "source", 2, ()).folder
    named = ["file,patient_id,modality", "pictures/P000_LSTE_0.png,NEW1,LSTE", "pictures/P001_LUS_0.png,NEW2,LUS"]
    listed = tmp_path / "today.csv"
    listed.write_text("\n".join(named))
    expected = predict_files(pictures_run, Exams((folder,), listed))[0].as_dict()
    service = other_service(of=open_station(pictures_run))
    sent = [(name, (folder / "pictures" / name).read_bytes()) for name in ("P000_LSTE_0.png", "P001_LUS_0.png")]
    answer = service.ask(sent, "\n".join(named))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert isinstance(found.pop("caveats"), list)
    assert numbers(found) == numbers(json.loads(json.dumps(expected)))
    windows = ["file;patient_id;modality", r"pictures\P000_LSTE_0.png;NEW1;LSTE", "", "/etc/passwd;NEW1;LSTE"]
    answer = service.ask(sent, "\n".join([*windows, "../key;NEW1;LUS"]), ids=True)
    assert answer.status_code == 200, answer.text
    assert [one["given_id"] for one in answer.json()["patients"]] == ["NEW1"]
    refused = {one["file"]: one["reason"] for one in answer.json()["refused"]}
    assert refused.keys() == {"/etc/passwd", "../key"}
    assert all("no file" in reason for reason in refused.values())
    unnamed = service.ask(sent)
    assert unnamed.status_code == 422
    assert "send 'images', a CSV" in unnamed.json()["detail"]
    assert service.left() == []


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("file,patient_id\na.png,P1", "images: column 'modality' is missing"),
        ("file,patient_id,modality\na.png,P1", "images cannot be read:\n  images.csv row 2: has 2 values"),
        ("file,patient_id,modality\nmap.dcm,P1,SWE", "'map.dcm' may be 2 of the files that came"),
    ],
)
def test_a_table_that_cannot_be_followed_is_refused(service: Service, screens: Screens, table: str, words: str) -> None:
    answer = service.ask(screens(1, 2), table)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert service.left() == []


@pytest.mark.parametrize(
    "name", ["../../../escaped", "/tmp/escaped", "..\\escaped", "escaped\0.dcm", "\n", "a" * 5000, "Ünïcode 病人.dcm"]
)
def test_a_clients_name_is_no_path(service: Service, screens: Screens, name: str) -> None:
    """Whatever it is, it lands in the service's folder, and goes."""
    body = b"".join(
        b'--cut\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n'
        % (own.replace("\n", " ").encode(), content)
        for own, content in [(name, b"x"), *screens(5)]
    )
    headers = {"Content-Type": "multipart/form-data; boundary=cut"}
    answer = service.client.post("/exams", content=body + b"--cut--\r\n", headers=headers)
    assert answer.status_code in (200, 422), answer.text
    assert not list(service.queue.folder.parent.glob("*escaped*"))
    assert not Path("/tmp/escaped").exists()
    assert service.left() == []


def test_only_who_brings_a_token_is_answered(other_service: Opened, screens: Screens) -> None:
    service = other_service(tokens=Tokens((digest("another-token-of-theirs"), digest(TOKEN))))
    client = service.client
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        for method, path in (("POST", "/exams"), ("GET", "/version"), ("GET", "/metrics")):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json()["detail"].startswith("bring a token")
    assert client.get("/health").json() == {"status": "ok"}
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    assert service.ask(screens(1)).status_code == 200
    assert client.get("/version").status_code == client.get("/metrics").status_code == 200
    assert service.count("fibrostage_requests_total", outcome="unauthorised") == 3
    assert other_service(tokens=Tokens((digest(TOKEN),)), open_metrics=True).client.get("/metrics").status_code == 200


def test_it_says_who_it_is_and_counts_without_names(
    other_service: Opened, screens: Screens, hospital: TrainedHospital
) -> None:
    service = other_service()
    assert service.ask(screens(1, 2)).status_code == 200
    assert service.ask([("x.png", b"")]).status_code == 422
    told = VersionShape.model_validate(service.client.get("/version").json())
    assert (told.model, told.modalities, told.simulated) == ("run", ["SWE", "B"], True)
    assert told.digest == service.queue.station.model.digest
    assert "not a medical device" in told.notice
    text = service.client.get("/metrics").text
    assert 'fibrostage_requests_total{outcome="answered"} 1.0' in text
    assert 'fibrostage_requests_total{outcome="unreadable"} 1.0' in text
    assert "fibrostage_exams_total 1.0" in text
    assert "fibrostage_patients_staged_total 2.0" in text
    assert "fibrostage_queue_length 0.0" in text
    assert "fibrostage_seconds_count 1.0" in text
    assert service.client.get("/docs").status_code == 404
    assert other_service(docs=True).client.get("/docs").status_code == 200
    assert "/exams" in service.client.get("/openapi.json").json()["paths"]
    assert service.client.get("/version").headers["Cache-Control"] == "no-store"


def test_an_error_that_nobody_has_foreseen_is_logged_by_its_place_alone(
    service: Service, screens: Screens, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("INVENTED^name")

    with monkeypatch.context() as patch:
        patch.setattr(queue_module, "answer_together", fails)
        answer = service.ask(screens(1))
    assert answer.status_code == 500
    assert answer.json() == {"detail": "the service failed; its log says where"}
    assert "test_rest.py:" in caplog.text
    assert "INVENTED" not in caplog.text
    assert service.ask(screens(1)).status_code == 200
    assert service.left() == []


def test_what_the_model_cannot_do_is_told(service: Service, screens: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "answer_together", lambda *_: [RunError("gives no numbers")])
    assert service.ask(screens(1)).json() == {"detail": "gives no numbers"}


def test_no_name_of_a_file_or_a_patient_is_logged(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    put(tmp_path, "secret-name.dcm", "SECRETID", 3, 9.0)
    sent = (tmp_path / "secret-name.dcm").read_bytes()
    assert service.ask([("secret-name.dcm", sent), ("secret-too.png", b"")]).status_code == 200
    assert service.ask([("secret-too.png", b"")]).status_code == 422
    said = caplog.text + "".join(capfd.readouterr())
    own = "\n".join(line for line in said.splitlines() if "secret" in line.lower())
    assert own == "", own
