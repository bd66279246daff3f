"""Real DICOM files of pydicom, pydicom-data and deid-data, opened; a test skips where one is not at hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from fibrostage.dicom.file import Dicom
from fibrostage.intake.read.media import open_medium

ANY = ("US", "OT", "CR", "")


def real(name: str) -> Path:
    """A file of pydicom's, of pydicom-data's or of deid-data's."""
    folders = [Path(pydicom.__file__).parent / "data" / "test_files"]
    for package, inside in (("data_store", "data"), ("deid_data", "data/ultrasounds")):
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:
            folders.append(Path(found.origin).parent / inside)
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        pytest.skip(f"{name} is not at hand: pip install pydicom-data deid-data")
    return path


def opened(path: Path) -> Dicom:
    medium = open_medium(path, ANY)
    assert isinstance(medium, Dicom)
    return medium


def frame(path: Path, index: int = 0) -> NDArray[np.uint8]:
    ((found, _, pixels),) = opened(path).frames([index])
    assert found == index
    return pixels


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())
