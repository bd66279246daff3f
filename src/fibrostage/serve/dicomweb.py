"""A node's two ways over DICOMweb: a study into its spool, a report out of it."""

from __future__ import annotations

from pathlib import Path

from fibrostage.dicom.web import WebArchive, fetch_instance, instances_of, opened, push
from fibrostage.ground.errors import ArchiveError, RunError, UnreadableImageError
from fibrostage.serve.spool import Spool

CHUNK = 2**20  # bytes


def take_study(spool: Spool, archive: WebArchive, study: str) -> int:
    """Pulls the files of a study (its Study Instance UID) that the spool does not have, as if they had been sent to it;
    returns how many were new. What a cut leaves is not fetched again.

    Raises `ArchiveError` where the archive does not give them, `RunError` where there is no room.
    """
    taken, folder = 0, spool.study_folder(spool.name_of(study))
    with opened(archive) as open_archive:
        for one in instances_of(open_archive, study):
            if spool.has(study, one.instance):
                continue
            fetched = spool.folder / "arriving" / spool.file_name(one.instance)
            try:
                fetch_instance(open_archive, one, fetched)
                taken += take_file(spool, fetched)
            except UnreadableImageError as error:
                raise ArchiveError(f"the archive at {archive.place} gave a file that {error}") from None
            except OSError as error:
                raise RunError(f"cannot write {folder}: {error.strerror}") from None
            finally:
                fetched.unlink(missing_ok=True)
    return taken


def take_file(spool: Spool, path: Path) -> bool:
    """Puts a file that lies on disk into its study; says whether it did, as a report of our own is no part of one."""
    with path.open("rb") as file, spool.arriving(iter(lambda: file.read(CHUNK), b"")) as arrived:
        if not arrived.own:
            spool.keep(arrived)
        return not arrived.own


def push_report(report: Path, archive: WebArchive) -> None:
    """Stores a report in an archive by STOW-RS, once. Raises `ArchiveError` where the archive does not have it then."""
    push(archive, [report])
