"""Damaged files: real ones with bytes changed, lost, doubled and put in. Opening one may only raise
`UnreadableImageError`, and `read_file` nothing; time and memory stay bounded.

The edits are numbered, a few thousand in all; longer runs only need more of them. Hypothesis does not draw them, as
what it draws depends on which modules are loaded.
"""

import io
import re
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from types import FrameType

import numpy as np
import pytest
from PIL import Image

from fibrostage.dicom.file import Report
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.privacy import Privacy
from fibrostage.intake.read.media import open_medium
from fibrostage.intake.read.outcome import ReadingJob, ReadingRules
from fibrostage.intake.read.read_file import read_file
from fibrostage.intake.read.tables import Request
from fibrostage.plan.run_plan import Plan

pytest.importorskip("pydicom")

from pydicom.data import get_testdata_file

from fibrostage.phantom.dicom_files import COLOUR_BAR, TISSUE, DrawnRegion, write_dicom

Damage = Callable[[Path], bytes]
Edit = tuple[str, int, bytes, int]
MODALITIES = ("US", "OT", "SC", "MR", "CT", "NM")
MOST_FRAMES = 4
SECONDS = 120  # of one test, where the slowest takes a few
MEGABYTES = 600  # by which the peak may grow in all tests of this file
PLAN = Plan.parse(
    {
        "modality": [
            {"name": "LSTE", "kind": "elastogram", "size": 32, "region": "find"},
            {"name": "LUS", "kind": "bmode", "size": 32},
        ],
        "dicom": {"modalities": MODALITIES},
        "rule": [{"modality": "LSTE", "colour": True}, {"modality": "LUS"}],
        "stiffness": [{"scale": 50}],
        "cine": {"still": 1, "lit": 0},
    }
)
SETTING = ReadingRules(PLAN, Privacy(b"k" * 32), accept_unmasked=True)
REAL = {  # examples, by how long the decoder takes
    "ExplVR_BigEnd.dcm": 400,
    "SC_rgb_rle_2frame.dcm": 300,
    "SC_rgb_jpeg_dcmtk.dcm": 300,
    "MR_small_implicit.dcm": 300,
    "MR_small_jp2klossless.dcm": 300,
    "image_dfl.dcm": 300,
    "examples_palette.dcm": 10,
    "examples_jpeg2k.dcm": 3,
}
CLASS_NAME = r"[a-z](Error|Exception)\b"
WORDS = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff", b"\0\0", b"\xfe\xff\xdd\xe0", b"SQ", b"UI")


def edits(random: Random) -> list[Edit]:
    """(what, where, bytes, how many); most are in the header, whose damage reaches furthest."""
    return [
        (
            random.choice(["flip", "set", "word", "delete", "insert", "double", "cut"]),
            random.randint(0, random.choice([3000, 2**20])),
            random.choice([random.randbytes(random.randint(1, 8)), *WORDS]),
            random.choice([1, 2, 4, 16, 200]),
        )
        for _ in range(random.randint(1, 6))
    ]


def edited(data: bytes, changes: list[Edit]) -> bytes:
    result = bytearray(data)
    for what, where, put, count in changes:
        if not result:
            break
        at = where % len(result)
        if what == "flip":
            result[at] ^= 1 << (put[0] % 8)
        elif what in ("set", "word"):
            result[at : at + len(put)] = put
        elif what == "delete":
            del result[at : at + count]
        elif what == "insert":
            result[at:at] = put
        elif what == "double":
            result[at:at] = result[at : at + count]
        elif put[0] < 64:  # a cut leaves nothing for the others to damage
            del result[at:]
    return bytes(result)


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True, scope="module")
def little_memory() -> Iterator[None]:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit
    assert grown < MEGABYTES, f"the peak of memory grew by {grown:.0f} MB"


def check_contained(path: Path) -> None:
    """Nothing but `UnreadableImageError`, in a line, comes of opening a file, and nothing of reading it."""
    reason = ""
    try:
        medium = open_medium(path, MODALITIES)
        if not isinstance(medium, Report):
            for _, _, frame in islice(medium.frames(), MOST_FRAMES):
                assert frame.dtype == np.uint8
                assert frame.ndim == 2 or frame.shape[2:] == (3,)
                assert medium.header is None or frame.shape[:2] == (medium.header.height, medium.header.width)
    except UnreadableImageError as error:
        reason = str(error)
    assert len(reason) < 300
    assert "\n" not in reason
    assert not re.search(CLASS_NAME, reason)
    rows = (Request(2, "x", "1", "LUS", roi=Rectangle(5, 5, 20, 20)), Request(3, "x", "1", "LSTE", frame=1))
    for requests in (None, rows):
        outcome = read_file(ReadingJob(path, "x", requests), SETTING)
        assert outcome.taken or outcome.refused or outcome.measured
        assert not any(re.search(CLASS_NAME, refusal.reason) for refusal in outcome.refused)
        for taken in outcome.taken:
            assert taken.pixels.shape in ((32, 32, 1), (32, 32, 3))


