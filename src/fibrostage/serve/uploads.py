"""Files of a request, written to a folder while they come in, until they are more than is allowed.

A name that a client gives a file never becomes a path: files are numbered, a table of pictures is rewritten to the
numbers, and what is said of a number is said to the client by its own name again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastapi import HTTPException, Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from fibrostage.csv_tables.reader import read_csv
from fibrostage.csv_tables.writer import csv_text
from fibrostage.dicom.file import is_dicom
from fibrostage.ground.errors import IntakeError, Problems
from fibrostage.ground.files import write_text
from fibrostage.ground.words import tidy
from fibrostage.intake.read.media import START
from fibrostage.learn.exam_files import Exams
from fibrostage.serve.limits import Limits

FILES, IMAGES = "files", "images"
NUMBERED = re.compile(r"upload-\d{5}|absent-\d{5}")
COLUMNS = ("file", "patient_id", "modality")
LARGEST_TABLE = 8 * 2**20  # bytes
NOT_A_FORM = "send multipart/form-data with one or more parts 'files', and 'images' for a table of pictures"
CUT_OFF = "what was sent breaks off, or is no multipart/form-data"


@dataclass(frozen=True)
class Upload:
    """Files of a request in `folder`, each under a number; `names` are those that the client has for them, and `images`
    is its table of pictures, by numbers."""

    folder: Path
    names: Mapping[str, str]
    images: Path | None = None

    def exams(self, key: Path | None, accept_unmasked: bool) -> Exams:
        """The exams to be read. Ids are hashed with `key` as `predict` does: where files say whose they are."""
        own = key if self.images is None or any(map(starts_as_dicom, self.folder.iterdir())) else None
        return Exams((self.folder,), self.images, own, accept_unmasked=accept_unmasked)

    def by_name(self, text: str) -> str:
        """A text about numbers as one about the client's names, without the folder."""
        for own in (self.folder, self.folder.parent):
            text = text.replace(f"{own}/", "").replace(str(own), "what was sent")
        text = text.replace(str(self.folder.parents[1]), "…")
        return NUMBERED.sub(lambda found: self.names.get(found[0], found[0]), text)


class Parts:
    """A multipart body on its way to `folder`. Raises `HTTPException` as soon as it is too large, has too many files,
    or is not what is asked for."""

    def __init__(self, folder: Path, limits: Limits, boundary: bytes) -> None:
        self.folder, self.limits = folder, limits
        self.names: dict[str, str] = {}
        self.table: bytearray | None = None
        self.taken, self.whole = 0, False
        self._header, self._value, self._disposition = b"", b"", b""
        self._file: BinaryIO | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_part_data": self._part_data,
                "on_part_end": self.close,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_end": self._end,
            },
        )

    def feed(self, piece: bytes) -> None:
        """Takes the next piece; raises `HTTPException`."""
        self.taken += len(piece)
        if self.taken > self.limits.bytes:
            raise too_large(self.limits)
        try:
            self._parser.write(piece)
        except FormParserError:
            raise HTTPException(422, CUT_OFF) from None

    def close(self) -> None:
        """Closes what is being written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _part_begin(self) -> None:
        self._disposition = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        options = parse_options_header(self._disposition)[1]
        part = as_text(options.get(b"name", b""))
        if part == IMAGES and self.table is None:
            self.table = bytearray()
            return
        if part != FILES:
            raise HTTPException(422, f"there is a part {part[:40]!r}; {NOT_A_FORM}")
        if len(self.names) >= self.limits.files:
            raise HTTPException(413, f"at most {self.limits.files} files at once")
        number = f"upload-{len(self.names) + 1:05d}"
        name = tidy(as_text(options.get(b"filename", b""))) or number
        self.names[number] = name[:1000]
        self._file = (self.folder / number).open("xb")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
            return
        assert self.table is not None
        self.table += data[start:end]
        if len(self.table) > LARGEST_TABLE:
            raise HTTPException(413, f"a table of pictures has at most {LARGEST_TABLE // 2**20} MB")

    def _end(self) -> None:
        self.whole = True


def starts_as_dicom(path: Path) -> bool:
    """Whether a file is DICOM, by its beginning."""
    with path.open("rb") as file:
        return is_dicom(file.read(START))


def as_text(data: bytes) -> str:
    """What a client calls something, in whatever letters."""
    return data.decode("utf-8", errors="replace")


def too_large(limits: Limits) -> HTTPException:
    """The refusal of too large a request."""
    return HTTPException(413, f"at most {limits.megabytes:g} MB at once")


async def pieces(request: Request, patience: float) -> AsyncIterator[bytes]:
    """A request's body as it comes in. Raises `HTTPException` 408 where nothing comes for `patience` seconds, and
    `ClientDisconnect` where the client is gone."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(patience):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise HTTPException(408, f"nothing came for {patience:g} s") from None
        yield piece


