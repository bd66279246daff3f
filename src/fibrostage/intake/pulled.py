"""Studies of an archive as a source: pulled over DICOMweb into a folder that lasts as long as the intake.

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
from fibrostage.ground.errors import ArchiveError, CohortError, IntakeError, RunError
from fibrostage.ground.progress import SILENT, Progress

ARCHIVES = ("dicomweb://", "dicomwebs://")


def is_archive(source: str) -> bool:
    """Whether a source is an archive's address, not a folder or file."""
    return source.startswith(ARCHIVES)


@contextmanager
def pulled(
    sources: Sequence[str], out: Path | None, modalities: Collection[str] = (), progress: Progress = SILENT
) -> Iterator[list[Path]]:
    """The paths of sources, archives among them as folders with the files of the studies that match their queries, of
    these modalities where some are given. `out` is the cohort to be made; without it nothing stays.

    Raises `ArchiveError` where an archive does not give them, `IntakeError` where no study matches, `CohortError` where
    something is at `out`, `RunError` where the files cannot be written.
    """
    archives = {source: parse_archive(source) for source in sources if is_archive(source)}
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
            f"the cohort is whole, but patients' files in {folder} cannot be removed: {error.strerror}"
        ) from None


def any_file(folder: Path) -> bool:
    """Whether anything was fetched; a folder without anything is removed."""
    if any(path.is_file() for path in folder.rglob("*")):
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def pull_each(
    sources: Sequence[str],
    archives: dict[str, tuple[WebArchive, str]],
    folder: Path,
    modalities: Collection[str],
    progress: Progress,
) -> list[Path]:
    """Pulls what archives have, and returns the path of every source in its place."""
    paths = []
    for source in sources:
        if source not in archives:
            paths.append(Path(source))
            continue
        own = folder / hashlib.sha256(source.encode()).hexdigest()[:16]
        pull(*archives[source], own, modalities, progress)
        paths.append(own)
    return paths


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
