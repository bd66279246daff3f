"""Intake of DICOM folders under adversity: each bad file is one line with its name and reason, nothing is half-written,
with skip_bad the rest is taken in, and a stopped intake goes on where it stopped."""

import errno
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image
from polars.exceptions import ComputeError

from fibrostage.cohort.store import Cohort, open_cohort, verify_pixels
from fibrostage.ground.errors import CohortError, FibrostageError, IntakeError, PlanError
from fibrostage.ground.progress import Silent
from fibrostage.intake.build.take_in import Choices, Sources, journal, look_at, take_in
from fibrostage.intake.build.take_in import take_in as build
from fibrostage.intake.build.take_in import workers as gather
from fibrostage.intake.privacy import Privacy
from fibrostage.plan.run_plan import Plan

pydicom = pytest.importorskip("pydicom")
encaps = pytest.importorskip("pydicom.encaps")

from fibrostage.phantom.dicom_files import TISSUE, Region, write_dicom  # noqa: E402

KEY = b"k" * 32
MAGIC_END = 132
REGIONS = (Region(TISSUE, 10, 10, 120, 100, 0.3),)
MODALITY: dict[str, Any] = {"name": "LUS", "kind": "bmode", "size": 32}
PLAN_DATA: dict[str, Any] = {
    "modality": [MODALITY],
    "rule": [{"modality": "LUS"}],
    "cine": {"still": 1, "distinct": 0, "lit": 0},
}
PLAN = Plan.parse(PLAN_DATA)
Spoil = Callable[[Path], object]


class Saying(Silent):
    """Progress that keeps what was said."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def say(self, line: str) -> None:
        self.lines.append(line)


def picture(seed: int, shape: tuple[int, ...] = (120, 160)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 200, shape, dtype=np.uint8)


def write(path: Path, frames: Any = None, patient: str = "ID-1", **options: Any) -> Path:
    """A DICOM file of one patient, whose pixels follow from its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    given = {"regions": REGIONS, "series_description": "Abdomen B", **options}
    pixels = picture(sum(path.name.encode())) if frames is None else frames
    write_dicom(
        path, pixels, patient_name="NOBODY^Ever", patient_id=patient, birth_date="19600101", study_date="20200101",
        manufacturer="Invented", model="One", **given,
    )  # fmt: skip
    return path


def edit(path: Path, **values: Any) -> None:
    """Sets elements of a file, or with None deletes them."""
    data = pydicom.dcmread(path)
    for keyword, value in values.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    data.save_as(path)


