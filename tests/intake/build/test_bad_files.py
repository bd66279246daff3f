"""Each bad file is one line with its name and reason, and with skip_bad the rest is taken in."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.intake.build.bad_files import NOTHING, check_refused, cut, edit, encaps, picture, pydicom, write

MAGIC_END = 132
Spoil = Callable[[Path], object]


def cut_jpeg(path: Path) -> None:
    """A whole file around a JPEG stream that breaks off."""
    write(path, picture(3, (120, 160, 3)), syntax="jpeg")
    data = pydicom.dcmread(path)
    stream = next(encaps.generate_frames(data.PixelData, number_of_frames=1))
    data.PixelData = encaps.encapsulate([stream[: len(stream) // 2]])
    data.save_as(path)


PIXELS, REGION_ITEMS = b"\xe0\x7f\x10\x00OB\0\0", b"\x18\x00\x11\x60SQ\0\0"


def larger_jpeg(path: Path) -> None:
    """A JPEG stream whose own header says 3000×3000 pixels, in a file that says 160×120."""
    data = write(path, picture(3, (120, 160, 3)), syntax="jpeg").read_bytes()
    start = data.index(b"\xff\xc0", data.index(b"\xff\xd8\xff")) + 5
    path.write_bytes(data[:start] + struct.pack(">HH", 3000, 3000) + data[start + 4 :])


def claims_much(path: Path, tag: bytes) -> Path:
    """The length of the element with this tag and a long VR becomes almost 4 GB."""
    data = write(path).read_bytes()
    at = data.index(tag, MAGIC_END) + len(tag)
    path.write_bytes(data[:at] + struct.pack("<I", 0xFFFFFFF0) + data[at + 4 :])
    return path


def count(path: Path, said: int, syntax: str) -> None:
    """Three frames that differ little, of which it says another number."""
    frames = [picture(1) + picture(k) // 4 for k in range(2, 5)]
    write(path, frames, syntax=syntax)
    edit(path, NumberOfFrames=said)


def looped(path: Path) -> None:
    path.symlink_to(path.name)


REFUSED: dict[str, tuple[Spoil, str]] = {
    "header cut": (lambda p: cut(write(p), 1400), "holds no picture (no Rows and Columns)"),
    "meta cut": (lambda p: cut(write(p), 150), "is "),
    "pixels cut": (lambda p: cut(write(p), 0.6), "says 1 frame and holds 0"),
    "last byte cut": (lambda p: cut(write(p), p.stat().st_size - 1), "says 1 frame and holds 0"),
    "rle cut": (lambda p: cut(write(p, syntax="rle"), 0.6), "is "),
    "jpeg cut": (lambda p: cut(write(p, syntax="jpeg"), 0.6), "is "),
    "deflated cut": (lambda p: cut(write(p, syntax="deflated"), 0.6), "not a readable DICOM file"),
    "no bytes": (lambda p: p.touch(), "(it is empty)"),
    "text as .dcm": (lambda p: p.write_text("no picture at all\n" * 50), NOTHING),
    "magic alone": (lambda p: p.write_bytes(b"\0" * 128 + b"DICM"), "is cut short"),
    "png as .dcm": (lambda p: Image.new("L", (9, 9)).save(p, "PNG"), "does not say whose it is"),
    "4 GB of pixels": (lambda p: cut(claims_much(p, PIXELS), 0.9), "says 1 frame and holds 0"),
    "4 GB of regions": (lambda p: claims_much(p, REGION_ITEMS), "holds no picture"),
    "gigantic": (lambda p: edit(write(p), Rows=65535, Columns=65535), "its header says 65535×65535 pixels"),
    "no rows": (lambda p: edit(write(p), Rows=0), "holds no picture"),
    "other modality": (lambda p: edit(write(p), Modality="MR"), "is MR, not ultrasound"),
    "other depth": (lambda p: edit(write(p), BitsAllocated=32), "has 32 bits a sample"),
    "no frames": (lambda p: edit(write(p), NumberOfFrames=0), "says 0 frames"),
    "many frames": (lambda p: edit(write(p), NumberOfFrames=10**9), "says 1e+09 frames"),
    "native, too few": (lambda p: count(p, 5, "explicit"), "says 5 frames and holds 3"),
    "jpeg, too few": (lambda p: count(p, 5, "jpeg"), "says 5 frames and holds 3"),
    "no patient": (lambda p: edit(write(p), PatientID=None), "no PatientID"),
    "empty patient": (lambda p: edit(write(p), PatientID=" "), "no PatientID"),
    "no regions": (lambda p: write(p, regions=()), "may have a name burned into its pixels"),
    "a link to itself": (looped, "is no file, or a link that leads nowhere"),
    "a link to nowhere": (lambda p: p.symlink_to("absent"), "is no file, or a link that leads nowhere"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_one_line_and_the_rest_is_taken_in(place: Path, case: str) -> None:
    spoil, reason = REFUSED[case]
    spoil(place / "source" / "bad.dcm")
    check_refused(place, "bad.dcm", reason)


CONTRADICTIONS: dict[str, tuple[Spoil, str]] = {
    "a JPEG stream that breaks off": (cut_jpeg, "breaks off"),
    "a JPEG stream of another size": (larger_jpeg, "3000×3000"),
    "native frames beyond the number said": (lambda p: count(p, 2, "explicit"), "says 2 frames and holds 3"),
    "JPEG frames beyond the number said": (lambda p: count(p, 1, "jpeg"), "says 1 frame and holds 3"),
    "a cut encapsulated file": (lambda p: cut(write(p, syntax="jpeg"), 0.6), "is cut short"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_stream_that_contradicts_its_file_is_refused(place: Path, case: str) -> None:
    spoil, reason = CONTRADICTIONS[case]
    spoil(place / "source" / "bad.dcm")
    check_refused(place, "bad.dcm", reason)
