"""A disk that fills up under the journal, the pixels or the tables leaves nothing half-written."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.exceptions import ComputeError

from fibrostage.ground.errors import CohortError
from tests.intake.build.bad_files import take, write


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Bounds every file this process writes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_under_the_journal(place: Path, small_files: Callable[[int], None]) -> None:
    """What could not be written stays in a buffer, and is written again when the file is closed."""
    for number in range(3):
        write(place / "source" / f"more{number}.dcm")
    before = sorted(place.iterdir())
    for size in range(1000, 45_000, 2000):
        small_files(size)
        with pytest.raises(CohortError, match="File too large"):
            take(place)
        assert sorted({*place.iterdir()} - {place / ".cohort.intake"}) == before


def test_what_was_read_before_a_disk_filled_up_is_not_read_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        with pytest.raises(CohortError, match=r"No space left on device.*\. What was read is kept .*\.cohort\.intake"):
            take(place)
    monkeypatch.setattr("fibrostage.intake.build.workers.read_file", None)  # nothing is left to read
    assert len(take(place).images) == 2
    assert not (place / ".cohort.intake").exists()


def test_a_disk_that_fills_up_under_the_pixels(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = sorted(place.iterdir())
    with pytest.raises(CohortError, match="No space left on device"):
        take(place)
    assert sorted({*place.iterdir()} - {place / ".cohort.intake"}) == before


def test_a_disk_that_fills_up_under_the_tables(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise ComputeError("parquet: File out of specification: underlying IO error: No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    before = sorted(place.iterdir())
    with pytest.raises(CohortError, match="No space left on device"):
        take(place)
    assert sorted({*place.iterdir()} - {place / ".cohort.intake"}) == before
