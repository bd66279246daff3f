"""An exam of two pictures, what a model says of it, and the programs that check what is written of it."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from fibrostage.dicom.sr_write import Stored
from fibrostage.ground.stage import METAVIR
from fibrostage.results.staged import Staged
from tests.intake.hospital import put

MODEL = "5a" * 32

STAGED = Staged(
    "P7",
    "F3",
    dict(zip(METAVIR.classes, (0.0123456789, 0.1, 0.2, 0.45, 0.2376543211), strict=True)),
    {"SWE": 1, "B": 1},
    MODEL,
    possible=("F2", "F3"),
    rules={"F2": "in", "F3": "cannot say", "F4": "out"},
    reasons=("2 of 2 pictures lie far outside the training pictures", "Häufigkeit ≥ 3, and a backslash \\"),
)

ALLOWED = {  # warnings of dciodvfy, and why they may be
    "Unrecognized defined term = <99FIBROSTAGE>": "it knows the schemes that the standard lists, and ours is private",
}

OF_SOURCES = {  # what it says of attributes that are taken over from pydicom's own files as they stand
    "Retired Person Name form": "a name without a caret",
    "Missing attribute or value that would be needed to build DICOMDIR": "the picture has none to take over",
}


def verified(path: Path, more: Sequence[str] = ()) -> None:
    """Asserts that dciodvfy finds no error in a file, and only the warnings that are listed above."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not at hand: apt-get install dicom3tools")
    ran = subprocess.run([program, "-new", str(path)], capture_output=True, text=True, check=False)
    lines = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
    odd = [line for line in lines if line.startswith("Warning") and not any(text in line for text in (*ALLOWED, *more))]
    assert not [line for line in lines if line.startswith("Error")] + odd
    assert ran.returncode == 0
    assert any(line.strip() in ("ComprehensiveSR", "SCImage") for line in lines)


def dumped(path: Path) -> str:
    """What dsrdump prints of a report, with its codes, in full."""
    program = shutil.which("dsrdump")
    if program is None:
        pytest.skip("dsrdump is not at hand: apt-get install dcmtk")
    ran = subprocess.run([program, "+Pc", "+Pl", str(path)], capture_output=True, check=False)
    assert ran.returncode == 0
    assert b"E:" not in ran.stderr
    return ran.stdout.decode("utf-8")


def exam(folder: Path, patient: str = "A1", **more: Any) -> tuple[list[Stored], list[pydicom.Dataset]]:
    """An elastogram and a B-mode picture of a patient, written and read again."""
    stored = [put(folder, f"{patient}/e", patient, 1, 12.0, **more), put(folder, f"{patient}/b", patient, 2, **more)]
    return stored, [pydicom.dcmread(folder / patient / name) for name in "eb"]


def with_raw(folder: Path, charset: str | list[str] | None, **values: bytes | None) -> pydicom.Dataset:
    """A picture whose header holds these bytes, declared to be in `charset`; None takes a tag away."""
    put(folder, "raw", "A1", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an alphabet that there is none of
        data = pydicom.dcmread(folder / "raw")
        data.SpecificCharacterSet = charset
        data.save_as(folder / "raw")
        data = pydicom.dcmread(folder / "raw")  # else the bytes would be taken for those of the alphabet before
        for keyword, value in values.items():
            tag = Tag(tag_for_keyword(keyword) or 0)
            data.pop(tag, None)
            if value is not None:
                data._dict[tag] = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)
        data.save_as(folder / "raw")
        return pydicom.dcmread(folder / "raw")


def items_of(report: Any) -> list[tuple[str, str, Any]]:
    """Value type, code of the name and value of every content item but containers and pictures."""
    found = []

    def walk(node: Any) -> None:
        for item in node.get("ContentSequence", ()):
            if item.ValueType in ("NUM", "CODE", "TEXT"):
                value = {
                    "NUM": lambda item: item.MeasuredValueSequence[0].FloatingPointValue,
                    "CODE": lambda item: item.ConceptCodeSequence[0].CodeValue,
                    "TEXT": lambda item: item.TextValue,
                }[item.ValueType](item)
                found.append((str(item.ValueType), str(item.ConceptNameCodeSequence[0].CodeValue), value))
            walk(item)

    walk(report)
    return found
