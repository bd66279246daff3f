"""The container files: what they copy is there, what they install is ours, and what they run is a command that runs."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from fibrostage.cli.app import app
from fibrostage.deploy.package import package
from tests.trained import TrainedHospital

ROOT = Path(__file__).resolve().parents[2]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def compose() -> dict[str, dict[str, object]]:
    """The services that compose.yaml names."""
    services: dict[str, dict[str, object]] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    return services


def words_of(service: dict[str, object]) -> list[str]:
    """A service's command."""
    command = service["command"]
    assert isinstance(command, list)
    return [str(word) for word in command]


def runs(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The command gets as far as listening."""
    opened = []
    monkeypatch.setattr("fibrostage.serve.listen.serve", lambda *_: opened.append("http"))
    monkeypatch.setattr("fibrostage.serve.node.open_node", lambda *_: opened.append("dicom") or nullcontext())
    app(words, standalone_mode=False)
    assert opened == (["dicom", "http"] if "--dicom-port" in words else ["http"])


def test_the_image_copies_what_is_there_and_installs_what_is_ours() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    copied = [word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]]
    assert copied
    assert all((ROOT / word).exists() for word in copied)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{word}" for word in copied} == {line for line in ignored if line.startswith("!")}
    commands = " ".join(rest for name, rest in instructions() if name == "RUN")
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', commands)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    pinned = (ROOT / "requirements-demo.txt").read_text(encoding="utf-8")
    (torch,) = re.findall(r"torch==\S+", commands)
    assert torch in pinned


def test_what_the_containers_run_is_a_command_that_runs(
    hospital: TrainedHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(hospital.run, tmp_path / "model")
    monkeypatch.setenv("FIBROSTAGE_TOKENS", "a-token-of-sixteen-letters")
    places = {"/model": str(tmp_path / "model"), "/spool": str(tmp_path / "spool")}
    (entry,) = [json.loads(rest) for name, rest in instructions() if name == "ENTRYPOINT"]
    (usual,) = [json.loads(rest) for name, rest in instructions() if name == "CMD"]
    assert entry == ["fibrostage"]
    for words in (usual, words_of(compose()["fibrostage"])):
        runs([places.get(word, word) for word in words], monkeypatch)


def test_the_services_fit_each_other() -> None:
    services = compose()
    words, archive = words_of(services["fibrostage"]), services["orthanc"]["environment"]
    said = {word: following for word, following in pairwise(words) if word.startswith("--")}
    exposed = next(rest for name, rest in instructions() if name == "EXPOSE").split()
    assert exposed == [said["--port"], said["--dicom-port"]]
    assert isinstance(archive, dict)
    known = json.loads(archive["ORTHANC__DICOM_MODALITIES"])["fibrostage"]
    assert known == [said["--ae-title"], "fibrostage", int(said["--dicom-port"])]
    assert said["--send-to"].split("@")[0] == archive["ORTHANC__DICOM_AET"]
    assert said["--allow"] == f"{archive['ORTHANC__DICOM_AET']}@orthanc"
    mounted = next(rest for name, rest in instructions() if name == "VOLUME")
    assert said["--spool"] in json.loads(mounted)
    for service in services.values():
        ports = service.get("ports", [])
        assert isinstance(ports, list)
        assert all(str(port).startswith("127.0.0.1:") for port in ports), "nothing is open to the network by itself"
