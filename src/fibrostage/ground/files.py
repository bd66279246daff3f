"""Files that are whole or absent: written to a temporary name beside the target, then renamed.

What a killed process leaves has a name that says whose it was, and is swept away by the next that comes.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from fibrostage.ground.errors import RunError

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
JsonObject: TypeAlias = Mapping[str, Json]

PARTIAL = ".partial"
MIB = 2**20
LARGEST, LARGEST_TEXT = 1024 * MIB, 16 * MIB  # bytes of a table, and of a text that people write, that are read whole
STALE = 24 * 3600  # seconds after which an unfinished file is nobody's
UMASK = threading.Lock()  # it can only be seen by being set, and is the whole process's


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` when the block ends well; raises `OSError` where there is no place."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{owner()}-", suffix=PARTIAL)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~umask_here())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def umask_here() -> int:
    """What the process takes from the rights of new files."""
    with UMASK:
        umask = os.umask(0)
        os.umask(umask)
    return umask


def unfinished_beside(target: Path) -> Path:
    """A new temporary folder beside `target`, once what killed processes left there was swept away; raises `OSError`
    where there is no place."""
    for left in target.parent.glob(f".{glob.escape(target.name)}{PARTIAL}-*"):
        if left.is_dir() and is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f".{target.name}{PARTIAL}-.{owner()}-", dir=target.parent))


@contextmanager
def renamed_to(target: Path, work: Path, mode: int | None = None) -> Iterator[None]:
    """Renames a folder `work` to `target`, which may be an empty folder, when the block ends well, and removes it when
    it does not. It gets the rights `mode`, or those that new folders have here. Raises `OSError`."""
    try:
        yield
        if target.exists():
            target.rmdir()
        work.chmod(0o777 & ~umask_here() if mode is None else mode)
        work.rename(target)
    finally:
        if work.exists():
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder that becomes `target` when the block ends well, and is gone when it does not; raises `RunError` where
    there is something at `target`, or it cannot be written."""
    check_new(target)
    try:
        work = unfinished_beside(target)
        with renamed_to(target, work):
            yield work
    except OSError as error:
        raise RunError(f"cannot write {target}: {error.strerror}") from None


def check_new(target: Path) -> None:
    """Raises `RunError` where there is something at `target`, or no folder to write it in."""
    refuse_bucket(target)
    if target.exists():
        raise RunError(f"{target} exists; choose another --out")
    if not target.parent.is_dir():
        raise RunError(f"cannot write {target}: there is no folder {target.parent}")


def refuse_bucket(target: Path) -> None:
    """Raises `RunError` for an address in an object store: as a path it would be a folder with an odd name here."""
    if target.parts[:1] == ("s3:",):
        raise RunError(
            "what is made is written to a folder of this machine, where you can look at it first; then 'fibrostage "
            "cohort send COHORT s3://BUCKET/PREFIX' sends a cohort"
        )


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` fill a temporary file and renames it to `path`; raises `RunError` where that cannot be done."""
    try:
        with written_whole(path) as temporary:
            write(temporary)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def write_text(path: Path, text: str) -> None:
    """Text in UTF-8, whole or not at all; raises `RunError`."""
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: JsonObject) -> None:
    """A JSON object for people to read too, whole or not at all; raises `RunError`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_whole(path: Path, most: int = LARGEST) -> bytes:
    """A file's bytes; raises `OSError` where it cannot be read, or holds more than `most` bytes, as a device does."""
    with path.open("rb") as file:
        data = b"".join(islice(iter(partial(file.read, MIB), b""), most // MIB + 1))
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it holds more than {most // MIB} MiB, or has no end", str(path))
    return data


def read_json(path: Path) -> dict[str, Json]:
    """The JSON object in a file; raises `RunError` when it is missing or damaged."""
    try:
        content = json.loads(read_whole(path).decode("utf-8"))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} does not hold a JSON object")
    return content


def owner() -> str:
    """This process, as temporary names say it: machine and number."""
    return f"{socket.gethostname().replace('.', '-')}-{os.getpid()}"


def is_abandoned(temporary: Path) -> bool:
    """Whether the process that was writing a temporary file or folder is gone: of this machine, or long ago."""
    try:
        if time.time() - temporary.stat().st_mtime > STALE:
            return True
    except OSError:
        return False
    return owner_is_gone(temporary)


def owner_is_gone(temporary: Path) -> bool:
    """Whether the process of this machine that a temporary file or folder is named after is gone."""
    _, here, rest = temporary.name.rpartition(f".{socket.gethostname().replace('.', '-')}-")
    number = rest.partition("-")[0]
    if not here or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def sweep(folder: Path) -> None:
    """Takes away the temporary files that killed processes left in a folder; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        for left in folder.glob(f".*{PARTIAL}"):
            if left.is_file() and is_abandoned(left):
                with contextlib.suppress(OSError):
                    left.unlink()
