"""A stopped intake goes on where it stopped, reads nothing twice, and shares its target with no other."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fibrostage.cohort.store import open_cohort, verify_pixels
from fibrostage.ground.errors import CohortError, FibrostageError
from fibrostage.ground.progress import Silent
from fibrostage.intake.build import journal
from fibrostage.intake.build import take_in as build
from fibrostage.intake.build import workers as gather
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.plan.run_plan import Plan
from tests import forked
from tests.intake.build.bad_files import MODALITY, NOTHING, PLAN, PLAN_DATA, edit, picture, take, write


class Saying(Silent):
    """Progress that keeps what was said."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_a_target_is_of_one_intake(tmp_path: Path) -> None:
    with (
        journal.alone_at(tmp_path / "cohort"),
        pytest.raises(CohortError, match="another intake into .* is running"),
        journal.alone_at(tmp_path / "cohort"),
    ):
        pass
    with journal.alone_at(tmp_path / "cohort"):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CohortError, match="cannot write to /proc"), journal.alone_at(Path("/proc/cohort")):
        pass


SLOW = """
import sys, time
from functools import partial
from fibrostage.cli.app import main
from fibrostage.intake.build import take_in
from fibrostage.intake.read.read_file import read_file
pauses = iter([0.01] * 60 + [PAUSE] * 1000)
def slow(job, setting):
    time.sleep(next(pauses))
    return read_file(job, setting)
take_in.read_all = partial(take_in.read_all, reader=slow)
main()
"""
AWAITED = 0.5  # seconds a file from the 61st on: an intake that is to be stopped does not end before that


def toml(data: dict[str, Any]) -> str:
    rows = [("[[modality]]", data["modality"][0]), ("[[rule]]", data["rule"][0]), ("[cine]", data["cine"])]
    return "\n".join("\n".join([head, *(f"{k} = {json.dumps(v)}" for k, v in row.items())]) for head, row in rows)


def words(place: Path, *options: str) -> list[str]:
    (place / "plan.toml").write_text(toml(PLAN_DATA))
    paths = ["--plan", "plan.toml", "--out", "cohort", "--key", "key"]
    return ["intake", "source", *paths, "--workers", "1", *options]


def slow_command(place: Path, pause: float = 0.01) -> list[str]:
    return [sys.executable, "-c", SLOW.replace("PAUSE", str(pause)), *words(place)]