def real(name: str) -> bytes:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom has no {name} at hand")
    return Path(path).read_bytes()


def phantom(folder: Path, syntax: str, frames: int = 1) -> bytes:
    """A small screen with tissue, a colour box and a bar."""
    screen = np.random.default_rng(0).integers(0, 90, (120, 160, 1), dtype=np.uint8).repeat(3, axis=2)
    screen[40:80, 40:100] = np.linspace(0, 255, 60, dtype=np.uint8)[None, :, None] * np.array([1, 0, 0], dtype=np.uint8)
    regions = (DrawnRegion(TISSUE, 10, 10, 120, 100, 0.3), DrawnRegion(COLOUR_BAR, 140, 10, 8, 90))
    path = folder / "phantom.dcm"
    write_dicom(
        path, screen if frames == 1 else [np.roll(screen, k, axis=0) for k in range(frames)],
        patient_name="NOBODY^Ever", patient_id="ID-1", birth_date="19600101", study_date="20200101",
        series_description="Liver", manufacturer="Invented", model="One", regions=regions, syntax=syntax,
    )  # fmt: skip
    return path.read_bytes()


def fuzz(data: bytes, path: Path, examples: int) -> None:
    path.write_bytes(data)
    check_contained(path)
    for number in range(examples):
        changes = edits(Random(number))
        path.write_bytes(edited(data, changes))
        try:
            check_contained(path)
        except BaseException as error:
            error.add_note(f"damage number {number}: {changes}")
            raise


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REAL)
def test_damaged_real_files(tmp_path: Path, name: str) -> None:
    fuzz(real(name), tmp_path / "x", REAL[name])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("syntax", "frames"), [("implicit", 1), ("rle", 1), ("deflated", 2), ("jpeg", 3)])
def test_damaged_phantoms(tmp_path: Path, syntax: str, frames: int) -> None:
    fuzz(phantom(tmp_path, syntax, frames), tmp_path / "x", 100)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_damaged_pictures(tmp_path: Path, kind: str) -> None:
    fuzz(noise(60, 80, kind), tmp_path / "x", 300)


CONTENT = b"\x40\0\x30\xa7"  # the tag of Content Sequence, in a report and in each group of it


def report_with_vr(vr: bytes) -> Damage:
    def damaged(_folder: Path) -> bytes:
        whole, group = real("test-SR.dcm").split(CONTENT, 1)
        return whole + CONTENT + group.replace(CONTENT + b"SQ", CONTENT + vr, 1)

    return damaged


def report_that_lacks_four_bytes(_folder: Path) -> bytes:
    data = real("test-SR.dcm")
    at = data.index(b"\x08\0\0\x01SH", data.index(CONTENT, data.index(CONTENT) + 4))
    return data[: at + 2] + data[at + 6 :]


def noise(height: int, width: int, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


def with_vr(name: str, element: bytes, vr: bytes) -> Damage:
    """A real file, one element of which says that it is of another value representation."""

    def damaged(_folder: Path) -> bytes:
        before, after = real(name).split(element, 1)
        return before + element + vr + after[2:]

    return damaged


def tiff_of_too_many_tags(_folder: Path) -> bytes:
    data = bytearray(noise(60, 80, "TIFF"))
    data[8] = 127
    return bytes(data)


def video_with_an_old_title(folder: Path) -> bytes:
    av = pytest.importorskip("av")
    path = folder / "titled.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "M__ller"
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 80, 64, "yuvj420p"
        frame = np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8)
        for k in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(frame, k, 0), format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes().replace(b"M__ller", b"M\xfcller\0")


FOUND: dict[str, tuple[Damage, type[Exception]]] = {
    "a report with a group of a strange VR": (report_with_vr(b"SD"), NotImplementedError),
    "a report with a group of bytes": (report_with_vr(b"OW"), AttributeError),
    "a report that lacks four bytes": (report_that_lacks_four_bytes, OSError),
    "a TIFF that says it has more tags": (tiff_of_too_many_tags, TypeError),
    "a video whose title is no UTF-8": (video_with_an_old_title, UnicodeDecodeError),
    "colours named in a strange VR": (with_vr("ExplVR_BigEnd.dcm", b"\0\x28\0\x04", b"CR"), NotImplementedError),
    "bits counted in a strange VR": (with_vr("SC_rgb_jpeg_dcmtk.dcm", b"\x28\0\x01\x01", b"UW"), NotImplementedError),
    "a colour picture of 3×3": (lambda _: real("SC_rgb_small_odd.dcm"), ValueError),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", FOUND)
def test_what_longer_runs_found(tmp_path: Path, case: str) -> None:
    """Each escaped once."""
    path = tmp_path / "x"
    path.write_bytes(FOUND[case][0](tmp_path))
    check_contained(path)
