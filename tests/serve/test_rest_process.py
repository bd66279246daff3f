"""The service as its users start it: who may ask, what it leaves behind, and when it does not begin at all."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from fibrostage.cli.app import app as command_line
from fibrostage.ground.errors import FibrostageError, RunError
from fibrostage.ground.files import owner
from fibrostage.learn.predict_files import Exams, predict_files
from fibrostage.serve.listen import PREFIX, own_folder
from fibrostage.serve.tokens import VARIABLE, read_tokens
from tests.serve.rest_service import Files, ServiceProcess
from tests.serve.test_rest import numbers
from tests.trained import TrainedHospital

Started = Callable[..., ServiceProcess]
TOKEN = "a-token-that-nobody-guesses"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def ask(server: ServiceProcess, files: Files, **more: object) -> httpx2.Response:
    parts = [("files", one) for one in files]
    return httpx2.post(f"{server.address}/exams", files=parts, timeout=120, **more)  # type: ignore[arg-type]


def go_away_within(server: ServiceProcess, content: bytes) -> None:
    """A client that says it sends much, sends some, and is gone."""
    head = (
        f"POST /exams HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 5000000\r\n"
        "Content-Type: multipart/form-data; boundary=cut\r\n\r\n--cut\r\n"
        'Content-Disposition: form-data; name="files"; filename="x"\r\n\r\n'
    )
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(head.encode() + content)
        for _ in range(500):
            if server.left():
                return
            time.sleep(0.01)
    raise AssertionError("nothing was stored")


def nothing_left(server: ServiceProcess) -> bool:
    """Whether everything temporary is gone, within seconds."""
    for _ in range(500):
        if not server.left():
            return True
        time.sleep(0.02)
    return False


def test_it_answers_as_predict_does_and_leaves_nothing_behind(
    started: Started, hospital: TrainedHospital, tmp_path: Path
) -> None:
    (tmp_path / "tokens").write_text(f"# of the ward\n\n{TOKEN}  # theirs\n")
    server = started("--token-file", str(tmp_path / "tokens"), "--readers", "1", "--max-mb", "8")
    sent = [(f"{kind}.dcm", (hospital.source / "5" / f"{kind}.dcm").read_bytes()) for kind in ("grey", "map")]
    expected = predict_files(hospital.run, Exams((hospital.source / "5",), key=hospital.key))[0].as_dict()
    assert ask(server, sent).status_code == 401
    answer = ask(server, sent, headers=BEARER)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert isinstance(found.pop("caveats"), list)
    assert numbers(found) == numbers(json.loads(json.dumps(expected)))
    large = [("large", b"x" * 9_000_000)]
    assert ask(server, large, headers=BEARER).json() == {"detail": "at most 8 MB at once"}
    go_away_within(server, b"x" * 200_000)
    assert nothing_left(server)

    answers: list[int] = []
    last = threading.Thread(target=lambda: answers.append(ask(server, sent, headers=BEARER).status_code))
    last.start()
    for _ in range(500):
        if server.left():
            break
        time.sleep(0.01)
    assert server.end() == 143
    last.join()
    assert answers == [200], "who had asked is answered"
    assert list((server.folder / "tmp").iterdir()) == []
    said = server.log
    assert f"exams are answered at {server.address}/exams" in said
    assert "SIMULATED" in said
    assert "not a medical device" in said
    for secret in (TOKEN, "grey.dcm", "map.dcm", "P5", "INVENTED", "Traceback"):
        assert secret not in said


def test_it_does_not_begin_where_strangers_could_ask_or_listen(
    hospital: TrainedHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(*options: str) -> str:
        with pytest.raises(FibrostageError) as error:
            command_line(["serve", str(hospital.run), *options], standalone_mode=False)
        return str(error.value)

    monkeypatch.delenv(VARIABLE, raising=False)
    assert "would answer whoever asks" in refusal("--host", "0.0.0.0", "--behind-proxy")
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert "to whoever listens on the network" in refusal("--host", "0.0.0.0")
    assert "go together" in refusal("--cert", str(tmp_path))
    assert "there is no such folder" in refusal("--keep", str(tmp_path / "nowhere"))
    assert "cannot read the tokens" in refusal("--token-file", str(tmp_path / "nowhere"))
    assert "no such file" in refusal("--intake-key", str(tmp_path / "nowhere"))
    assert "coverage 7.0" in refusal("--coverage", "7")


def test_tokens_are_read_and_must_not_be_guessed(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# none\n{TOKEN}\n\n")
    tokens = read_tokens(file, {VARIABLE: f"another-{TOKEN}, third-{TOKEN}"})
    assert len(tokens.digests) == 3
    for token in (TOKEN, f"another-{TOKEN}", f"third-{TOKEN}"):
        assert tokens.admit(token)
    for wrong in ("", None, TOKEN[:-1], f"# none\n{TOKEN}", "\udc80"):
        assert not tokens.admit(wrong)
    assert read_tokens(None, {}).admit(None), "without a token everybody may ask"
    for text, words in (("# nothing\n", "holds no token"), ("short", "too short"), ("with a space in it", "be sent")):
        file.write_text(text)
        with pytest.raises(RunError, match=words) as error:
            read_tokens(file, {})
        assert "space" not in str(error.value)


def test_what_a_killed_service_left_goes_when_the_next_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    left = tmp_path / f".{PREFIX}.{owner().replace(str(os.getpid()), str(killed.pid))}-abc"
    (left / "upload-x").mkdir(parents=True)
    with own_folder() as alive:
        assert not left.exists()
        with own_folder():
            assert alive.exists(), "that of a service that runs stays"
    assert list(tmp_path.iterdir()) == []
