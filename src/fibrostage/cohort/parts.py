"""Pixels that lie in several files, as if they were one: how a cohort grows without a picture being copied, and how a
large one is not one huge file.

    pixels/<modality>.npy  pixels/<modality>.1.npy …  places.parquet

Row i of places.parquet says where the picture of row i of images.parquet lies: which of its modality's files, from 0,
and at which row there. A cohort of one file a modality, in the order of the table, has no places.parquet.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
import polars as pl
from numpy.typing import DTypeLike, NDArray

from fibrostage.ground.errors import CohortError

PLACES = "places.parquet"
PIXELS = "pixels"
PLACE_ROWS = {"modality": pl.String, "part": pl.Int64, "row": pl.Int64}
MOST = 2**30  # bytes of one file of pixels


class StackedPixels:
    """Rows of several pixel arrays [n, H, W, C] as if they were one; they are read when asked for.

    Row i is row `rows[i]` of `arrays[parts[i]]`; `parts` and `rows` are [n].
    """

    def __init__(self, arrays: Sequence[NDArray[np.uint8]], parts: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        self.arrays, self.parts, self.rows = arrays, parts, rows
        self.shape = (len(rows), *arrays[0].shape[1:])
        self.dtype = arrays[0].dtype

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, key: SupportsIndex) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, key: slice | NDArray[Any]) -> NDArray[np.uint8]: ...
    def __getitem__(self, key: SupportsIndex | slice | NDArray[Any]) -> NDArray[np.uint8]:
        parts, rows = np.atleast_1d(self.parts[key]), np.atleast_1d(self.rows[key])
        result = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        for part in np.unique(parts):
            here = parts == part
            result[here] = self.arrays[part][rows[here]]
        return result[0] if np.ndim(self.rows[key]) == 0 else result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All rows [n, H, W, C], read at once."""
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)


def part_file(folder: Path, modality: str, part: int) -> Path:
    """Returns where a part of a modality's pixels lies in a cohort's folder."""
    return folder / PIXELS / (f"{modality}.{part}.npy" if part else f"{modality}.npy")


def part_files(folder: Path, modality: str) -> list[Path]:
    """Returns the files of a modality's pixels, by their number; the first is there even where it is not."""
    files = [part_file(folder, modality, 0)]
    while (more := part_file(folder, modality, len(files))).is_file():
        files.append(more)
    return files


def read_places(folder: Path, modality: str) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Returns in which file [n] and at which row [n] each picture of a modality lies; None where they lie in one file,
    in order. Raises `OSError` or `PolarsError` where the table is damaged."""
    path = folder / PLACES
    if not path.is_file():
        return None
    own = pl.read_parquet(path).filter(pl.col("modality") == modality)
    return own["part"].cast(pl.Int64).to_numpy(), own["row"].cast(pl.Int64).to_numpy()


def stacked(folder: Path, modality: str, places: tuple[NDArray[np.int64], NDArray[np.int64]]) -> NDArray[np.uint8]:
    """Opens the parts of a modality's pixels as one [n, H, W, C], each a memory map that cannot be written. Raises
    `OSError` or `ValueError` where one cannot be read, or `places` names one that is not there."""
    arrays = [np.load(path, mmap_mode="r") for path in part_files(folder, modality)]
    parts, rows = places
    lengths = np.array([len(array) for array in arrays])
    if len(parts) and (parts.max() >= len(arrays) or (rows >= lengths[np.minimum(parts, len(arrays) - 1)]).any()):
        raise ValueError(f"{PLACES} names pictures that are not there")
    whole: Any = StackedPixels(arrays, parts, rows)
    pixels: NDArray[np.uint8] = whole
    return pixels


def new_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Creates a .npy file of an array [*shape] that can be written, with its space on disk really there.

    Writing to a sparse map on a full disk would kill the process. Raises `OSError` where there is no room.
    """
    array: NDArray[Any] = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def write_pixels(
    folder: Path, modality: str, shape: tuple[int, int, int, int], pictures: Iterable[NDArray[np.uint8]]
) -> pl.DataFrame:
    """Writes a modality's pictures [H, W, C], as many as `shape` [n, H, W, C] says, one after another into files of at
    most `MOST` bytes each, and returns where each lies, as `write_places` takes it. Raises `OSError` where there is no
    room."""
    count, *square = shape
    each = max(1, MOST // int(np.prod(square)))
    left = iter(pictures)
    for part, low in enumerate(range(0, max(1, count), each)):
        rows = min(each, count - low)
        path = part_file(folder, modality, part)
        if not rows:
            np.save(path, np.empty(shape, dtype=np.uint8))
            break
        array = new_array(path, (rows, *square), np.uint8)
        for row in range(rows):
            array[row] = next(left)
        del array
    parts, rows_there = np.divmod(np.arange(count, dtype=np.int64), each)
    return pl.DataFrame({"modality": [modality] * count, "part": parts, "row": rows_there}, schema=PLACE_ROWS)


def write_places(folder: Path, places: Sequence[pl.DataFrame]) -> None:
    """Writes where the pictures of all modalities lie: a table each, a row a picture, with `modality`, `part` and
    `row`. Where each modality is one file in order nothing is written, as that goes without saying."""
    if any(table["part"].max() for table in places if len(table)) or not all(map(in_order, places)):
        pl.concat(places).write_parquet(folder / PLACES)


def in_order(places: pl.DataFrame) -> bool:
    """Whether pictures lie one after another in one file."""
    return bool((places["row"].to_numpy() == np.arange(len(places))).all())


def open_pixels(folder: Path, modality: str) -> NDArray[np.uint8]:
    """Opens the pixels of a modality of a cohort's folder, uint8 [n, H, W, C], as memory maps that cannot be written.
    Raises `CohortError` where a file of them cannot be read."""
    try:
        places = read_places(folder, modality)
        if places is not None:
            return stacked(folder, modality, places)
        return np.load(part_file(folder, modality, 0), mmap_mode="r")
    except OSError as error:
        raise CohortError(f"cohort {folder}: cannot read pixels of {modality}: {error}") from None
    except (ValueError, EOFError, pl.exceptions.PolarsError):  # NumPy's own words advise to trust the file
        raise CohortError(f"cohort {folder}: cannot read pixels of {modality}: damaged, or cut short") from None


def link_or_copy(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source`, which nobody writes to; a copy where a disk has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
