"""Decoded DICOM samples → 8-bit grey or RGB, as the screen showed them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.dicom.elements import number_of

with suppress(ImportError):  # the extra [dicom]
    from pydicom.pixels.processing import apply_color_lut


def eight_bit(array: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    """Turns decoded samples `array` [H, W] or [H, W, 3] into 8-bit grey [H, W] or RGB [H, W, 3], as the screen showed
    them; a palette's indices [H, W] become RGB."""
    photometric = str(dataset.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        coloured = apply_color_lut(array, dataset)
        if coloured.dtype != np.uint8 and largest_entry(dataset) > 255:  # some keep 8-bit values in 16-bit entries
            coloured = coloured >> 8
        return coloured[..., :3].astype(np.uint8)
    if array.dtype != np.uint8:
        array = narrowed(array, dataset)
    if photometric == "MONOCHROME1":
        array = 255 - array
    return np.asarray(array, dtype=np.uint8)


def largest_entry(dataset: Any) -> int:
    """Returns the largest entry of a palette's tables; 65535 where they are segmented, as those are of 16 bits."""
    tables = (dataset.get(f"{colour}PaletteColorLookupTableData") for colour in ("Red", "Green", "Blue"))
    entries = [np.frombuffer(table, dtype=np.uint16).max(initial=0) for table in tables if table]
    return int(max(entries, default=65535))  # segmented tables are of 16 bits


def narrowed(array: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    """Brings samples `array` [H, W] or [H, W, 3] of more than 8 bits to uint8 of the same shape: by the window where
    there is one, else by the bits that are stored."""
    stored = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    centre, width = number_of(dataset, "WindowCenter"), number_of(dataset, "WindowWidth")
    values = array.astype(np.float32)
    if centre is not None and width is not None and width > 1:
        slope, intercept = number_of(dataset, "RescaleSlope"), number_of(dataset, "RescaleIntercept")
        values = values * (1.0 if slope is None else slope) + (intercept or 0.0)
        low, span = centre - 0.5 - (width - 1) / 2, width - 1
    else:
        signed = bool(dataset.get("PixelRepresentation"))
        low, span = (-(2.0 ** (stored - 1)) if signed else 0.0), 2.0**stored - 1
    return np.asarray(np.clip((values - low) / span * 255, 0, 255).round(), dtype=np.uint8)
