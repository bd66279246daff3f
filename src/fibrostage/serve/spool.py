"""Where studies wait until they are answered and their reports are sent: a folder, which is all the state there is.

    arriving/                          files under way, swept away when the spool is opened
    studies/STUDY/instances/FILE.dcm   what came of a study, each file whole
    studies/STUDY/state.json           absent while it arrives; then complete, answered, sent or failed
    studies/STUDY/report.dcm           what goes back
    records/STUDY.json                 what stays when the files are gone, without identifiers
    key                                what UIDs are hashed with to name studies and files

A file is on disk, and the disk was told to keep it, before its sender hears that it came. Every change of state is one
rename, so that a process killed at any moment leaves the state before or the one after.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fibrostage.dicom.elements import text_of
from fibrostage.dicom.own import is_own
from fibrostage.dicom.taken_over import LONGEST_UID, UID, hushed
from fibrostage.ground.errors import RunError, UnreadableImageError
from fibrostage.intake.privacy import Privacy, read_key
from fibrostage.serve.waiting import ARRIVING, COMPLETE, ENDED, WaitingStudy, read_state, write_state

INSTANCES, STATE, REPORT = "instances", "state.json", "report.dcm"
MOST_RETURNED = 1000
BESIDE = 60.0  # seconds by which a report of our own may come before the pictures that it is sent round with
GONE = "gone"  # what the files' folder is called while they are removed
FOLDERS = ("arriving", "studies", "records")
HEADER = [
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "Manufacturer",
    "CodingSchemeIdentificationSequence",
]  # fmt: skip


@dataclass(frozen=True)
class ArrivedFile:
    """A file that came, still under way: the names that its study and itself have in the spool, the UIDs of its class
    and itself, and whether it is a report of our own."""

    path: Path
    study: str
    name: str
    kind: str
    instance: str
    own: bool


@dataclass
class Presence:
    """What is known of a study only while the process lives: when something last came of it, and when the first thing
    since it was last complete (monotonic seconds), what may still bring more of it, and how often it changed."""

    last: float
    first: float
    holders: set[threading.Thread] = field(default_factory=set)
    changes: int = 0


class Spool:
    """Studies on disk, by their state; every method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        """Opens the spool in a folder, or makes one. Raises `RunError` where it cannot be written, holds something
        else, or another process works on it."""
        self.folder = folder
        self.lock = threading.RLock()
        try:
            if folder.is_dir() and any(folder.iterdir()) and not (folder / "studies").is_dir():
                raise RunError(f"{folder} holds something else than a spool; choose a new folder with --spool")
            for part in (folder, *(folder / name for name in FOLDERS)):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
                part.chmod(0o700)
            self.owned = FileLock(folder / "lock")
            self.owned.acquire(timeout=0)
            self.states: dict[str, WaitingStudy] = {}
            self.present: dict[str, Presence] = {}
            self.returned: dict[str, tuple[str, float]] = {}
            self.recover()
        except Timeout:
            raise RunError(f"another process works on {folder}; one node has one spool") from None
        except OSError as error:
            raise RunError(f"cannot use {folder} as a spool: {error.strerror}") from None
        self.key_file = folder / "key"
        self.privacy = Privacy(read_key(self.key_file))

    def close(self) -> None:
        """Lets another process have the spool."""
        self.owned.release()

    def recover(self) -> None:
        """Finds what a process before this one left: removes files under way, and takes up every study where it was. A
        study whose state cannot be read, or that has more files than were answered, arrives again."""
        for left in (self.folder / "arriving").iterdir():
            remove(left)
        for study in sorted(path.name for path in (self.folder / "studies").iterdir()):
            folder = self.study_folder(study)
            self.present[study] = Presence(time.monotonic(), time.monotonic())
            try:
                self.states[study] = read_state(folder / STATE)
            except RunError:
                self.reopen(study)
            state, files = self.states[study], {path.name for path in self.files(study)}
            if state.name in ENDED and not (folder / INSTANCES).is_dir():
                self.clear(study)  # a removal that was cut
            elif not files:
                self.forget(study)
            elif state.name != ARRIVING and not files <= set(state.files):
                self.reopen(study)

    def study_folder(self, study: str) -> Path:
        """The folder of a study."""
        return self.folder / "studies" / study

    def files(self, study: str) -> list[Path]:
        """What came of a study, by name."""
        return sorted((self.study_folder(study) / INSTANCES).glob("*.dcm"))

    def has(self, study: str, instance: str) -> bool:
        """Whether a file of a study is here, by their UIDs."""
        return (self.study_folder(self.name_of(study)) / INSTANCES / self.file_name(instance)).is_file()

    def counts(self) -> dict[str, int]:
        """How many studies there are in each state."""
        with self.lock:
            return dict(Counter(state.name for state in self.states.values()))

    @contextmanager
    def arriving(self, pieces: Iterable[bytes | memoryview]) -> Iterator[ArrivedFile]:
        """A DICOM file that comes in pieces, on disk and looked at; it is gone at the end of the block unless `keep`
        took it. Raises `OSError` where there is no room, and `UnreadableImageError` where it is no DICOM file of a
        study."""
        handle, name = tempfile.mkstemp(dir=self.folder / "arriving")
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            yield self.look_at(path)
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def look_at(self, path: Path) -> ArrivedFile:
        """What a file says of itself. Raises `UnreadableImageError` where it is no DICOM file of a study."""
        import pydicom

        try:
            with hushed():
                header: Any = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER)
                study, instance, kind = (
                    text_of(header, f"{w}UID") for w in ("StudyInstance", "SOPInstance", "SOPClass")
                )
                own = is_own(header)
        except OSError:
            raise
        except Exception:  # whatever pydicom makes of it
            raise UnreadableImageError("not a readable DICOM file: its header is damaged") from None
        if not all(UID.fullmatch(uid) and len(uid) <= LONGEST_UID for uid in (study, instance)):
            raise UnreadableImageError("has no valid UIDs of its study and itself")
        return ArrivedFile(path, self.name_of(study), self.file_name(instance), kind, instance, own)

    def name_of(self, study: str) -> str:
        """What a study is called here, by its Study Instance UID."""
        return self.privacy.digest("study", study)

    def file_name(self, instance: str) -> str:
        """What a file is called here, by its SOP Instance UID."""
        return f"{self.privacy.digest('instance', instance)}.dcm"

    def keep(self, arrived: ArrivedFile, holder: threading.Thread | None = None) -> None:
        """Puts a file into its study, which is arriving again if it was not; while `holder` lives, more may come.

        Raises `OSError` where there is no room; the study is then as it was, but that what was answered is answered
        again.
        """
        with self.lock:
            folder = self.study_folder(arrived.study) / INSTANCES
            try:
                fresh = not folder.exists()
                for part in (folder.parent, folder):
                    part.mkdir(mode=0o700, exist_ok=True)
                self.reopen(arrived.study)
                os.replace(arrived.path, folder / arrived.name)
                synced(folder, *((folder.parent, folder.parent.parent) if fresh else ()))
            except OSError:
                if not self.files(arrived.study):
                    self.forget(arrived.study)
                raise
            presence = self.present[arrived.study]
            presence.last = time.monotonic()
            if holder is not None:
                presence.holders.add(holder)

    def reopen(self, study: str) -> None:
        """A study that arrives, or arrives again: what is said of it is said anew."""
        (self.study_folder(study) / STATE).unlink(missing_ok=True)
        now, state = time.monotonic(), self.states.get(study)
        presence = self.present.setdefault(study, Presence(now, now))
        if state is None or state.name != ARRIVING:
            self.states[study], presence.first = WaitingStudy(), now
        presence.changes += 1

    def came_back(self, arrived: ArrivedFile) -> None:
        """Notes that an archive sends a report of our own round: it has it. It is no part of the study."""
        with self.lock:
            self.returned[arrived.study] = (arrived.instance, time.monotonic())
            while len(self.returned) > MOST_RETURNED:
                del self.returned[next(iter(self.returned))]

    def is_back(self, study: str, instance: str) -> bool:
        """Whether this report came back together with what came last of its study, so that sending it again would only
        send it round for ever."""
        with self.lock:
            found, at = self.returned.pop(study, ("", 0.0))
            return found == instance and at >= self.present[study].first - BESIDE

    def forget(self, study: str) -> None:
        """Takes a study away of which nothing came."""
        remove(self.study_folder(study))
        self.states.pop(study, None)
        self.present.pop(study, None)

    def complete(self, quiet: float) -> list[str]:
        """The studies of which nothing came for `quiet` seconds and nothing can come: from now on they are complete.
        Raises `RunError` where that cannot be written."""
        found, now = [], time.monotonic()
        with self.lock:
            for study, state in self.states.items():
                presence = self.present[study]
                if state.name != ARRIVING:
                    continue
                if presence.holders:
                    presence.holders = {one for one in presence.holders if one.is_alive()}
                    presence.last = now  # a connection that was cut counts from the cut
                elif now - presence.last >= quiet:
                    found.append(study)
            for study in found:
                record = self.folder / "records" / f"{study}.json"
                earlier = read_state(record).files if record.is_file() else ()
                files = {*earlier, *(path.name for path in self.files(study))}
                self.set(study, WaitingStudy(COMPLETE, tuple(sorted(files))))
        return found

    def set(self, study: str, state: WaitingStudy) -> None:
        """Puts a study into a state. Raises `RunError` where that cannot be written; it then stays in the old one."""
        write_state(self.study_folder(study) / STATE, state)
        synced(self.study_folder(study))
        self.states[study] = state

    def missing(self, study: str) -> int:
        """How many files a study had once and has no more."""
        return len(set(self.states[study].files) - {path.name for path in self.files(study)})

    def due(self, name: str, now: float, longest: float) -> str | None:
        """The study in this state that has waited longest for its time; None where none is due at `now` (Unix time).
        A time further away than `longest` seconds is of a clock that was wrong."""
        with self.lock:
            due = {study: state.due for study, state in self.states.items() if state.name == name}
            ready = [study for study, at in due.items() if at <= now or at > now + longest]
            return min(ready, key=lambda study: due[study], default=None)

    def begin(self, study: str, first: float, longest: float) -> tuple[WaitingStudy, int]:
        """Counts a try to answer a study or to send its report, before it is made, as it may end this process: the next
        is not made before its time (`WaitingStudy.wait`), and others come first. Returns the state, and what tells
        whether something comes meanwhile. Raises `RunError` where it cannot be written."""
        with self.lock:
            state = self.states[study].tried(first, longest)
            self.set(study, state)
            return state, self.present[study].changes

    def put(self, study: str, changes: int, state: WaitingStudy) -> bool:
        """Puts a study into a state unless something came of it since `begin`; says whether it did. Raises `RunError`
        where that cannot be written."""
        with self.lock:
            if self.present[study].changes != changes:
                return False
            self.set(study, state)
            return True

    def sweep(self, keep: float, now: float) -> None:
        """Removes the files of studies that were sent or failed `keep` seconds before `now` (Unix time)."""
        with self.lock:
            for study, state in list(self.states.items()):
                if state.name in ENDED and state.ended is not None and state.ended + keep <= now:
                    self.clear(study)

    def clear(self, study: str) -> None:
        """Removes a study's files and keeps its record."""
        folder = self.study_folder(study)
        if (folder / INSTANCES).is_dir():
            os.replace(folder / INSTANCES, folder / GONE)
        remove(folder / GONE)
        remove(folder / REPORT)
        os.replace(folder / STATE, self.folder / "records" / f"{study}.json")
        self.forget(study)


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def synced(*folders: Path) -> None:
    """Has the disk keep what was renamed in folders."""
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
