"""Which files there are: those that I.csv names, or every file under the sources that may hold a picture."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from fibrostage.dicom.file import is_dicom
from fibrostage.ground.errors import IntakeError, Problems
from fibrostage.intake.read.media import START
from fibrostage.intake.read.outcome import ReadingJob
from fibrostage.intake.read.tables import Request

PASSED_OVER = (
    ".csv",
    ".toml",
    ".txt",
    ".md",
    ".json",
    ".xml",
    ".pdf",
    ".html",
    ".log",
    ".xls",
    ".xlsx",
    ".xlsb",
    ".ods",
    ".tsv",
    ".key",
    ".ini",
)
INDEXES = ("dicomdir", "thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Sources:
    """What `intake` reads: a folder (or a file), its CSVs and their encoding, and any `more` folders.

    Without `images` the files themselves say whose they are and the plan's rules what; without `patients` nobody has
    a stage. `boxes` is a table of boxes that readers drew anew.
    """

    folder: Path
    patients: Path | None = None
    images: Path | None = None
    encoding: str | None = None  # None: what the plan says, or UTF-8
    more: tuple[Path, ...] = ()
    images_encoding: str | None = None  # of the table of pictures, where it has another
    boxes: Path | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        named = (self.folder, *self.more)  # the index of a disc stands for the disc
        return tuple(p.parent if p.name.lower() in INDEXES and p.is_file() else p for p in named)

    def check(self) -> None:
        """Checks that the sources are there. Raises `IntakeError` where one does not exist, or with I.csv is no
        folder."""
        for folder in self.folders:
            if self.images is not None and not folder.is_dir():
                raise IntakeError(f"{folder} is not a folder")
            if not folder.exists():
                raise IntakeError(f"there is no {folder}")

    def path_of(self, file: str) -> Path:
        """Returns the path of a file of I.csv in the first folder that has it; in the main folder where none has."""
        return next((folder / file for folder in self.folders if (folder / file).is_file()), self.folder / file)


def jobs_of(requests: Sequence[Request], sources: Sources) -> list[ReadingJob]:
    """One job a file, in the order of its first row."""
    by_file: dict[str, list[Request]] = {}
    for request in requests:
        by_file.setdefault(os.path.normpath(request.file), []).append(request)
    return [ReadingJob(sources.path_of(rows[0].file), rows[0].file, tuple(rows)) for rows in by_file.values()]


def survey(sources: Sources, problems: Problems) -> list[ReadingJob]:
    """Returns a job for every file under the sources that may hold a picture, in the order of their names, and notes
    folders that cannot be read. Raises `IntakeError` where there is no such file."""
    jobs = []
    skipped = {path.resolve() for path in (sources.patients,) if path is not None}
    for number, folder in enumerate(sources.folders):
        prefix = f"{number + 1}/" if len(sources.folders) > 1 else ""
        if folder.is_file():
            jobs.append(ReadingJob(folder, prefix + printable(folder.name), None))
            continue
        for path in files_under(folder, prefix, problems):
            if path.resolve() not in skipped:
                jobs.append(ReadingJob(path, prefix + printable(path.relative_to(folder).as_posix()), None))
    if not jobs:
        raise IntakeError(f"no file that may hold a picture under {', '.join(map(str, sources.folders))}")
    return jobs


def printable(name: str) -> str:
    """A file's name on one line, whatever is in it."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):x}" for letter in name)


def files_under(folder: Path, prefix: str, problems: Problems) -> Iterator[Path]:
    """Yields files by name, depth first. It notes links to folders and does not follow them, so that no loop is walked
    into."""

    def name_of(path: Path) -> str:
        return prefix + printable(path.relative_to(folder).as_posix())

    def unreadable(error: OSError) -> None:
        name = name_of(Path(error.filename))
        problems.add(name, f"the folder cannot be read: {error.strerror}", file=name)

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in [name for name in folders if (Path(parent) / name).is_symlink()]:
            folders.remove(name)
            linked = name_of(Path(parent) / name)
            problems.add(linked, "is a link to a folder, which is not followed; name that folder too", file=linked)
        for name in sorted(names):
            path = Path(parent) / name
            if is_passed_over(name):
                continue
            try:
                reason = None if path.is_file() else "is no file, or a link that leads nowhere"
            except OSError as error:
                reason = f"cannot be read: {error.strerror}"
            if reason is None:
                yield path
            else:
                problems.add(name_of(path), reason, file=name_of(path))


def is_passed_over(name: str) -> bool:
    """Whether a file's name says that it holds no picture."""
    return name.startswith(".") or name.lower() in INDEXES or PurePath(name).suffix.lower() in PASSED_OVER


def any_dicom(jobs: Sequence[ReadingJob]) -> bool:
    """Says whether any of the files is DICOM; one that cannot be opened is not."""
    for job in jobs:
        try:
            with job.path.open("rb") as file:
                if is_dicom(file.read(START)):
                    return True
        except OSError:
            continue
    return False
