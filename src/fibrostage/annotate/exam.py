"""An exam as a reader sees it: its pictures by modality, and nothing of who it is or what anybody thinks of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from fibrostage.cohort.colour_bar import ColourBar, bar_of
from fibrostage.cohort.store import Cohort
from fibrostage.cohort.tables import BOX
from fibrostage.loop.opened import Loop
from fibrostage.loop.questions import rows_shown

Box = tuple[int, int, int, int]
KEPT = 256  # pictures ready to be sent


@dataclass(frozen=True)
class ExamPicture:
    """A picture: its hash, its side in pixels, the region's box in them, the stiffness in kPa, which loop of frames
    it belongs to, 0 for none, and its colour bar."""

    sha: str
    size: int
    box: Box | None
    kpa: float | None
    loop: int
    bar: ColourBar | None = None


@dataclass(frozen=True)
class ExamModality:
    """The pictures of one kind; `grey` pictures may be brightened, colours may not."""

    name: str
    grey: bool
    pictures: tuple[ExamPicture, ...]


@dataclass(frozen=True)
class ShownExam:
    """What is read at once. `token` is what an answer names it by; `readings` are stages said, not who said them."""

    token: str
    number: int
    modalities: tuple[ExamModality, ...]
    readings: tuple[str, ...] = ()

    @property
    def hashes(self) -> frozenset[str]:
        """The hashes of its pictures."""
        return frozenset(picture.sha for modality in self.modalities for picture in modality.pictures)


def modalities_of(loop: Loop, item: int, moved: Mapping[str, Box]) -> tuple[ExamModality, ...]:
    """The pictures of an item, kind after kind; `moved` are boxes that readers corrected, by the picture's hash."""
    cohort, modalities = loop.setting.cohort, []
    for name, rows in rows_shown(loop, item).items():
        if len(rows):
            stored = cohort.modality(name)
            table = cohort.images_of(name)[rows.tolist()]
            pictures = tuple(picture_of(row, stored.size, moved) for row in with_loops(table).iter_rows(named=True))
            modalities.append(ExamModality(name, stored.kind != "elastogram", pictures))
    return tuple(modalities)


def exam_of(loop: Loop, item: int, token: str, number: int, modalities: tuple[ExamModality, ...]) -> ShownExam:
    """An item as an exam, with its pictures."""
    said = tuple(
        loop.classes[reading.stage] if reading.stage >= 0 else reading.reason or "unusable"
        for reading in loop.state.readings.get(item, ())
    )
    return ShownExam(token, number, modalities, said)


def with_loops(table: pl.DataFrame) -> pl.DataFrame:
    """Pictures with the number of the loop of frames that they are of: those of one file with several frames."""
    frames = pl.col("frame").is_not_null() & (pl.len().over("source") > 1)
    return table.with_columns(_loop=pl.when(frames).then(pl.col("source").rank("dense").cast(pl.Int64)).otherwise(0))


def picture_of(row: Mapping[str, object], size: int, moved: Mapping[str, Box]) -> ExamPicture:
    """A picture of the images table, by column."""
    sha, kpa = str(row["sha256"]), row["kpa"]
    corners = [row[name] for name in BOX]
    box = moved.get(sha)
    if box is None and all(isinstance(each, int) for each in corners):
        x, y, w, h = (int(str(each)) for each in corners)
        box = (x, y, w, h)
    stiffness = float(kpa) if isinstance(kpa, float) else None
    return ExamPicture(sha, size, box, stiffness, int(str(row["_loop"])), bar_of(row))


def png_of(loop: Loop, sha: str) -> bytes | None:
    """A picture as PNG, by the hash of its pixels; None where no cohort of the loop has it."""
    for name in loop.setting.cohort.modality_names:
        row = rows_by_hash(loop.setting.cohort, name).get(sha)
        if row is not None:
            return encoded(np.asarray(loop.setting.cohort.pixels(name)[row]).tobytes(), *shape_of(loop, name))
    return None


def shape_of(loop: Loop, modality: str) -> tuple[int, int]:
    """Side and channels of a modality's pictures."""
    stored = loop.setting.cohort.modality(modality)
    return stored.size, stored.channels


_ROWS: dict[tuple[str, str], dict[str, int]] = {}


def rows_by_hash(cohort: Cohort, modality: str) -> dict[str, int]:
    """Rows of a modality's pictures by their hash; those of the last cohort are kept."""
    key = (cohort.fingerprint, modality)
    if key not in _ROWS:
        for old in [other for other in _ROWS if other[0] != cohort.fingerprint]:
            del _ROWS[old]
        _ROWS[key] = {sha: row for row, sha in enumerate(cohort.picture_hashes(modality))}
    return _ROWS[key]


@lru_cache(maxsize=KEPT)
def encoded(pixels: bytes, size: int, channels: int) -> bytes:
    """Stored pixels as PNG."""
    array: NDArray[np.uint8] = np.frombuffer(pixels, dtype=np.uint8).reshape(size, size, channels)
    buffer = io.BytesIO()
    Image.fromarray(array[..., 0] if channels == 1 else array).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
