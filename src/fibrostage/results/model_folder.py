"""A model that was handed over: a run's files for new patients, under a list of what each of them holds.

The list (package.json) has the SHA-256 of every file. A folder that has one is believed only while each byte is as it
was: a changed, missing or added file is named and nothing is staged.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import PARTIAL, read_json, write_json

PACKAGE, FORMAT = "package.json", 1
CARD = "README.md"
HIDDEN = "."  # a hub's cache and folder marks, which are nobody's files


class Package(BaseModel):
    """package.json: what was packed, with which version, and the SHA-256 of every file by its name in the folder."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    format: int
    name: str
    tool: str
    made: str
    files: dict[str, str]


def is_packaged(folder: Path) -> bool:
    """Whether a folder is a model that was handed over."""
    return (folder / PACKAGE).is_file()


def seal(folder: Path, name: str, tool: str, made: str) -> Package:
    """Lists everything in a folder and writes the list there; raises `RunError` where that cannot be done."""
    listed = {path.relative_to(folder).as_posix(): digest_of(path) for path in contents(folder)}
    package = Package(format=FORMAT, name=name, tool=tool, made=made, files=listed)
    write_json(folder / PACKAGE, package.model_dump(mode="json"))
    return package


def check_package(folder: Path) -> Package:
    """The list of a folder, every file of which is as it was. Raises `RunError` where one is not, and what
    `read_package` raises."""
    package = read_package(folder)
    there = {path.relative_to(folder).as_posix(): path for path in contents(folder)}
    for name, expected in package.files.items():
        if name not in there:
            raise RunError(f"{folder} is not whole: {name} is missing; get the model again")
        if digest_of(there[name]) != expected:
            raise RunError(f"{folder}: {name} is not what was packed (its SHA-256 differs); get the model again")
    if added := sorted(there.keys() - package.files.keys()):
        raise RunError(f"{folder}: {added[0]} was not packed with the model; take it away, or get the model again")
    return package


def read_package(folder: Path) -> Package:
    """The list of a folder, whose files are not looked at. Raises `RunError` where it is damaged, or a later version
    wrote it."""
    content = read_json(folder / PACKAGE)
    number = content.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise RunError(
            f"{folder} was packed by a later fibrostage ({content.get('tool')}): its format is {number}, this version "
            f"reads up to {FORMAT}; update fibrostage"
        )
    try:
        return Package.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise RunError(f"{folder / PACKAGE} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def contents(folder: Path) -> list[Path]:
    """Every file below a folder but the list itself, and what begins with a dot."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path != folder / PACKAGE
        and not path.name.endswith(PARTIAL)
        and not any(part.startswith(HIDDEN) for part in path.relative_to(folder).parts)
    )


def digest_of(path: Path) -> str:
    """The SHA-256 of a file; raises `RunError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