def cut(path: Path, keep: float | int) -> None:
    """Leaves so many bytes, or this share of them."""
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A key, and a source of two good files."""
    (tmp_path / "key").write_text(KEY.hex())
    write(tmp_path / "source" / "good1.dcm")
    write(tmp_path / "source" / "good2.dcm", patient="ID-2")
    return tmp_path


def take(
    place: Path, plan: Plan = PLAN, skip_bad: bool = False, sources: Sources | None = None, **given: Any
) -> Cohort:
    choices = Choices(skip_bad=skip_bad, key=place / "key", workers=1)
    return take_in(sources or Sources(place / "source"), place / "cohort", plan, choices=replace(choices, **given))


def check_refused(place: Path, name: str, reason: str, **given: Any) -> None:
    """One line without skip_bad and nothing written; with it two pictures and an exclusion."""
    before = sorted(place.iterdir())
    with pytest.raises(IntakeError) as caught:
        take(place, **given)
    first, *lines, last = str(caught.value).splitlines()
    assert first == "1 problem, nothing was written:"
    assert "--skip-bad" in last
    assert len(lines) == 1
    assert lines[0].startswith(f"  {name}: ")
    assert reason in lines[0]
    assert sorted(place.iterdir()) == before
    cohort = take(place, skip_bad=True, **given)
    verify_pixels(cohort)
    assert len(cohort.images) == 2
    assert cohort.exclusions["kind"].to_list() == ["picture"]
    assert cohort.exclusions["file"].to_list() == [Privacy(KEY).source(name)]
    assert reason in cohort.exclusions["reason"][0]
    assert sorted(place.iterdir()) == sorted([*before, place / "cohort"])


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


NOTHING = "not a readable PNG or JPEG, BMP, TIFF, DICOM or video file"
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


def test_what_a_file_is_called_says_nothing_of_what_it_is(place: Path) -> None:
    for name in ("third.png", "fourth.mp4", "IM0005", "1.2.840.6"):
        write(place / "source" / name)
    assert len(take(place).images) == 6


def test_indexes_hidden_files_and_documents_are_passed_over(place: Path) -> None:
    for name in ("DICOMDIR", "Thumbs.db", "desktop.ini", "read.me.txt", ".hidden", "a/DICOMDIR"):
        (place / "source" / name).parent.mkdir(exist_ok=True)
        (place / "source" / name).write_bytes(b"nothing")
    cohort = take(place)
    assert (len(cohort.images), len(cohort.exclusions)) == (2, 0)


def test_indexes_are_passed_over_whatever_their_case(place: Path) -> None:
    for name in ("dicomdir", "thumbs.db", "Desktop.INI"):
        (place / "source" / name).write_bytes(b"nothing")
    assert len(take(place).images) == 2


def test_links_between_folders_are_said_and_no_loop(place: Path) -> None:
    (place / "source" / "again").symlink_to(place / "source", target_is_directory=True)
    check_refused(place, "again", "is a link to a folder, which is not followed")


def test_a_link_that_leads_up_is_no_loop(place: Path) -> None:
    (place / "source" / "a").mkdir()
    (place / "source" / "a" / "up").symlink_to("..", target_is_directory=True)
    check_refused(place, "a/up", "is a link to a folder, which is not followed")


def test_a_folder_that_cannot_be_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(place / "source" / "locked" / "one.dcm")
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    check_refused(place, "locked", "the folder cannot be read: Permission denied")


def test_a_folder_that_can_be_listed_and_not_entered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(place / "source" / "locked" / "one.dcm")
    is_file = Path.is_file

    def refusing(path: Path) -> bool:
        if path.parent.name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refusing)
    with pytest.raises(IntakeError, match="one.dcm"):
        take(place)


@pytest.mark.parametrize("stage", ["before its state was asked", "before it was opened"])
def test_a_file_that_vanishes(place: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """Between listing and reading, in either call: it is there again for the second."""
    bad = place / "source" / "bad.dcm"
    name = "survey" if "state" in stage else "read_all"
    whole: Callable[..., Any] = getattr(build, name)

    def vanishing(*args: Any, **kwargs: Any) -> Any:
        found = list(whole(*args, **kwargs)) if name == "survey" else whole(*args, **kwargs)
        bad.unlink()
        return found

    monkeypatch.setattr(build, name, vanishing)
    touch = build.begin

    def begun(*args: Any) -> Any:
        write(bad)
        return touch(*args)

    monkeypatch.setattr(build, "begin", begun)
    check_refused(place, "bad.dcm", "No such file or directory")


def with_csvs(place: Path, rows: str, people: str = "ID-1,F1\nID-2,F2\n") -> Sources:
    (place / "source" / "P.csv").write_text("patient_id,stage\n" + people)
    (place / "source" / "I.csv").write_text("file,patient_id,modality,frame\n" + rows)
    return Sources(place / "source", place / "source" / "P.csv", place / "source" / "I.csv")


@pytest.mark.parametrize("file", ["../outside.dcm", "{place}/outside.dcm", "a/../../outside.dcm", "linked.dcm"])
def test_a_row_cannot_leave_the_source(place: Path, file: str) -> None:
    write(place / "outside.dcm")
    (place / "source" / "linked.dcm").symlink_to(place / "outside.dcm")
    file = file.format(place=place)
    sources = with_csvs(place, f"good1.dcm,ID-1,LUS,\n{file},ID-1,LUS,\n")
    before = sorted(place.iterdir())
    with pytest.raises(IntakeError, match=rf"1 problem.*\n  I.csv row 3: '{file}' lies outside the source folder\n"):
        take(place, sources=sources)
    assert sorted(place.iterdir()) == before
    cohort = take(place, sources=sources, skip_bad=True)
    assert len(cohort.images) == 1
    assert cohort.exclusions["row"].to_list() == [3]


def test_rows_of_bad_files_and_frames_that_are_not_there(place: Path) -> None:
    write(place / "source" / "loop.dcm", [picture(k) for k in range(3)])
    (place / "source" / "empty.dcm").touch()
    sources = with_csvs(place, "good1.dcm,ID-1,LUS,\nloop.dcm,ID-1,LUS,3\nloop.dcm,ID-1,LUS,2\nempty.dcm,ID-2,LUS,\n")
    with pytest.raises(IntakeError) as caught:
        take(place, sources=sources)
    assert str(caught.value).splitlines()[1:-1] == [
        "  I.csv row 3: 'loop.dcm': frame 3 asked for, but the file holds 3 (from 0)",
        f"  I.csv row 5: 'empty.dcm': {NOTHING} (it is empty)",
    ]
    assert take(place, sources=sources, skip_bad=True).images["frame"].to_list() == [None, 2]


def test_a_patient_whom_nobody_listed(place: Path) -> None:
    write(place / "source" / "bad.dcm", patient="ID-9")
    sources = replace(with_csvs(place, ""), images=None)
    hidden = Privacy(KEY).patient("ID-9")
    check_refused(place, "bad.dcm", f"is of {hidden}, who is not among the patients (1 picture)", sources=sources)


def test_no_rule_fits(place: Path) -> None:
    write(place / "source" / "bad.dcm", series_description="Kidney")
    plan = Plan.parse({**PLAN_DATA, "rule": [{"modality": "LUS", "series": "^abdomen"}]})
    check_refused(place, "bad.dcm", "no rule of the plan says what it is", plan=plan)
    with pytest.raises(IntakeError, match="must say what a file is"):
        take(place, plan=Plan.parse({"modality": [MODALITY]}))


@pytest.mark.parametrize(
    ("rule", "message"),
    [({"modality": "LUSS"}, "LUSS"), ({"modality": "LUS", "series": "("}, r"'\(' is no regular expression")],
)
def test_a_rule_that_cannot_be_followed(rule: dict[str, str], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        Plan.parse({**PLAN_DATA, "rule": [rule]})


@pytest.mark.parametrize("content", [b"", b"rubbish", b"abcd", b"\xff\xfe\0", b"0" * 63, b"0" * 66])
def test_a_key_that_is_none(place: Path, content: bytes) -> None:
    (place / "key").write_bytes(content)
    before = sorted(place.iterdir())
    with pytest.raises(IntakeError, match="is no key") as caught:
        take(place)
    assert "\n" not in str(caught.value)
    assert sorted(place.iterdir()) == before


def test_a_key_or_a_link_in_the_cohort_is_refused(place: Path) -> None:
    before = sorted(place.iterdir())
    with pytest.raises(IntakeError, match="lies in the cohort"):
        take(place, key=place / "cohort" / "key")
    with pytest.raises(IntakeError, match="lies in the cohort"):
        take(place, link=place / "cohort" / "link.csv")
    assert sorted(place.iterdir()) == before


def stored(place: Path, path: Path) -> NDArray[np.uint8]:
    """The whole picture [S, S] of the only file, as the cohort has it."""
    plan = Plan.parse({**PLAN_DATA, "modality": [{**MODALITY, "size": 64, "region": "given"}]})
    cohort = take(place, plan, sources=Sources(path))
    return np.asarray(cohort.pixels("LUS")[0, :, :, 0])


@pytest.mark.parametrize("window", [None, (1000, 500)])
def test_sixteen_bits_become_eight_by_the_window_or_the_bits(place: Path, window: tuple[int, int] | None) -> None:
    path = write(place / "deep.dcm", picture(0, (64, 64)), regions=(), burned_in="NO")
    values = np.arange(64 * 64, dtype="<u2").reshape(64, 64)
    edit(path, BitsAllocated=16, BitsStored=12, HighBit=11, PixelData=values.tobytes())
    expected = values / 4095 * 255
    if window is not None:
        centre, width = window
        edit(path, WindowCenter=centre, WindowWidth=width)
        # PS3.3 C.11.2.1.2.1, linear
        expected = np.clip(((values - (centre - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)
    assert np.abs(stored(place, path) - expected).max() <= 0.51


def test_monochrome1_is_inverted(place: Path) -> None:
    pixels = picture(0, (64, 64))
    path = write(place / "inverted.dcm", pixels, regions=(), burned_in="NO")
    edit(path, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(stored(place, path), 255 - pixels)


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Bounds every file this process writes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_under_the_journal(place: Path, small_files: Callable[[int], None]) -> None:
    """What could not be written stays in a buffer, and is written again when the file is closed."""
    for number in range(3):
        write(place / "source" / f"more{number}.dcm")
    before = sorted(place.iterdir())
    for size in range(1000, 45_000, 2000):
        small_files(size)
        with pytest.raises(CohortError, match="File too large"):
            take(place)
        assert sorted(place.iterdir()) == before


def test_a_disk_that_fills_up_under_the_pixels(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = sorted(place.iterdir())
    with pytest.raises(CohortError, match="No space left on device"):
        take(place)
    assert sorted(place.iterdir()) == before


def test_a_disk_that_fills_up_under_the_tables(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise ComputeError("parquet: File out of specification: underlying IO error: No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    before = sorted(place.iterdir())
    with pytest.raises(CohortError, match="No space left on device"):
        take(place)
    assert sorted(place.iterdir()) == before


def test_two_sources_of_one_name(place: Path) -> None:
    one, other = write(place / "a" / "dicom" / "1.dcm"), write(place / "b" / "dicom" / "1.dcm", picture(5))
    assert len(take(place, sources=Sources(one.parent, more=(other.parent,))).images) == 2


def test_a_file_name_in_an_old_encoding(place: Path) -> None:
    path = write(place / "source" / "old.dcm")
    path.rename(path.with_name(os.fsdecode(b"M\xfcller.dcm")))
    assert len(take(place).images) == 3


def test_a_file_name_of_two_lines(place: Path) -> None:
    (place / "source" / "one\ntwo.dcm").touch()
    with pytest.raises(IntakeError) as caught:
        take(place)
    assert len(str(caught.value).splitlines()) == 3


def test_what_stands_in_a_header_is_not_written_down(place: Path) -> None:
    edit(write(place / "source" / "bad.dcm"), Modality="NOBODY^EVER")
    assert not take(place, skip_bad=True).exclusions["reason"].str.contains("NOBODY").any()


def test_a_bar_outside_the_picture(place: Path) -> None:
    screen = picture(0, (200, 300))[..., None].repeat(3, axis=2) // 4 + 40
    screen[50:120, 60:160] = picture(1, (70, 100, 3)) // 6 + np.array([180, 20, 20], dtype=np.uint8)
    write(place / "source" / "map.dcm", screen, regions=(), burned_in="NO")
    modality = {"name": "LSTE", "kind": "elastogram", "size": 32}
    bar = [3000, 3000, 10, 100]
    plan = Plan.parse(
        {"modality": [modality], "rule": [{"modality": "LSTE"}], "stiffness": [{"scale": 50, "bar": bar}]}
    )
    cohort = take(place, plan, skip_bad=True)
    assert len(cohort.images) == 1
    assert cohort.exclusions["reason"].str.contains("no stiffness could be read").any()


def test_a_dry_run_says_the_same_and_writes_nothing(place: Path) -> None:
    (place / "source" / "empty.dcm").touch()
    before = sorted(place.iterdir())
    rows, problems = look_at(Sources(place / "source"), PLAN, Choices(key=place / "absent", workers=1))
    assert [row["refused"] for row in rows] == [f"{NOTHING} (it is empty)", None, None]
    assert [row.get("taken_for") for row in rows] == [None, "LUS", "LUS"]
    assert not len(problems)
    assert sorted(place.iterdir()) == before


def test_a_target_is_of_one_intake(tmp_path: Path) -> None:
    with (
        journal.alone_at(tmp_path / "cohort"),
        pytest.raises(CohortError, match="another intake into .* is running"),
        journal.alone_at(tmp_path / "cohort"),
    ):
        pass
    with journal.alone_at(tmp_path / "cohort"):
        pass
    assert list(tmp_path.iterdir()) == []


SLOW = """
import sys, time
from fibrostage.cli.app import main
from fibrostage.intake.build.take_in import workers as gather
read = gather.read_file
gather.read_file = lambda job, setting: (time.sleep(0.01), read(job, setting))[1]
main()
"""


def toml(data: dict[str, Any]) -> str:
    rows = [("[[modality]]", data["modality"][0]), ("[[rule]]", data["rule"][0]), ("[cine]", data["cine"])]
    return "\n".join("\n".join([head, *(f"{k} = {json.dumps(v)}" for k, v in row.items())]) for head, row in rows)


def command(place: Path, *options: str, slow: bool = False) -> list[str]:
    (place / "plan.toml").write_text(toml(PLAN_DATA))
    program = ["-c", SLOW] if slow else ["-m", "fibrostage"]
    paths = ["--plan", "plan.toml", "--out", "cohort", "--key", "key"]
    return [sys.executable, *program, "intake", "source", *paths, "--workers", "1", *options]


def run(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(place, *options), cwd=place, capture_output=True, text=True, timeout=120)


@pytest.fixture
def many(place: Path) -> Path:
    for number in range(148):
        write(place / "source" / f"{number:03d}.dcm", picture(number, (24, 32)), regions=(), burned_in="NO")
    return place


def entries(place: Path) -> int:
    """How many whole entries the journal has, by their lengths."""
    path, found, at = place / ".cohort.intake" / journal.ENTRIES, 0, 0
    if not path.exists():
        return 0
    with path.open("rb") as file:
        while len(head := file.read(journal.HEAD.size)) == journal.HEAD.size:
            at += journal.HEAD.size + journal.HEAD.unpack(head)[0]
            file.seek(at)
            found += at <= path.stat().st_size
    return found


def stop(place: Path, sign: signal.Signals, after: int = 40) -> tuple[int, str]:
    """Begins a slow intake and stops it once the journal has so many files; its exit code and stderr."""
    process = subprocess.Popen(
        command(place, slow=True), cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while entries(place) < after and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(sign)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def test_a_killed_intake_goes_on_and_reads_nothing_twice(many: Path) -> None:
    code, _ = stop(many, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (many / "cohort").exists()
    done = entries(many)
    assert 40 <= done < 150
    edit(many / "source" / "000.dcm", ImageComments="changed in between")  # read before, and to be read again
    again = run(many)
    assert again.returncode == 0, again.stderr
    assert f"{done - 1} of 150 files were read before" in again.stderr
    assert f"reading files: {151 - done}/{151 - done}" in again.stderr
    cohort = open_cohort(many / "cohort")
    verify_pixels(cohort)
    undisturbed = take_in(Sources(many / "source"), many / "other", PLAN, choices=Choices(key=many / "key", workers=1))
    assert cohort.fingerprint == undisturbed.fingerprint
    assert not (many / ".cohort.intake").exists()


def test_a_killed_intake_leaves_nothing_once_it_went_on(place: Path) -> None:
    before = {path.name for path in place.iterdir()}
    (place / ".cohort.partial-killed").mkdir()
    (place / ".cohort.partial-killed" / "patients.parquet").touch()
    take(place)
    assert {path.name for path in place.iterdir()} == {*before, "cohort"}


def test_an_interrupted_intake_leaves_its_journal_alone_and_goes_on(many: Path) -> None:
    before = {path.name for path in many.iterdir()}
    code, err = stop(many, signal.SIGINT)
    assert code == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("stopped; no half cohort")
    assert {path.name for path in many.iterdir()} == {*before, ".cohort.intake", "plan.toml"}
    done = entries(many)
    said: list[str] = []
    cohort = take_in(
        Sources(many / "source"),
        many / "cohort",
        PLAN,
        progress=Saying(said),
        choices=Choices(key=many / "key", workers=1),
    )
    assert len(cohort.images) == 150
    assert said == [f"{done} of 150 files were read before"]
    assert {path.name for path in many.iterdir()} == {*before, "cohort", "plan.toml"}


def test_an_interruption_at_any_place_of_one_call_is_as_if_it_was_none(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another plan in between begins anew, and a journal that is damaged is read as far as it is whole."""
    whole = take(place).fingerprint
    (place / "cohort").rename(place / "first")
    read_all = gather.read_all

    def interrupted(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield next(iter(read_all(*args, **kwargs)))
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "read_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        take(place)
    assert entries(place) == 1
    with pytest.raises(KeyboardInterrupt):
        take(place, Plan.parse({**PLAN_DATA, "modality": [{**MODALITY, "size": 64}]}))
    assert entries(place) == 1
    path = place / ".cohort.intake" / journal.ENTRIES
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(build, "read_all", read_all)
    assert take(place).fingerprint == whole


@pytest.mark.long
def test_a_second_intake_at_once_into_the_same_target(many: Path) -> None:
    """One of them is whole and right; the other is refused in words, and nothing is left of it."""
    before = {path.name for path in many.iterdir()}
    first = subprocess.Popen(
        command(many, slow=True), cwd=many, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while entries(many) < 20 and first.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    failed = 0
    try:
        take(many)
    except FibrostageError:
        failed += 1
    _, err = first.communicate(timeout=60)
    failed += first.returncode != 0
    assert "Traceback" not in err
    assert failed == 1
    cohort = open_cohort(many / "cohort")
    verify_pixels(cohort)
    assert len(cohort.images) == 150
    assert {path.name for path in many.iterdir()} == {*before, "cohort", "plan.toml"}


def test_the_command_says_in_a_line_what_is_wrong_with_a_file_or_a_key(place: Path) -> None:
    (place / "source" / "bad.dcm").touch()
    before = {path.name for path in place.iterdir()} | {"plan.toml"}
    refused = run(place)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert f"  bad.dcm: {NOTHING} (it is empty)" in refused.stderr.splitlines()
    assert refused.stdout == ""
    (place / "key").write_text("rubbish")
    no_key = run(place, "--skip-bad")
    assert no_key.returncode == 1
    assert no_key.stderr == "error: key is no key: it must hold 64 hexadecimal digits\n"
    assert {path.name for path in place.iterdir()} == before
