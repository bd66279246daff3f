"""The mark of a simulated picture: no patient was examined, and nothing was drawn upon it since it was written."""

from __future__ import annotations

import hashlib
from typing import Any

from fibrostage import SIMULATED
from fibrostage.dicom.elements import text_of


def mark(dataset: Any) -> None:
    """Marks a dataset, whose pixel data are what they will be, as simulated."""
    dataset.ImageComments = SIMULATED
    dataset.DerivationDescription = f"{SIMULATED} {digest(dataset)}"


def says_simulated(dataset: Any) -> bool:
    """Whether a file's comments say that no patient was examined."""
    return SIMULATED in text_of(dataset, "ImageComments", "PatientComments", "ContentLabel")


def is_untouched(dataset: Any) -> bool:
    """Whether a simulated picture is as it was written: what stands in it names nobody."""
    return text_of(dataset, "DerivationDescription") == f"{SIMULATED} {digest(dataset)}"


def digest(dataset: Any) -> str:
    return hashlib.sha256(bytes(dataset.get("PixelData") or b"")).hexdigest()[:16]
