"""What has been read so far, on disk: a killed intake goes on where it stopped, and memory does not grow with pixels.

One file of entries, one for each source file that was read: length, checksum, a JSON head, then pixels, fingerprints
and thumbnails as bytes. An entry that was cut by a kill fails its checksum and is dropped with everything after it.
Another plan, key or version begins anew. Ids, names and dates are hashed or moved in it already.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from fibrostage import __version__
from fibrostage.ground.errors import CohortError
from fibrostage.intake.find.fingerprint import SIDE
from fibrostage.intake.person import HashedPerson
from fibrostage.intake.read.outcome import Outcome, ReadingJob, ReadingRules

HEAD = struct.Struct("<QI")  # bytes of the entry, their checksum
JSON_HEAD = struct.Struct("<Q")
ENTRIES, SETTING = "entries", "setting"


@dataclass(frozen=True)
class Place:
    """Where in the journal a picture's bytes begin (pixels, fingerprint, thumbnail), and how long the outer two are."""

    offset: int
    pixels: int
    thumb: int


@dataclass(frozen=True)
class Entry:
    """What one file gave, without the bytes: `refused` are (reason, row of I.csv or None, whether only a value, what
    was kept out as a mosaic)."""

    records: list[dict[str, Any]]
    places: list[Place]
    refused: list[tuple[str, int | None, bool, bytes]]
    measured: list[tuple[str, str, float, str]]
    words: frozenset[str]
    person: HashedPerson
    simulated: bool


def folder_beside(target: Path) -> Path:
    """Returns the folder of a target's journal, hidden beside it."""
    return target.parent / f".{target.name}.intake"


def code_of(job: ReadingJob, setting: ReadingRules) -> str:
    """Returns a code that names a file as it is now, and what is asked of it. Raises `OSError` where the file is
    gone."""
    state = job.path.stat()
    asked = None if job.requests is None else [asdict(request) for request in job.requests]
    text = json.dumps([job.name, state.st_size, state.st_mtime_ns, asked])
    return setting.privacy.digest("job", text)


