"""Buckets of an object store that speaks S3: what lies under a prefix, fetched to files and sent from them.

An object becomes a file once it is whole, with the object's time as its own, so that one which is as long and as old as
the object is not fetched again. It is asked for as it was listed: one that changed meanwhile is an error, never half of
each. How a store is opened, and by whom, is in `bucket_access`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fibrostage.ground.bucket_access import KEY_SETTING, SCHEME, TRIES, StoreAnswer, open_store, told
from fibrostage.ground.errors import ArchiveError, RunError
from fibrostage.ground.files import written_whole
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.words import is_one_line

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
AT_ONCE = 8  # objects under way
CHUNK = 2**20  # bytes
PAUSE = 0.5  # seconds before an object that broke off is asked for again, twice as many before each further try
LONGEST = 255  # bytes of a file's name
DIGEST = "fibrostage-sha256"  # what an object that was sent says of its file


@dataclass(frozen=True)
class BucketPlace:
    """A bucket and the prefix of what is meant in it, "" for all; without slashes at its ends."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """The key of what has a name below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name


@dataclass(frozen=True)
class StoredObject:
    """An object as it was listed: its name below the prefix, key, size [bytes], tag, and when it was written [s]."""

    name: str
    key: str
    size: int
    tag: str | None
    written: float


def is_bucket(given: object) -> bool:
    """Whether what a user gave is an address in an object store, also one that was taken for a path."""
    return str(given).startswith(SCHEME) or (isinstance(given, Path) and given.parts[:1] == ("s3:",))


def parse_place(given: str | Path) -> BucketPlace:
    """The place of s3://BUCKET/PREFIX, also where it was taken for a path. Raises `ArchiveError` for an address that is
    none, which it does not repeat, as there may be a password in it."""
    address = f"{SCHEME}{'/'.join(given.parts[1:])}" if isinstance(given, Path) and is_bucket(given) else str(given)
    bucket, _, prefix = address.removeprefix(SCHEME).partition("/")
    prefix = prefix.strip("/")
    if (
        not address.startswith(SCHEME)
        or not BUCKET.fullmatch(bucket)
        or (prefix and (is_odd(prefix) or not is_one_line(prefix)))
    ):
        raise ArchiveError(
            f"an address in an object store is s3://BUCKET/PREFIX, with nothing else in it: set {KEY_SETTING}, and "
            "AWS_ENDPOINT_URL for a store that is not Amazon's"
        )
    return BucketPlace(bucket, prefix)


def is_odd(name: str) -> bool:
    """Whether an object's name below a folder cannot be that of a file."""
    parts = name.split("/")
    return any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > LONGEST for part in parts)


