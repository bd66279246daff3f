"""One file out of an answer of DICOMweb, which wraps it in a multipart message: cut out on disk, and only if whole."""

from __future__ import annotations

import mmap
from email.message import Message
from pathlib import Path

MULTIPART, ALONE = "multipart/related", "application/dicom"
HEAD_ENDS = b"\r\n\r\n"


class CutShortError(Exception):
    """An answer that ends before it is whole."""


class OtherAnswerError(Exception):
    """An answer that is not of the kind that was asked for; says in words what it does instead."""


def keep_only_part(path: Path, content_type: str) -> None:
    """Leaves of a file that holds an answer of this Content-Type the one DICOM file in it.

    Raises `CutShortError` where the answer ends without its closing boundary, and `OtherAnswerError` where it is of
    another kind or holds several files.
    """
    message = Message()
    message["Content-Type"] = content_type
    kind, boundary = message.get_content_type(), message.get_param("boundary")
    if kind == ALONE:  # against the standard, and done
        return
    if kind != MULTIPART or not isinstance(boundary, str):
        raise OtherAnswerError("answers with what is no DICOM file")
    if not path.stat().st_size:
        raise CutShortError
    delimiter = b"--" + boundary.encode("latin-1", "replace")
    with path.open("rb+") as file:
        with mmap.mmap(file.fileno(), 0) as body:
            first = body.find(delimiter)
            head = body.find(HEAD_ENDS, first)
            start = head + len(HEAD_ENDS)
            end = body.find(b"\r\n" + delimiter, start)
            if first < 0 or head < 0 or end < 0:
                raise CutShortError
            after = end + 2 + len(delimiter)
            closed = body[after : after + 2]
            if len(closed) < 2:
                raise CutShortError
            if closed != b"--":
                raise OtherAnswerError("answers with several files where one was asked for")
            body.move(0, start, end - start)
        file.truncate(end - start)
