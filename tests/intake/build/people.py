"""A hospital's folder of invented people, with everything identifying planted by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset

from fibrostage.dicom.sr_write import Measurement, Stored
from fibrostage.intake.privacy import VARIABLE
from fibrostage.phantom.dicom_files import COLOUR_BAR, TISSUE, DrawnRegion, write_dicom
from fibrostage.phantom.dicom_reports import write_measurements
from fibrostage.phantom.screen import colours
from fibrostage.plan.run_plan import Plan
from tests.conftest import write_rows

KEY = "5a" * 32
PANEL = DrawnRegion(TISSUE, 40, 40, 240, 180, 0.4)
BAR = DrawnRegion(COLOUR_BAR, 292, 60, 14, 140)
HEADER: dict[str, Any] = {"manufacturer": "Invented Sonics", "model": "Convex 4"}
GIVEN = {
    "modality": [
        {"name": "SWE", "kind": "elastogram", "size": 96, "marker": "swe"},
        {"name": "B", "kind": "bmode", "size": 64},
    ],
    "rule": [{"modality": "SWE", "series": "^elasto"}, {"modality": "B", "series": "^abdomen"}],
    "stiffness": [{"scale": 40.0}],
    "network": {"backbone": "tiny", "weights": "random", "reduce": 16, "se_reduction": 4, "modalities": ["B"]},
    "training": {"epochs": 1, "precision": "float32"},
    "evaluation": {"bootstrap": 100},
    "split": {"test": 0.4},
}
PLAN = Plan.parse(GIVEN)


@dataclass(frozen=True)
class Person:
    """Somebody invented, with a name and an id that no other text holds; dates are YYYYMMDD."""

    family: str
    given: str
    patient_id: str
    born: str
    day: str
    stage: str = "F1"

    @property
    def header(self) -> dict[str, Any]:
        name = f"{self.family}^{self.given}"
        return {"patient_name": name, "patient_id": self.patient_id, "birth_date": self.born, "study_date": self.day}


PEOPLE = (
    Person("ZWINGLIUS", "Theodora-Maria", "7741930-K", "19610928", "20210317", "F0"),
    Person("GRÜNDELWÄLDER", "Ottokar", "0088121552", "19570211", "20200630", "F1"),
    Person("QUASIMODO", "Balthasar", "SM/9902117", "19701104", "20190823", "F2"),
    Person("OYELARAN", "Chidubem", "55.031.772", "19481230", "20180102", "F3"),
    Person("PAPADIMAS", "Eleftheria", "H0000042X", "19830517", "20220714", "F4"),
    Person("LINDWURM", "Knut-Asbjørn", "664207919", "19660606", "20200229", "F4"),
)
LEFT_OUT = Person("VANTONGEREN", "Willemijn", "EX-330018", "19540809", "20190401")
WRONG = Person("MONTCLAIRVILLE", "Hyacinthe", "ST-818104", "19720303", "20190518")
LATER = "20210501"  # the first person's second exam
ELSEWHERE = (
    "Invented General Hospital", "Nowhere Street", "Invented Lane", "REFERRER", "PERFORMER", "OPERATOR", "REQUESTER",
    "US-ROOM-4", "SN-0042-7", "555 0100", "INVENTED SCANNER", "operator note", "Wendelgard", "Ravensteyn", "KORBINIAN",
)  # fmt: skip


def tissue(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Grey [H, W] from 20 to 165 with detail, unlike that of any other seed."""
    coarse = Image.fromarray(rng.uniform(50, 130, (height // 14, width // 14)).astype(np.float32))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(smooth + rng.normal(0, 12, (height, width)), 20, 165).astype(np.uint8)


def screen(seed: int, kpa: float | None = None) -> NDArray[np.uint8]:
    """A screen [240, 320, 3]: a name in white blocks above the tissue, and with `kpa` a box and its colour bar."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((240, 320, 3), np.uint8)
    letters = np.kron(rng.integers(0, 2, (5, 50)), np.ones((4, 4)))
    pixels[4:24, 40:240] = (letters * 255)[..., None]
    pixels[40:220, 40:280] = tissue(rng, 180, 240)[..., None]
    if kpa is None:
        return pixels
    x, y, w, h = (int(rng.integers(*span)) for span in ((60, 150), (60, 120), (80, 110), (60, 90)))
    spread = Image.fromarray(rng.normal(kpa, 0.15 * kpa, (5, 6)).astype(np.float32))
    index = np.clip(np.asarray(spread.resize((w, h), Image.Resampling.BICUBIC)) / 40 * 255, 0, 255).astype(np.uint8)
    box = pixels[y : y + h, x : x + w]
    box[:] = (0.4 * box + 0.6 * colours()[index]).astype(np.uint8)
    box[:2] = box[-2:] = (250, 230, 0)
    box[:, :2] = box[:, -2:] = (250, 230, 0)
    pixels[60:200, 292:306] = colours()[np.linspace(255, 0, 140).astype(int)][:, None]
    return pixels


def write_screen(path: Path, person: Person, seed: int, kpa: float | None = None, **more: Any) -> Stored:
    path.parent.mkdir(parents=True, exist_ok=True)
    regions = [PANEL] if kpa is None else [PANEL, BAR]
    given = {"series_description": "abdomen" if kpa is None else "elasto", "regions": regions, "number": seed}
    given |= person.header
    return write_dicom(path, screen(seed, kpa), **{**given, **HEADER, **more})


def folder_of(person: Person) -> str:
    return f"{person.family}_{person.given}/{person.patient_id.replace('/', '-')}_{person.day}"


def more_tags(path: Path) -> None:
    """Names in nested sequences, private tags and free text, and in letters of another alphabet."""
    data = pydicom.dcmread(path)
    data.PatientBirthName = "Ravensteyn^Wendelgard"
    data.PatientMotherBirthName = "Ravensteyn"
    inner = Dataset()
    inner.PersonName = "KORBINIAN^Wendelgard"
    data.PersonIdentificationCodeSequence = [inner]
    data.AdditionalPatientHistory = "Wendelgard Ravensteyn, seen by KORBINIAN"
    block = data.private_block(0x0BAD, "KORBINIAN", create=True)
    block.add_new(0x01, "PN", "Ravensteyn^Wendelgard")
    data.save_as(path)


@dataclass(frozen=True)
class Hospital:
    """The folder, its CSVs, and whose pictures stand in what files."""

    folder: Path
    patients: Path
    images: Path


def make_hospital(folder: Path) -> Hospital:
    """Pictures of six people, a report, and everything that an intake has to leave out."""
    files: list[tuple[str, Person, str]] = []
    for number, person in enumerate((*PEOPLE, LEFT_OUT, WRONG)):
        place = folder_of(person)
        for shot in range(3):
            name = f"{place}/{person.family}{shot}"
            seed = 10 * number + shot
            stored = write_screen(folder / name, person, seed, 6 + 4 * number + shot if shot < 2 else None)
            files.append((name, person, "SWE" if shot < 2 else "B"))
            if shot == 0:
                reading = [Measurement(stored, 5.5 + number, 0.7, circle=(120, 100, 9))]
                write_measurements(folder / place / f"SR_{person.family}", reading, **person.header, **HEADER)
    first, second = PEOPLE[:2]
    more_tags(folder / files[0][0])
    later = f"{folder_of(first)}/again_{LATER}.dcm"
    write_screen(folder / later, replace(first, day=LATER), 90)
    files.append((later, first, "B"))
    copy = f"{folder_of(first)}/copy of {first.patient_id}.dcm"  # of a picture of the same patient
    (folder / copy).write_bytes((folder / later).read_bytes())
    taken_over = f"{folder_of(second)}/{first.family}_copy.dcm"  # of a picture of another patient
    write_screen(folder / taken_over, second, 90)
    unmasked = f"{folder_of(second)}/whole_{second.family}.dcm"
    write_screen(folder / unmasked, second, 91, regions=[])
    files += [(copy, first, "B"), (taken_over, second, "B"), (unmasked, second, "B")]
    for name in ("CUT", "CT", "EMPTY"):
        files.append((f"{folder_of(second)}/{name}_{second.patient_id}", second, "B"))
    whole = (folder / files[0][0]).read_bytes()
    (folder / files[-3][0]).write_bytes(whole[: len(whole) // 2])
    write_screen(folder / files[-2][0], second, 92)
    data = pydicom.dcmread(folder / files[-2][0])
    data.Modality = "CT"
    data.save_as(folder / files[-2][0])
    (folder / files[-1][0]).touch()
    write_pictures(folder, first)
    return Hospital(folder, write_patients(folder), write_images(folder, files))


def write_pictures(folder: Path, person: Person) -> None:
    """What was saved from a screen by hand, with names in its metadata; nothing is burned into these."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Patient", f"{person.family}^{person.given}")
    texts.add_itxt("Comment", f"born {person.born}", zip=True)
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = f"{person.family} {person.patient_id}", "Wendelgard Ravensteyn"
    place = folder / folder_of(person)
    Image.fromarray(screen(94)[40:220, 40:280]).save(place / f"{person.family}.png", pnginfo=texts, exif=exif)
    Image.fromarray(screen(95)[40:220, 40:280]).save(place / f"{person.family}.jpg", exif=exif, comment=b"ZWINGLIUS")


def write_patients(folder: Path) -> Path:
    columns = ["patient_id", "stage", "age", "sex", "name", "birth_date", "remarks", "called", "excluded"]
    rows: list[list[object]] = []
    for number, person in enumerate((*PEOPLE, LEFT_OUT)):
        born = f"{person.born[:4]}-{person.born[4:6]}-{person.born[6:]}"
        remark = f"asked {person.given}, no answer" if number % 2 else "nil"
        excluded = "antiviral treatment" if person is LEFT_OUT else ""
        who = f"{person.given} {person.family}"
        rows.append([person.patient_id, person.stage, 50, "F", who, born, remark, f"{number}", excluded])
    first = PEOPLE[0]
    family = WRONG.family
    rows += [
        [WRONG.patient_id, f"{family}, {WRONG.given}", 50, "F", family, "", "", "", ""],
        [first.patient_id, "F1", 50, "F", family, "", "", "", ""],
        ["", "F1", 50, "F", family, "", "", "", ""],
        [f"{family} {WRONG.patient_id}", "F1", f"{family}^{WRONG.given}", "F", family, "", "", "", ""],
        [family, "F1", 50, "F", family, "", "", "", "yes"],
        [WRONG.given, "F1", 50, "F", family, "", "", "", "", family, WRONG.patient_id],
    ]
    return write_rows(folder / "patients.csv", columns, rows)


def write_images(folder: Path, files: Iterable[tuple[str, Person, str]]) -> Path:
    first, second = PEOPLE[:2]
    place, family = folder_of(first), first.family
    rows: list[list[object]] = [[file, person.patient_id, modality, "", ""] for file, person, modality in files]
    rows += [
        [f"{place}/{family}.png", first.patient_id, "B", "", ""],
        [f"{place}/{family}.jpg", first.patient_id, "B", "", ""],
        [f"{place}/{family}0", f"{family}^{first.given}", "B", "", ""],
        [f"{place}/{family}1", first.patient_id, f"{family}^{first.given}", "", ""],
        [f"{place}/{family}2", first.patient_id, "B", f"{family}", ""],
        [f"{place}/{family}2", first.patient_id, "SWE", "", f"{first.given} {first.patient_id}"],
        [f"{place}/{family}2", second.patient_id, "B", 7, ""],
        [f"{place}/{family} is not here.png", first.patient_id, "B", "", ""],
        [f"../{family}.png", first.patient_id, "B", "", ""],
    ]
    return write_rows(folder / "images.csv", ["file", "patient_id", "modality", "frame", "kpa"], rows)


@contextmanager
def key_in(folder: Path, text: str = KEY) -> Iterator[Path]:
    path = folder / "keys" / "intake.key"
    if text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(path))
        yield path