def digest_of(setting: ReadingRules) -> str:
    """Returns a hash of what every entry depends on: version, plan, key, boxes drawn anew, and whether
    unmasked screens are accepted. How tables are written is no part of it: what they ask for is each job's own."""
    plan = setting.plan.model_dump(mode="json", exclude={"table"})
    drawn = sorted((str(key), key.panel or 0, box.corners) for key, box in setting.drawn.items())
    key = setting.privacy.digest("journal", "")
    text = json.dumps([__version__, plan, key, setting.accept_unmasked, drawn])
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def alone_at(target: Path) -> Iterator[None]:
    """Keeps any other intake away from `target` meanwhile, and removes what a killed one left half-built there. Raises
    `CohortError` where another intake is running, or its folder cannot be written to."""
    path = target.parent / f".{target.name}.intake.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()  # a lock that cannot be written looks to the library like one that another holds
        lock = FileLock(path, timeout=0)
        lock.acquire()
    except Timeout:
        raise CohortError(f"another intake into {target} is running; wait for it, or choose another --out") from None
    except OSError as error:
        raise CohortError(f"cannot write to {target.parent}: {error.strerror}") from None
    try:
        for left in target.parent.glob(f".{target.name}.partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


class Journal:
    """Entries of one intake; `known` has the code of every file that is done, and where its entry begins. Raises
    `CohortError` where the folder cannot be written."""

    def __init__(self, folder: Path, setting: ReadingRules) -> None:
        self.folder = folder
        self.setting = setting
        self.known: dict[str, int] = {}
        digest = digest_of(setting)
        try:
            if folder.exists() and (folder / SETTING).read_text(encoding="ascii", errors="replace") != digest:
                shutil.rmtree(folder)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / SETTING).write_text(digest, encoding="ascii")
            self.file: BinaryIO = (folder / ENTRIES).open("a+b")
        except FileNotFoundError:
            shutil.rmtree(folder, ignore_errors=True)
            self.__init__(folder, setting)  # type: ignore[misc]
            return
        except OSError as error:
            raise CohortError(f"cannot write beside {folder}: {error.strerror}") from None
        self.recover()

    def recover(self) -> None:
        """Finds the entries that are whole, and drops what a kill left half-written."""
        self.file.seek(0)
        end = 0
        while True:
            head = self.file.read(HEAD.size)
            if len(head) < HEAD.size:
                break
            length, checksum = HEAD.unpack(head)
            if length > os.fstat(self.file.fileno()).st_size - end:
                break
            body = self.file.read(length)
            if len(body) < length or zlib.crc32(body) != checksum:
                break
            self.known[self.head_of(body)["code"]] = end
            end += HEAD.size + length
        self.file.truncate(end)

    @staticmethod
    def head_of(body: bytes) -> dict[str, Any]:
        """Returns the JSON head of an entry's bytes."""
        (size,) = JSON_HEAD.unpack(body[: JSON_HEAD.size])
        content: dict[str, Any] = json.loads(body[JSON_HEAD.size : JSON_HEAD.size + size])
        return content

    def add(self, code: str, outcome: Outcome) -> None:
        """Appends what a file gave. Raises `CohortError` where it cannot be written, as when the disk is full."""
        head = {
            "code": code,
            "taken": [[each.record, each.pixels.nbytes, len(each.thumb)] for each in outcome.taken],
            "refused": [
                [each.reason, each.request and each.request.row, each.value, base64.b85encode(each.thumb).decode()]
                for each in outcome.refused
            ],
            "measured": outcome.measured,
            "simulated": outcome.simulated,
            "words": sorted(outcome.words),
            "person": [sorted(outcome.person.name), outcome.person.birth, outcome.person.sex, outcome.person.issuer],
        }
        text = json.dumps(head).encode()
        parts = [JSON_HEAD.pack(len(text)), text]
        for each in outcome.taken:
            parts += [np.ascontiguousarray(each.pixels).tobytes(), each.print.tobytes(), each.thumb]
        body = b"".join(parts)
        try:
            self.file.seek(0, os.SEEK_END)
            offset = self.file.tell()
            self.file.write(HEAD.pack(len(body), zlib.crc32(body)) + body)
            self.file.flush()
        except OSError as error:
            raise CohortError(f"cannot write the cohort: {error.strerror}") from None
        self.known[code] = offset

    def entry(self, code: str) -> Entry:
        """Returns what is written of a file that is done, but for the bytes of its pictures."""
        start = self.known[code]
        self.file.seek(start + HEAD.size)
        (size,) = JSON_HEAD.unpack(self.file.read(JSON_HEAD.size))
        head = json.loads(self.file.read(size))
        offset = start + HEAD.size + JSON_HEAD.size + size
        records, places = [], []
        for record, pixels, thumb in head["taken"]:
            records.append(record)
            places.append(Place(offset, pixels, thumb))
            offset += pixels + SIDE * SIDE + thumb
        return Entry(
            records,
            places,
            [(reason, row, value, base64.b85decode(thumb)) for reason, row, value, thumb in head["refused"]],
            [(patient, instance, kpa, report) for patient, instance, kpa, report in head["measured"]],
            frozenset(head["words"]),
            HashedPerson(frozenset(head["person"][0]), *head["person"][1:]),
            head["simulated"],
        )

    def bytes_at(self, offset: int, length: int) -> bytes:
        """Returns `length` bytes of the journal from `offset`; threads may do so side by side."""
        return os.pread(self.file.fileno(), length, offset)

    def pixels(self, place: Place, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Returns a picture's stored pixels, read-only, in their `shape` [S, S, C]."""
        return np.frombuffer(self.bytes_at(place.offset, place.pixels), dtype=np.uint8).reshape(shape)

    def print(self, place: Place) -> NDArray[np.int8]:
        """Returns a picture's fingerprint [24, 24], read-only."""
        found = np.frombuffer(self.bytes_at(place.offset + place.pixels, SIDE * SIDE), dtype=np.int8)
        return found.reshape(SIDE, SIDE)

    def thumb(self, place: Place) -> bytes:
        """Returns a picture's thumbnail as JPEG, empty where none was made."""
        return self.bytes_at(place.offset + place.pixels + SIDE * SIDE, place.thumb)

    def close(self) -> None:
        """Closes the file and leaves it for the next intake to go on from."""
        with suppress(OSError):  # a full disk: what was to be flushed is lost, and read again
            self.file.close()

    def remove(self) -> None:
        """Closes the file and deletes the journal."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