@dataclass(frozen=True)
class OpenBucket:
    """A place with its store, while it is asked several things; threads may share it."""

    place: BucketPlace
    store: Any

    def told(self, right: str, name: str = "") -> Any:
        """A block in which what obstore raises becomes an `ArchiveError`."""
        return told(self.place, self.place.bucket, right, name)

    def listed(self) -> list[StoredObject]:
        """What lies under the prefix by name, or the one object that is called so; not what has no bytes, as consoles
        make of an empty folder. Raises `ArchiveError`, also where names cannot be those of files."""
        found: list[StoredObject] = []
        start = len(self.place.key(""))
        with self.told("list"):
            for page in self.store.list(self.place.prefix or None):
                found += [stored(one, one["path"][start:]) for one in page if one["size"]]
            if not found and self.place.prefix:
                with suppress(FileNotFoundError):
                    one = self.store.head(self.place.prefix)
                    found = [stored(one, PurePosixPath(self.place.prefix).name)]
        check_names(self.place, found)
        return found

    def read(self, name: str) -> bytes | None:
        """A small object; None where there is none. Raises `ArchiveError`."""
        with self.told("read"):
            try:
                return bytes(self.store.get(self.place.key(name)).bytes())
            except FileNotFoundError as error:
                if StoreAnswer.of(error).code == "NoSuchBucket":
                    raise
                return None

    def fetch(self, objects: Sequence[StoredObject], folder: Path, progress: Progress = SILENT) -> None:
        """Fetches objects into a folder, which is made for the user alone and then holds nothing else; what is there
        already is not fetched again. Raises `ArchiveError`, and `RunError` where the folder cannot be written; what was
        fetched stays."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_others(folder, {one.name for one in objects})
            missing = [one for one in objects if not is_here(one, folder / one.name)]
            wanted, free = sum(one.size for one in missing), shutil.disk_usage(folder).free
            if wanted > free:
                raise RunError(f"{self.place} has {wanted:,} bytes that are not here; {folder} has room for {free:,}")
            many(self._fetch_one, [(one, folder / one.name) for one in missing], "fetching objects", progress)
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror}") from None

    def _fetch_one(self, one: StoredObject, target: Path, stop: threading.Event) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)

        def fetch() -> None:
            answer = self.store.get(one.key, options={"if_match": one.tag} if one.tag else None)
            with written_whole(target) as temporary:
                with temporary.open("wb") as file:
                    for chunk in answer.stream(CHUNK):
                        if stop.is_set():
                            raise InterruptedError
                        file.write(chunk)
                os.utime(temporary, (one.written, one.written))

        with self.told("read", one.name):
            tried(fetch)

    def send(self, files: Sequence[tuple[str, Path]], progress: Progress = SILENT) -> None:
        """Sends files under their names below the prefix; one that lies there already, as its digest says, is not sent
        again. Raises `ArchiveError`, also where something else lies there, which is not touched, and `RunError` where a
        file cannot be read."""
        there = {one.name for one in self.listed() if one.key != self.place.prefix}
        if there - {name for name, _ in files}:
            raise ArchiveError(f"{self.place} is not empty; nothing there is overwritten, choose another place")
        try:
            given = [(name, path, name in there) for name, path in files]
            many(self._send_one, given, "sending files", progress)
        except OSError as error:
            raise RunError(f"cannot read {error.filename}: {error.strerror}") from None

    def _send_one(self, name: str, path: Path, there: bool, _stop: threading.Event) -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with self.told("write"):
            if not there:
                self.store.put(self.place.key(name), path, attributes={DIGEST: digest})
            elif self.store.get(self.place.key(name), options={"head": True}).attributes.get(DIGEST) != digest:
                raise ArchiveError(f"{self.place} has another {name}; nothing is overwritten, choose another place")


def open_bucket(place: BucketPlace) -> OpenBucket:
    """A place to ask. Raises `ArchiveError` where obstore is not installed, or settings cannot be used."""
    return OpenBucket(place, open_store(place.bucket))


def stored(one: Any, name: str) -> StoredObject:
    """An object as obstore lists it, under its name."""
    return StoredObject(name, one["path"], one["size"], one["e_tag"], one["last_modified"].timestamp())


def tried(call: Callable[[], None]) -> None:
    """Calls what may break off in the middle of an answer."""
    from obstore.exceptions import BaseError

    for number in range(TRIES):
        try:
            return call()
        except BaseError as error:
            if number + 1 == TRIES or not StoreAnswer.of(error).cut:
                raise
        time.sleep(PAUSE * 2**number)


def many(work: Callable[..., None], given: Sequence[tuple[Any, ...]], label: str, progress: Progress) -> None:
    """Does a work with each of the arguments in a few threads; raises what the first to fail raised, once those under
    way have stopped."""
    stop = threading.Event()
    with progress.task(label, len(given)) as advance, ThreadPoolExecutor(AT_ONCE) as pool:
        waiting: deque[Future[None]] = deque()
        try:
            for arguments in given:
                waiting.append(pool.submit(work, *arguments, stop))
                if len(waiting) > 4 * AT_ONCE:
                    waiting.popleft().result()
                    advance(1)
            while waiting:
                waiting.popleft().result()
                advance(1)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def check_names(place: BucketPlace, objects: Sequence[StoredObject]) -> None:
    """Raises `ArchiveError` where objects cannot become files below one folder."""
    names = {one.name for one in objects}
    for name in names:
        parts = name.split("/")
        if is_odd(name) or any("/".join(parts[:depth]) in names for depth in range(1, len(parts))):
            raise ArchiveError(f"{place} has an object that cannot be a file here: {name!r}; name what lies beside it")


def is_here(one: StoredObject, path: Path) -> bool:
    """Whether a file is what was fetched of an object as it is now."""
    try:
        state = path.stat()
    except OSError:
        return False
    return state.st_size == one.size and abs(state.st_mtime - one.written) < 1e-3


def remove_others(folder: Path, names: set[str]) -> None:
    """Removes the files of a folder that have none of the names, and folders that are empty then."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            with suppress(OSError):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in names:
            path.unlink()
