"""The headers of the files that an answer rests on, for reports that go back to the archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError


def read_sources(paths: Mapping[str, Path]) -> dict[str, pydicom.Dataset]:
    """The header of every file that is DICOM with an instance of its own, by its key; the others are left out."""
    found: dict[str, pydicom.Dataset] = {}
    for key, path in paths.items():
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, OSError):
            continue
        if "SOPInstanceUID" in header and "StudyInstanceUID" in header:
            found[key] = header
    return found
