"""Loops as scanners keep them in DICOM: coded as one video, wrapped in fragments."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.uid import UID

SYNTAX = "1.2.840.10008.1.2.4."
KINDS = {  # transfer syntax: coder, container
    "100": ("mpeg2video", "mpeg"),
    "101": ("mpeg2video", "mpegts"),
    "101.1": ("mpeg2video", "mpeg2video"),
    "102": ("libx264", "mp4"),
    "103": ("libx264", "mpegts"),
    "104": ("libx264", "h264"),
    "105": ("libx264", "mp4"),
    "106": ("libx264", "mpegts"),
    "107": ("libx265", "mp4"),
    "107.bare": ("libx265", "hevc"),
    "108": ("libx265", "mpegts"),
}


def coded(frames: Sequence[NDArray[np.uint8]], coder: str, container: str) -> bytes:
    """Frames [H, W] or [H, W, 3] as a video of nearly their pixels."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    options = {"x265-params": "log-level=none:pools=1:crf=8"} if coder == "libx265" else {"crf": "8"}
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(coder, rate=25, options=options if coder.startswith("lib") else {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 12_000_000
        for pixels in frames:
            rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")))
        out.mux(stream.encode())
    return file.getvalue()


def as_video(path: Path, kind: str = "102", keep: float = 1.0, fragments: int = 1, **tags: Any) -> Path:
    """Turns a multi-frame file into one with a video of the same frames, or of this share of its stream."""
    data = pydicom.dcmread(path)
    frames = list(data.pixel_array)
    whole = coded(frames, *KINDS[kind])
    stream = whole[: int(len(whole) * keep)]
    data.PixelData = encapsulate([stream], fragments_per_frame=fragments)
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = UID(SYNTAX + kind.removesuffix(".bare"))
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "YBR_PARTIAL_420", 0
    for keyword, value in tags.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    data.save_as(path, enforce_file_format=True)
    return path
