"""Nothing of a hospital's folder that names a person is found again: not in a cohort, its pictures, or a journal.

Everything identifying is planted by hand and then looked for in every byte, in several encodings and spellings.
"""

from __future__ import annotations

import base64
import csv
import datetime
import hashlib
import io
import json
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset

from fibrostage.cohort.describe import describe
from fibrostage.cohort.store import Cohort, open_cohort, verify_pixels
from fibrostage.dicom.sr_write import Measurement, write_measurements
from fibrostage.ground.errors import IntakeError
from fibrostage.ground.progress import Advance
from fibrostage.intake.build.contact_sheet import ACROSS, HEAD, HEIGHT, TEXT, WIDTH
from fibrostage.intake.build.journal import Journal, folder_beside
from fibrostage.intake.build.take_in import Choices, Sources, take_in
from fibrostage.intake.privacy import VARIABLE, Privacy, read_key
from fibrostage.intake.read.read_file import Setting
from fibrostage.learn.model import predict_cohort
from fibrostage.learn.train import train
from fibrostage.phantom.dicom_files import COLOUR_BAR, TISSUE, Region, Stored, write_dicom
from fibrostage.phantom.screen import colours
from fibrostage.plan.run_plan import Plan
from tests.conftest import write_rows

KEY = "5a" * 32
PANEL = Region(TISSUE, 40, 40, 240, 180, 0.4)
BAR = Region(COLOUR_BAR, 292, 60, 14, 140)
WHITE = 200  # grey levels: only what is burned in has more in all three channels
HEADER: dict[str, Any] = {"manufacturer": "Invented Sonics", "model": "Convex 4"}
GIVEN = {
    "modality": [
        {"name": "SWE", "kind": "elastogram", "size": 96, "marker": "swe"},
        {"name": "B", "kind": "bmode", "size": 64},
    ],
    "rule": [{"modality": "SWE", "series": "^elasto"}, {"modality": "B", "series": "^abdomen"}],
    "stiffness": [{"scale": 40.0}],
    "network": {"backbone": "resnet18", "weights": "random", "reduce": 16, "se_reduction": 4, "modalities": ["B"]},
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


def planted() -> list[str]:
    """Everything that may not be found."""
    found = list(ELSEWHERE)
    for person in (*PEOPLE, LEFT_OUT, WRONG):
        digits = "".join(filter(str.isalnum, person.patient_id))
        found += [person.family, person.given, *person.given.split("-"), person.patient_id, digits]
        found += [person.patient_id[::-1], folder_of(person).split("/")[0]]
        for day in {person.born, person.day, LATER}:
            found += spellings(datetime.datetime.strptime(day, "%Y%m%d").date())
    return list(dict.fromkeys(found))


def spellings(day: datetime.date) -> list[str]:
    formats = "%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d%m%Y", "%d %B %Y", "%d-%b-%Y"
    return [format(day, text) for text in formats]


@cache
def needles() -> dict[bytes, dict[bytes, str]]:
    """Every planted text in lower case as bytes may hold it, encoded, escaped, or hashed without a key; by its first
    three bytes."""
    found: dict[bytes, dict[bytes, str]] = {}
    for text in planted():
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        codes = [
            hashed(text.encode()).hexdigest()[:14].encode() for hashed in (hashlib.md5, hashlib.sha1, hashlib.sha256)
        ]
        for way in {text, text.upper(), text.lower(), text.title(), plain, unicodedata.normalize("NFD", text)}:
            codes += [way.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")]
            codes += [json.dumps(way)[1:-1].encode(), way.encode("latin-1", "ignore"), base64.b64encode(way.encode())]
        for code in codes:
            if len(code) >= 5:
                found.setdefault(code.lower()[:3], {})[code.lower()] = text
    return found


@cache
def beginnings() -> NDArray[np.bool_]:
    """Which of all three bytes begin a needle."""
    table = np.zeros(1 << 24, dtype=bool)
    table[[int.from_bytes(start, "big") for start in needles()]] = True
    return table


def named_in(text: bytes) -> set[str]:
    """The planted texts that bytes hold, in whatever case."""
    low = text.lower()
    each = np.frombuffer(low, dtype=np.uint8).astype(np.uint32)
    if len(each) < 3:
        return set()
    places = np.flatnonzero(beginnings()[each[:-2] << 16 | each[1:-1] << 8 | each[2:]])
    return {
        name for at in places for needle, name in needles()[low[at : at + 3]].items() if low.startswith(needle, int(at))
    }


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what they hold once they are unpacked."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        table = pl.read_parquet(path)
        yield table.write_csv().encode()
        yield " ".join(table.columns).encode()
    if path.suffix == ".png":
        with Image.open(path) as image:
            yield repr(image.info).encode() + repr(dict(image.getexif())).encode() + image.tobytes()


def leaks(folder: Path) -> list[str]:
    """What of a folder names a person: (file, text), names of files included."""
    found = []
    for path in sorted(folder.rglob("*")):
        texts = [str(path.relative_to(folder)).encode()]
        if path.is_file():
            texts += contents(path)
        for text in texts:
            found += [f"{path.relative_to(folder)}: {name}" for name in sorted(named_in(text))]
    return list(dict.fromkeys(found))


def burned(pixels: NDArray[np.uint8]) -> bool:
    """Whether a picture [..., C] shows what stands above the tissue."""
    return bool((pixels.min(axis=-1) > WHITE).any())


def tiles_of(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The thumbnails of a contact sheet."""
    for path in sorted((folder / "contact_sheet").iterdir()):
        page = np.asarray(Image.open(path))
        for top in range(HEAD, len(page), HEIGHT + TEXT + 4):
            for left in range(0, ACROSS * (WIDTH + 4), WIDTH + 4):
                yield page[top : top + HEIGHT, left : left + WIDTH]


@contextmanager
def key_in(folder: Path, text: str = KEY) -> Iterator[Path]:
    path = folder / "keys" / "intake.key"
    if text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(path))
        yield path


@dataclass(frozen=True)
class Taken:
    hospital: Hospital
    cohort: Cohort
    link: Path
    said: list[str]


class Told:
    """Progress that keeps what is said, and stops reading after so many files."""

    def __init__(self, stop: int | None = None) -> None:
        self.said: list[str] = []
        self.stop = stop

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if label == "reading files" and done == self.stop:
                raise KeyboardInterrupt

        yield advance

    def say(self, line: str) -> None:
        self.said.append(line)


def sources(hospital: Hospital, listed: bool) -> Sources:
    return Sources(hospital.folder, hospital.patients, hospital.images if listed else None)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    folder = tmp_path_factory.mktemp("hospital") / "ZWINGLIUS and others"
    folder.mkdir()
    return make_hospital(folder)


@pytest.fixture(scope="module", params=[False, True], ids=["rules", "images.csv"])
def taken(request: pytest.FixtureRequest, hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    folder, told = tmp_path_factory.mktemp("taken"), Told()
    choices = Choices(skip_bad=True, link=folder / "link.csv", workers=1)
    with key_in(folder):
        cohort = take_in(sources(hospital, request.param), folder / "cohort", PLAN, progress=told, choices=choices)
    return Taken(hospital, cohort, folder / "link.csv", told.said)


def test_what_is_planted_is_there_to_be_found(hospital: Hospital) -> None:
    found = {line.rsplit(": ", 1)[1] for line in leaks(hospital.folder)}
    missing = {text for text in ELSEWHERE if text not in found}
    for person in (*PEOPLE, LEFT_OUT, WRONG):
        missing |= {text for text in (person.family, person.patient_id, person.born, person.day) if text not in found}
    assert not missing
    assert burned(screen(0))


def test_nothing_that_names_a_person_is_in_a_cohort(taken: Taken) -> None:
    assert len(taken.cohort.exclusions) >= 12
    assert len(taken.cohort.images) >= 19
    assert leaks(taken.cohort.path) == []
    verify_pixels(taken.cohort)


def test_what_was_burned_in_is_not_in_the_pictures_nor_in_the_contact_sheet(taken: Taken) -> None:
    for name in taken.cohort.modality_names:
        pixels = np.asarray(taken.cohort.pixels(name))
        assert len(pixels)
        assert not burned(pixels if pixels.shape[-1] == 3 else pixels.repeat(3, axis=-1))
    tiles = list(tiles_of(taken.cohort.path))
    assert sum(bool(tile.any()) for tile in tiles) >= len(taken.cohort.images)
    assert not any(burned(tile) for tile in tiles)


def test_what_is_accepted_unmasked_shows_that_the_search_would_find_it(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    write_screen(tmp_path / "source" / "a.dcm", PEOPLE[0], 91, regions=[])
    whole = PLAN.model_copy(update={"modality": (PLAN.modality[1].model_copy(update={"region": "given"}),), "rule": ()})
    plan = whole.model_copy(update={"rule": (PLAN.rule[1],)})
    with key_in(tmp_path):
        cohort = take_in(
            Sources(tmp_path / "source"), tmp_path / "c", plan, choices=Choices(accept_unmasked=True)
        )  # fmt: skip
    assert burned(np.asarray(cohort.pixels("B")).repeat(3, axis=-1))
    assert any(burned(tile) for tile in tiles_of(cohort.path))


@pytest.mark.parametrize("listed", [False, True], ids=["--accept-unmasked", "a region of images.csv"])
def test_the_contact_sheet_shows_no_more_than_is_stored(tmp_path: Path, listed: bool) -> None:
    (tmp_path / "source").mkdir()
    write_screen(tmp_path / "source" / "a.dcm", PEOPLE[0], 91, regions=[])
    Image.fromarray(screen(92)).save(tmp_path / "source" / "b.png")
    first = PEOPLE[0].patient_id
    row: list[object] = ["b.png", first, "B", *PANEL[1:5]]
    images = write_rows(
        tmp_path / "i.csv", ["file", "patient_id", "modality", "roi_x", "roi_y", "roi_w", "roi_h"], [row]
    )
    people = write_rows(tmp_path / "p.csv", ["patient_id", "stage"], [[first, "F1"]])
    source = Sources(tmp_path / "source", people, images if listed else None)
    with key_in(tmp_path) as key:
        choices = Choices(accept_unmasked=not listed, skip_bad=True, key=key)
        cohort = take_in(source, tmp_path / "cohort", PLAN, choices=choices)
    assert len(cohort.images) == 1
    assert not burned(np.asarray(cohort.pixels("B")).repeat(3, axis=-1))
    assert not any(burned(tile) for tile in tiles_of(cohort.path))


def test_columns_that_name_or_date_people_are_left_out_and_said_so(taken: Taken) -> None:
    assert {"name", "birth_date", "remarks"}.isdisjoint(taken.cohort.patients.columns)
    assert {"called", "sex", "age"} <= set(taken.cohort.patients.columns)
    for column in ("name", "birth_date", "remarks"):
        assert any(repr(column) in line for line in taken.said), column
    kinds = set(taken.cohort.exclusions["kind"])
    assert {"patient", "picture"} <= kinds
    assert "antiviral treatment" in taken.cohort.exclusions["reason"].to_list()


def test_pseudonyms_lead_back_through_the_link_alone(taken: Taken) -> None:
    assert stat.S_IMODE(taken.link.stat().st_mode) == 0o600
    with taken.link.open(encoding="utf-8", newline="") as file:
        rows = [(row["what"], row["written"], row["given"]) for row in csv.DictReader(file)]
    given = {written: name for what, written, name in rows if what == "patient"}
    pictured = set(taken.cohort.images["patient_id"])
    assert {given[name] for name in pictured} == {person.patient_id for person in PEOPLE}
    files = {written: name for what, written, name in rows if what == "file"}
    for patient, source in taken.cohort.images.select("patient_id", "source").iter_rows():
        assert (taken.hospital.folder / files[source]).is_file()
        person = next(person for person in PEOPLE if person.patient_id == given[patient])
        assert folder_of(person) in files[source]
    for row in taken.cohort.exclusions.filter(pl.col("patient_id").is_not_null()).iter_rows(named=True):
        assert row["patient_id"].startswith("P")
        assert len(row["patient_id"]) == 17


def test_days_between_two_exams_are_kept(taken: Taken) -> None:
    first = Privacy(bytes.fromhex(KEY)).patient(PEOPLE[0].patient_id)
    days = taken.cohort.images.filter(pl.col("patient_id") == first)["day"].drop_nulls()
    assert set(days) == {0, 45}  # 17 March to 1 May
    assert taken.cohort.images["day"].max() == 45


def test_the_same_key_gives_the_same_pseudonyms_and_another_one_others(hospital: Hospital, tmp_path: Path) -> None:
    small = tmp_path / "small"
    for person in PEOPLE[:2]:
        source = hospital.folder / folder_of(person) / f"{person.family}2"
        (small / folder_of(person)).mkdir(parents=True)
        (small / folder_of(person) / source.name).write_bytes(source.read_bytes())
    names = {}
    for run, key in {"a": KEY, "b": KEY, "c": "77" * 32}.items():
        with key_in(tmp_path, key):
            cohort = take_in(Sources(small), tmp_path / run, PLAN)
        names[run] = set(cohort.patient_ids) | set(cohort.images["source"])
    assert names["a"] == names["b"]
    assert names["a"].isdisjoint(names["c"])


def test_a_key_is_made_for_its_user_alone_and_never_inside_the_cohort(hospital: Hospital, tmp_path: Path) -> None:
    source = Sources(hospital.folder / folder_of(PEOPLE[0]))
    with key_in(tmp_path, "") as key:
        assert not key.exists()
        take_in(source, tmp_path / "cohort", PLAN, skip_bad=True)
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert len(read_key(key)) == 32
        made = key.read_text()
        take_in(source, tmp_path / "again", PLAN, skip_bad=True)
        assert key.read_text() == made
    with pytest.raises(IntakeError, match="must stay with you"):
        take_in(source, tmp_path / "c", PLAN, choices=Choices(key=tmp_path / "c" / "intake.key"))
    with key_in(tmp_path), pytest.raises(IntakeError, match="must stay with you"):
        take_in(source, tmp_path / "d", PLAN, choices=Choices(skip_bad=True, link=tmp_path / "d" / "link.csv"))
    assert not (tmp_path / "c").exists()
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("listed", [False, True], ids=["rules", "images.csv"])
def test_nothing_is_in_the_journal_of_a_stopped_intake_which_goes_on(
    hospital: Hospital, tmp_path: Path, listed: bool
) -> None:
    choices, source = Choices(skip_bad=True, workers=1), sources(hospital, listed)
    with key_in(tmp_path):
        with pytest.raises(KeyboardInterrupt):
            take_in(source, tmp_path / "cohort", PLAN, progress=Told(stop=14), choices=choices)
        folder = folder_beside(tmp_path / "cohort")
        assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, "keys"]
        assert (folder / "entries").stat().st_size > 100_000
        assert leaks(folder) == []
        assert not any(map(burned, shown_in(folder)))
        told = Told()
        cohort = take_in(source, tmp_path / "cohort", PLAN, progress=told, choices=choices)
        assert told.said[0].startswith("14 of ")
        fresh = take_in(source, tmp_path / "fresh", PLAN, choices=choices)
    assert cohort.fingerprint == fresh.fingerprint
    assert not folder.exists()


def shown_in(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """Every picture and thumbnail of a journal."""
    journal = Journal(folder, Setting(PLAN, Privacy(bytes.fromhex(KEY)), sheet=True))
    assert len(journal.known) == 14
    shapes = {m.name: (m.size, m.size, m.stored_channels) for m in PLAN.modality}
    for code in journal.known:
        entry = journal.entry(code)
        for record, place in zip(entry.records, entry.places, strict=True):
            pixels = journal.pixels(place, shapes[record["modality"]])
            yield pixels if pixels.shape[-1] == 3 else pixels.repeat(3, axis=-1)
            yield np.asarray(Image.open(io.BytesIO(journal.thumb(place))))
    journal.close()


def test_the_terminal_may_name_files_and_people(hospital: Hospital, tmp_path: Path) -> None:
    with key_in(tmp_path), pytest.raises(IntakeError) as caught:
        take_in(sources(hospital, listed=False), tmp_path / "cohort", PLAN, choices=Choices(workers=1))
    text = str(caught.value)
    assert f"whole_{PEOPLE[1].family}.dcm: marks no regions and may have a name burned into its pixels" in text
    assert f"of patient {PEOPLE[1].patient_id!r} has the same pixels as" in text
    assert f"unknown stage '{WRONG.family}, {WRONG.given}'" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys"]


@pytest.mark.parametrize("taken", [True], indirect=True, ids=["images.csv"])
def test_such_a_cohort_is_described_trained_on_and_predicted(taken: Taken, tmp_path: Path) -> None:
    cohort = open_cohort(taken.cohort.path)
    described = describe(cohort).as_dict()
    assert described
    train(cohort, PLAN, tmp_path / "run")
    table = predict_cohort(tmp_path / "run", cohort, tmp_path / "predicted.csv")
    assert set(table["patient_id"]) <= set(cohort.patient_ids)
    (tmp_path / "described.json").write_text(json.dumps(described, default=str))
    assert leaks(tmp_path) == []


def small(folder: Path, header: list[str], *rows: list[object], name: str = "patients.csv") -> Sources:
    """A picture each of the first two people, and their table."""
    for seed, person in enumerate(PEOPLE[:2]):
        write_screen(folder / "source" / folder_of(person) / f"{person.family}.dcm", person, seed)
    return Sources(folder / "source", write_rows(folder / name, ["patient_id", "stage", *header], list(rows)))


def ids(column: list[object]) -> list[list[object]]:
    """Rows of the first two people with a cell more."""
    return [[person.patient_id, "F1", cell] for person, cell in zip(PEOPLE, column, strict=False)]


def taken_from(source: Sources, folder: Path, plan: Plan = PLAN, **more: Any) -> Cohort:
    with key_in(folder):
        return take_in(source, folder / "cohort", plan, choices=Choices(skip_bad=True, workers=1, **more))


def test_a_stiffness_that_could_not_be_read_is_recorded_without_the_name_of_its_file(tmp_path: Path) -> None:
    source, first = small(tmp_path, ["sex"], *ids(["F", "F"])), PEOPLE[0]
    pixels = screen(93, 20.0)
    pixels[60:200, 292:306] = 0  # no bar to read it by
    write_screen_of(source.folder / f"bar_{first.family}.dcm", first, pixels)
    cohort = taken_from(source, tmp_path)
    assert "no stiffness could be read" in cohort.exclusions["reason"][0]
    assert leaks(cohort.path) == []


def write_screen_of(path: Path, person: Person, pixels: NDArray[np.uint8]) -> Stored:
    given = {"series_description": "elasto", "regions": [PANEL, BAR], "number": 93, **person.header, **HEADER}
    return write_dicom(path, pixels, **given)


@pytest.mark.parametrize("reason", [f"same as {PEOPLE[0].patient_id}", "see Dr REFERRER", "died 17.03.2021"])
def test_a_reason_for_exclusion_is_written_without_names_ids_and_dates(tmp_path: Path, reason: str) -> None:
    rows: list[list[object]] = [[PEOPLE[0].patient_id, "F1", ""], [PEOPLE[1].patient_id, "F1", reason]]
    cohort = taken_from(small(tmp_path, ["excluded"], *rows), tmp_path)
    assert len(cohort.exclusions) == 1
    assert leaks(cohort.path) == []


def test_an_id_in_the_wrong_column_is_not_recorded(tmp_path: Path) -> None:
    source = small(tmp_path, ["age"], *ids([664207, 50]))
    cohort = taken_from(source, tmp_path)
    assert "age" in cohort.exclusions["reason"][0]
    assert "664207" not in cohort.exclusions["reason"][0]


def test_the_name_of_a_csv_is_not_recorded(tmp_path: Path) -> None:
    first = PEOPLE[0]
    rows: list[list[object]] = [[first.patient_id, "F9"]]
    source = small(tmp_path, [], *rows, [PEOPLE[2].patient_id, "F1"], name=f"{first.family}.csv")
    with key_in(tmp_path), pytest.raises(IntakeError, match="no picture could be taken in"):
        take_in(source, tmp_path / "none", PLAN, choices=Choices(skip_bad=True))
    write_rows(tmp_path / f"{first.family}.csv", ["patient_id", "stage"], [*rows, [PEOPLE[1].patient_id, "F1"]])
    assert leaks(taken_from(source, tmp_path).path) == []


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        pytest.param("ZWINGLIUS^Theodora", ["by Theodora", "x"], id="a part of a name"),
        pytest.param("O'HARA-SMYTHE^Jo", ["Smythe", "x"], id="half a double name"),
        pytest.param("NG^Kim", ["seen: Kim", "x"], id="a short name"),
        pytest.param("Wang^XiaoMing=王^小明", ["王小明", "x"], id="a Chinese name"),
        pytest.param("ZWINGLIUS,Theodora", ["Theodora", "x"], id="a name with a comma"),
        pytest.param("GRÜNDELWÄLDER^O", [unicodedata.normalize("NFD", "Gründelwälder"), "x"], id="decomposed"),
        pytest.param("X^Y", ["on 17.03.2021, fasting", "fasting"], id="the day of the exam, spelled otherwise"),
        pytest.param("X^Y", [f"not {PEOPLE[1].patient_id}!", "x"], id="an id beside a mark"),
    ],
)
def test_a_column_that_repeats_a_header_is_left_out(tmp_path: Path, name: str, cells: list[object]) -> None:
    source = small(tmp_path, ["remarks"], *ids(cells))
    write_screen(source.folder / "named.dcm", PEOPLE[0], 3, patient_name=name)
    assert "remarks" not in taken_from(source, tmp_path).patients.columns


@pytest.mark.parametrize(
    "column", ["name", "birth_date", "Name", "Patient Name", "Date of birth", "PatientName", "姓名"]
)
def test_a_column_is_left_out_for_its_name(tmp_path: Path, column: str) -> None:
    source = small(tmp_path, [column], *ids(["Xaver Unheard", "Ulla Unseen"]))
    assert column not in taken_from(source, tmp_path).patients.columns


def test_the_link_leads_back_without_a_table_of_patients(tmp_path: Path) -> None:
    source = replace(small(tmp_path, ["sex"], *ids(["F", "F"])), patients=None)
    cohort = taken_from(source, tmp_path, link=tmp_path / "link.csv")
    with (tmp_path / "link.csv").open(encoding="utf-8", newline="") as file:
        given = {row["written"]: row["given"] for row in csv.DictReader(file)}
    assert {given.get(name) for name in cohort.patient_ids} == {person.patient_id for person in PEOPLE[:2]}


def test_the_link_overwrites_nothing(tmp_path: Path) -> None:
    source = small(tmp_path, ["sex"], *ids(["F", "F"]))
    table = source.patients
    assert table is not None
    with key_in(tmp_path), pytest.raises(IntakeError):
        take_in(source, tmp_path / "cohort", PLAN, choices=Choices(link=table, workers=1))
    assert table.read_text().startswith("patient_id")


def test_an_exclusion_names_its_patient_as_the_cohort_does(tmp_path: Path) -> None:
    source, first = replace(small(tmp_path, ["sex"], *ids(["F", "F"])), patients=None), PEOPLE[0]
    write_screen(source.folder / "twice.dcm", first, 0)
    cohort = taken_from(source, tmp_path)
    assert "same pixels" in cohort.exclusions["reason"][0]
    assert cohort.exclusions["patient_id"][0] in cohort.patient_ids
