"""No worker outlives its parent, however that ends, and the same command goes on afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fibrostage.cohort.store import Cohort

STUDY = """
name = "ends"
cohort = "{cohort}"
[grid]
modalities = [["LSTE"], ["LUS"]]
seeds = [0, 1, 2]
[plan.network]
backbone = "tiny"
weights = "random"
[plan.training]
epochs = {epochs}
"""


def alive(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def members(group: int) -> list[str]:
    found = subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True, check=False)
    return found.stdout.split()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked at in /proc")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGHUP", "SIGINT"])
def test_a_study_that_ends_takes_its_workers_along(cohort: Cohort, tmp_path: Path, how: str) -> None:
    file, out = tmp_path / "study.toml", tmp_path / "out"
    file.write_text(STUDY.format(cohort=cohort.path, epochs=20_000))
    command = [sys.executable, "-m", "fibrostage", "study", str(file), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 120
    while not list(out.glob("runs/*/ledger.sqlite")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    workers = members(process.pid)
    assert len(workers) > 1, process.poll()
    sent = getattr(signal, how)
    if how == "SIGINT":
        os.killpg(process.pid, sent)
    else:
        process.send_signal(sent)
    _, said = process.communicate(timeout=300)
    assert process.returncode == {"SIGKILL": -9, "SIGHUP": 143, "SIGINT": 130}[how]
    assert "Traceback" not in said
    until = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, workers))
    assert not list(out.glob("runs/*/*.partial"))