def run(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return forked.run(*words(place, *options), cwd=place)


@pytest.fixture
def many(place: Path) -> Path:
    for number in range(148):
        write(place / "source" / f"{number:03d}.dcm", picture(number, (24, 32)), regions=(), burned_in="NO")
    return place


def entries(place: Path) -> int:
    """How many whole entries the journal has, by their lengths."""
    path, found, at = place / ".cohort.intake" / journal.ENTRIES, 0, 0
    if not path.exists():
        return 0
    with path.open("rb") as file:
        while len(head := file.read(journal.HEAD.size)) == journal.HEAD.size:
            at += journal.HEAD.size + journal.HEAD.unpack(head)[0]
            file.seek(at)
            found += at <= path.stat().st_size
    return found


def stop(place: Path, sign: signal.Signals, after: int = 40) -> tuple[int, str]:
    """Begins a slow intake and stops it once the journal has so many files; its exit code and stderr."""
    process = subprocess.Popen(
        slow_command(place, AWAITED), cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 300
    while entries(place) < after and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    while True:  # as one presses again where nothing happens: Python drops what falls into a finaliser
        process.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            _, err = process.communicate(timeout=20)
            return process.returncode, err


def test_a_killed_intake_goes_on_and_reads_nothing_twice(many: Path) -> None:
    code, _ = stop(many, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (many / "cohort").exists()
    done = entries(many)
    assert 40 <= done < 150
    edit(many / "source" / "000.dcm", ImageComments="changed in between")  # read before, and to be read again
    again = run(many)
    assert again.returncode == 0, again.stderr
    assert f"{done - 1} of 150 files were read before" in again.stderr
    assert f"reading files: {151 - done}/{151 - done}" in again.stderr
    cohort = open_cohort(many / "cohort")
    verify_pixels(cohort)
    undisturbed = take_in(Sources(many / "source"), many / "other", PLAN, choices=Choices(key=many / "key", workers=1))
    assert cohort.fingerprint == undisturbed.fingerprint
    assert not (many / ".cohort.intake").exists()


def test_a_killed_intake_leaves_nothing_once_it_went_on(place: Path) -> None:
    before = {path.name for path in place.iterdir()}
    (place / ".cohort.partial-killed").mkdir()
    (place / ".cohort.partial-killed" / "patients.parquet").touch()
    take(place)
    assert {path.name for path in place.iterdir()} == {*before, "cohort"}


def test_an_interrupted_intake_leaves_its_journal_alone_and_goes_on(many: Path) -> None:
    before = {path.name for path in many.iterdir()}
    code, err = stop(many, signal.SIGINT)
    assert code == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("stopped; no half cohort")
    assert {path.name for path in many.iterdir()} == {*before, ".cohort.intake", "plan.toml"}
    done = entries(many)
    said: list[str] = []
    cohort = take_in(
        Sources(many / "source"),
        many / "cohort",
        PLAN,
        progress=Saying(said),
        choices=Choices(key=many / "key", workers=1),
    )
    assert len(cohort.images) == 150
    assert said == [f"{done} of 150 files were read before"]
    assert {path.name for path in many.iterdir()} == {*before, "cohort", "plan.toml"}


def test_an_interruption_at_any_place_of_one_call_is_as_if_it_was_none(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another plan in between begins anew, and a journal that is damaged is read as far as it is whole."""
    whole = take(place).fingerprint
    (place / "cohort").rename(place / "first")
    read_all = gather.read_all

    def interrupted(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield next(iter(read_all(*args, **kwargs)))
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "read_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        take(place)
    assert entries(place) == 1
    with pytest.raises(KeyboardInterrupt):
        take(place, Plan.parse({**PLAN_DATA, "modality": [{**MODALITY, "size": 64}]}))
    assert entries(place) == 1
    path = place / ".cohort.intake" / journal.ENTRIES
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(build, "read_all", read_all)
    assert take(place).fingerprint == whole


@pytest.mark.long
def test_a_second_intake_at_once_into_the_same_target(many: Path) -> None:
    """One of them is whole and right; the other is refused in words, and nothing is left of it."""
    before = {path.name for path in many.iterdir()}
    first = subprocess.Popen(slow_command(many), cwd=many, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 300
    while entries(many) < 20 and first.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    failed = 0
    try:
        take(many)
    except FibrostageError:
        failed += 1
    _, err = first.communicate(timeout=300)
    failed += first.returncode != 0
    assert "Traceback" not in err
    assert failed == 1
    cohort = open_cohort(many / "cohort")
    verify_pixels(cohort)
    assert len(cohort.images) == 150
    assert {path.name for path in many.iterdir()} == {*before, "cohort", "plan.toml"}


def test_the_command_says_in_a_line_what_is_wrong_with_a_file_or_a_key(place: Path) -> None:
    (place / "source" / "bad.dcm").touch()
    before = {path.name for path in place.iterdir()} | {"plan.toml"}
    refused = run(place)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert f"  bad.dcm: {NOTHING} (it is empty)" in refused.stderr.splitlines()
    assert refused.stdout == ""
    (place / "key").write_text("rubbish")
    no_key = run(place, "--skip-bad")
    assert no_key.returncode == 1
    assert no_key.stderr == "error: key is no key: it must hold 64 hexadecimal digits\n"
    assert {path.name for path in place.iterdir()} == {*before, ".cohort.intake"}


def test_a_refused_intake_keeps_what_it_read(place: Path) -> None:
    """Mending one thing does not read everything again; nothing of the journal is left once it went through."""
    bad = place / "source" / "bad.dcm"
    bad.touch()
    refused = run(place)
    assert "What was read is kept for the next call, which reads only what has changed, in" in refused.stderr
    bad.unlink()
    assert "2 of 2 files were read before" in run(place).stderr
    assert (place / "cohort").is_dir()
    assert not (place / ".cohort.intake").exists()
