"""Importing a module changes nothing outside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import importlib, logging, pkgutil, warnings
import matplotlib, numba, pydicom  # what they set themselves is their affair
before = numba.config.CACHE_DIR
levels = {name: logging.getLogger(name).level for name in ("pydicom", "numba", "matplotlib")}
filters = list(warnings.filters)
import fibrostage
for module in pkgutil.walk_packages(fibrostage.__path__, "fibrostage."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert numba.config.CACHE_DIR == before, numba.config.CACHE_DIR
assert {name: logging.getLogger(name).level for name in levels} == levels
"""


def test_no_module_has_effects_on_others(tmp_path: Path) -> None:
    environment = {**os.environ, "FIBROSTAGE_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (tmp_path / "cache").exists(), "and nothing is written"