async def received(request: Request, folder: Path, limits: Limits) -> Upload:
    """Writes the files of a request into an empty folder. Raises `HTTPException` where it is larger than it may be,
    whatever it says of its length, is no form or breaks off; `ClientDisconnect` where the client is gone; `IntakeError`
    where its table cannot be read."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.bytes:
        raise too_large(limits)
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise HTTPException(415, NOT_A_FORM)
    (folder / FILES).mkdir()
    try:
        parts = Parts(folder / FILES, limits, options[b"boundary"])
    except FormParserError:
        raise HTTPException(422, CUT_OFF) from None
    try:
        async for piece in pieces(request, limits.patience):
            await run_in_threadpool(parts.feed, piece)
    finally:
        parts.close()
    if not parts.whole:
        raise HTTPException(422, CUT_OFF)
    if not parts.names:
        raise HTTPException(422, f"no file came; {NOT_A_FORM}")
    return await run_in_threadpool(with_table, folder, parts.names, parts.table)


def with_table(folder: Path, names: dict[str, str], table: bytearray | None) -> Upload:
    """An upload with the client's table of pictures, if any, rewritten to numbers. Raises `IntakeError` where it cannot
    be read."""
    if not table:
        return Upload(folder / FILES, names)
    path = folder / "images.csv"
    path.write_bytes(table)
    try:
        names = names | numbered(path, names)
    except IntakeError as error:
        raise IntakeError(str(error).replace(str(path), IMAGES)) from None
    return Upload(folder / FILES, names, path)


def numbered(path: Path, names: Mapping[str, str]) -> dict[str, str]:
    """Rewrites a table of pictures to files' numbers, each row where it was; files that were not sent have numbers too,
    by which their names are returned. Raises `IntakeError` where it cannot be read."""
    problems = Problems()
    table = read_csv(path, COLUMNS, problems)
    if len(problems):
        raise IntakeError(f"{path} cannot be read:\n{problems.text()}", problems)
    absent: dict[str, str] = {}
    lines: dict[int, list[str]] = {}
    for line, row in table.rows:
        number = number_of(row["file"], names)
        if number is None:
            number = f"absent-{len(absent) + 1:05d}"
            absent[number] = row["file"]
        lines[line] = [number if column == "file" else row[column] for column in table.columns]
    text = csv_text(table.columns, [lines.get(line, []) for line in range(2, max(lines, default=1) + 1)])
    write_text(path, text)
    return absent


def number_of(file: str, names: Mapping[str, str]) -> str | None:
    """The number of a file that a table names, by its whole name or by its last part; "" for no name, None where it was
    not sent. Raises `IntakeError` where it may be several."""
    parts = parts_of(file)
    if not parts:
        return ""
    known = {number: parts_of(name) for number, name in names.items()}
    found = [number for number, own in known.items() if own == parts]
    found = found or [number for number, own in known.items() if own[-1:] == parts[-1:]]
    if len(found) > 1:
        raise IntakeError(f"{file!r} may be {len(found)} of the files that came; send each under a name of its own")
    return found[0] if found else None


def parts_of(name: str) -> list[str]:
    """A file's name as another system may have written it, by its folders."""
    return [part for part in name.strip().replace("\\", "/").split("/") if part not in ("", ".")]
