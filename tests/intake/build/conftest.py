"""Fixtures that several tests of intake's building share: a key, and a source of two good files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fibrostage.intake.privacy import VARIABLE


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "key"
    path.write_text("5a" * 32)
    monkeypatch.setenv(VARIABLE, str(path))
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A key, and a source of two good files."""
    from tests.intake.build.bad_files import KEY, write

    (tmp_path / "key").write_text(KEY.hex())
    write(tmp_path / "source" / "good1.dcm")
    write(tmp_path / "source" / "good2.dcm", patient="ID-2")
    return tmp_path
