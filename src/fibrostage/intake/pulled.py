"""Sources elsewhere: studies of an archive (DICOMweb) and objects of a bucket (S3), in a folder that lasts as long as
the intake.

The folder is hidden beside the cohort. It stays where an intake is cut or refused, so that the next one fetches only
what is missing; it holds the patients' own files, and goes away once the cohort is there.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fibrostage.cohort.store import check_free
from fibrostage.dicom.web import WebArchive, fetch_study, make_folder, parse_archive, studies
from fibrostage.ground.buckets import BucketPlace, is_bucket, open_bucket, parse_place
from fibrostage.ground.errors import ArchiveError, CohortError, IntakeError, RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.find_files import is_passed_over

ARCHIVES = ("dicomweb://", "dicomwebs://")


def is_archive(source: str) -> bool:
    """Whether a source is an archive's address, not a folder or file."""
    return source.startswith(ARCHIVES)


Elsewhere = tuple[WebArchive, str] | BucketPlace  # an archive and its query, or a place in a bucket


def elsewhere(source: str | Path) -> Elsewhere | None:
    """What is to be pulled of a source, None for a folder or file. Raises `ArchiveError` for an address that is
    none."""
    if is_bucket(source):
        return parse_place(source)
    return parse_archive(str(source)) if is_archive(str(source)) else None


@contextmanager
def pulled(
    sources: Sequence[str | Path], out: Path | None, modalities: Collection[str] = (), progress: Progress = SILENT
) -> Iterator[list[Path]]:
    """The paths of sources: of an archive the files of the studies that match its query, of these modalities where some
    are given; of a bucket what may hold pictures. `out` is what is to be made of them; without it nothing stays.

    Raises `ArchiveError` where archive or bucket do not give them, `IntakeError` where there are none, `CohortError`
    where something is at `out`, `RunError` where the files cannot be written.
    """
    archives = {str(source): found for source in sources if (found := elsewhere(source)) is not None}
    if not archives:
        yield [Path(source) for source in sources]
        return
    if out is None:
        with tempfile.TemporaryDirectory(prefix="fibrostage-") as passing:
            yield pull_each(sources, archives, Path(passing), modalities, progress)
        return
    check_free(out)
    folder = folder_of(out)
    kept = f"What was fetched, with the patients' names in it, is kept for the next call in {folder}."
    try:
        yield pull_each(sources, archives, folder, modalities, progress)
        remove(folder)
    except IntakeError as error:
        raise IntakeError(f"{error} {kept}", error.problems) if any_file(folder) else error from None
    except (ArchiveError, CohortError, RunError) as error:
        raise type(error)(f"{error}. {kept}") if any_file(folder) else error from None


def folder_of(out: Path) -> Path:
    """Where what is pulled for a cohort is kept meanwhile."""
    return out.parent / f".{out.name}.pulled"


def remove(folder: Path) -> None:
    """Removes what was pulled; raises `RunError` where it stays."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise RunError(
            f"what was made is whole, but patients' files in {folder} cannot be removed: {error.strerror}"
        ) from None


def any_file(folder: Path) -> bool:
    """Whether anything was fetched; a folder without anything is removed."""
    if any(path.is_file() for path in folder.rglob("*")):
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def pull_each(
    sources: Sequence[str | Path],
    archives: dict[str, Elsewhere],
    folder: Path,
    modalities: Collection[str],
    progress: Progress,
) -> list[Path]:
    """Pulls what archives and buckets have, and returns the path of every source in its place."""
    paths = []
    for source in sources:
        found = archives.get(str(source))
        own = folder / hashlib.sha256(str(source).encode()).hexdigest()[:16]
        if found is None:
            paths.append(Path(source))
        elif isinstance(found, BucketPlace):
            paths.append(pull_bucket(found, own, progress))
        else:
            pull(*found, own, modalities, progress)
            paths.append(own)
    return paths


def pull_bucket(place: BucketPlace, folder: Path, progress: Progress) -> Path:
    """Pulls what a bucket has of files that may hold pictures, and returns their folder, or the one file that the place
    names; what is no longer there goes away."""
    bucket = open_bucket(place)
    found = [one for one in bucket.listed() if not is_passed_over(one.name.rpartition("/")[2])]
    if not found:
        raise IntakeError(f"there is nothing at {place} that may hold a picture")
    make_folder(folder.parent)
    bucket.fetch(found, folder, progress)
    return folder / found[0].name if [one.key for one in found] == [place.prefix] else folder


def pull(archive: WebArchive, query: str, folder: Path, modalities: Collection[str], progress: Progress) -> None:
    """Pulls the studies that match a query, each into a folder of its own; what no longer matches goes away."""
    found = studies(archive, query)
    if not found:
        raise IntakeError(f"no study of the archive at {archive.place} matches what was asked for")
    make_folder(folder.parent)
    make_folder(folder)
    for left in folder.iterdir():
        if left.name not in found:
            shutil.rmtree(left)
    with progress.task("fetching studies", len(found)) as advance:
        for study in found:
            fetch_study(archive, study, folder / study, modalities)
            advance(1)
