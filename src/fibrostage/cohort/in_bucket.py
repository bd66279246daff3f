"""Cohorts in an object store: sent there whole, and opened from a copy here that the fingerprint names.

Pixels are memory-mapped, so a cohort is looked at on a disk of this machine. The copy lies in the cache under the
fingerprint, is made once, and is used only when tables and every picture have the hashes that the fingerprint stands
for: a cohort that somebody changed in the bucket is never mistaken for the one that was sent.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from filelock import FileLock

from fibrostage.cohort.store import MARKER, Cohort, is_cohort, open_cohort, verify_pixels
from fibrostage.ground.buckets import BucketPlace, OpenBucket, is_bucket, open_bucket, parse_place
from fibrostage.ground.cache import cache_folder
from fibrostage.ground.errors import CohortError
from fibrostage.ground.progress import SILENT, Progress

FINGERPRINT = re.compile(r"[0-9a-f]{64}")
COPIES = "cohorts"  # below the cache


def open_given(given: str | Path, progress: Progress = SILENT) -> Cohort:
    """Opens a cohort by its folder, or s3://BUCKET/PREFIX by a copy of it here. Raises `CohortError` where there is
    none or it was changed, `ArchiveError` where the store does not give it, `RunError` where there is no room."""
    return open_cohort(folder_here(given, progress))


def folder_here(given: str | Path, progress: Progress = SILENT) -> Path:
    """The folder of a cohort on this machine, copied from a bucket where it is given by its place there; raises as
    `open_given` does."""
    if not is_bucket(given):
        return Path(given)
    bucket = open_bucket(parse_place(given))
    name = fingerprint_there(bucket)
    if name is None:
        raise CohortError(f"{bucket.place} is not a cohort (no {MARKER} in it); send one with 'fibrostage cohort send'")
    return copied(bucket, name, progress)


def is_cohort_given(given: str | Path) -> bool:
    """Whether a folder, or a place in a bucket, holds a cohort; raises `ArchiveError` where the store does not say."""
    if not is_bucket(given):
        return is_cohort(Path(given))
    bucket = open_bucket(parse_place(given))
    return bucket.read(MARKER) is not None


def fingerprint_there(bucket: OpenBucket) -> str | None:
    """The fingerprint that a cohort in a bucket says it has; None where there is none. Raises `CohortError` where what
    it says is damaged."""
    content = bucket.read(MARKER)
    if content is None:
        return None
    try:
        found = str(json.loads(content)["fingerprint"])
    except (ValueError, KeyError, TypeError):
        found = ""
    if not FINGERPRINT.fullmatch(found):
        raise CohortError(f"cohort {bucket.place} is damaged: its {MARKER} says no fingerprint")
    return found


def copied(bucket: OpenBucket, name: str, progress: Progress) -> Path:
    """The copy of a cohort by its fingerprint, made where there is none. One that was cut goes on where it was."""
    copies = cache_folder() / COPIES
    try:
        copies.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(copies / f".{name}.lock"):
            folder, unfinished = copies / name, copies / f".{name}.fetching"
            if not is_cohort(folder):
                bucket.fetch(bucket.listed(), unfinished, progress)
                check_copy(unfinished, name, bucket.place)
                unfinished.rename(folder)
            return folder
    except OSError as error:
        raise CohortError(f"cannot keep a copy of {bucket.place} in {copies}: {error.strerror}") from None


def check_copy(folder: Path, name: str, place: BucketPlace) -> None:
    """Raises `CohortError`, and removes what was fetched, where it is not the cohort that the fingerprint names."""
    try:
        cohort = open_cohort(folder)
        if cohort.fingerprint != name:
            raise CohortError("it was exchanged for another while it was fetched")
        verify_pixels(cohort)
    except CohortError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CohortError(f"what lies at {place} is no whole cohort: {error}".replace(str(folder), "it")) from None


def send_cohort(cohort: Cohort, place: BucketPlace, progress: Progress = SILENT) -> int:
    """Sends a cohort to a place in a bucket that is empty, or holds a part of it from before; returns how many files it
    has. What says that it is a cohort goes last, so that it is whole there or none.

    Raises `CohortError` where its pixels were changed or there is a cohort already, `ArchiveError` and `RunError`.
    """
    bucket = open_bucket(place)
    if bucket.read(MARKER) is not None:
        raise CohortError(f"there is a cohort at {place}; a cohort is never overwritten, choose another place")
    verify_pixels(cohort)
    files = [(path.relative_to(cohort.path).as_posix(), path) for path in cohort.path.rglob("*") if path.is_file()]
    bucket.send(sorted(one for one in files if one[0] != MARKER), progress)
    bucket.send(sorted(files), progress)
    return len(files)
