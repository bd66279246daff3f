"""A simulated cohort as hospitals send it: DICOM files of whole scanner screens, with names in headers and pixels.

Each patient was examined on one scanner, whose screen, transfer syntax and habits all their files share: some write no
suffix, some no regions, some mark the elastogram as a region of colour flow. Where there is video it is one multi-frame
file, a cine loop. Every person is invented; the truth is in the same tables as the plain phantom's, in pixels of the
screens.
"""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np

from fibrostage.ground.draws import Draws
from fibrostage.phantom.bmode import bmode
from fibrostage.phantom.cine import FRAME_MS, Pose, loop
from fibrostage.phantom.dicom_files import COLOUR_BAR, COLOUR_FLOW, GREY_BAR, TISSUE, DrawnRegion, write_dicom
from fibrostage.phantom.layouts import LAYOUTS, Layout, Screen, render
from fibrostage.phantom.pictures import reading, scan_of
from fibrostage.phantom.recipe import KEYS, PLAN, Files, Job, Recipe, Rows, Shot, shots
from fibrostage.phantom.screen import draw_box, point_measurement
from fibrostage.phantom.sites import SITES

FOLDER = "dicom"
SERIES = {"LSTE": "Liver STE", "SSTE": "Spleen STE", "LSTQ": "Liver STQ", "LUS": "Abdomen B"}
MARKERS = {"LSTE": "swe", "SSTE": "spleen"}
BOX = ("box_x", "box_y", "box_w", "box_h")
FIRST_DAY = datetime.date(2018, 1, 8)
DAYS = 2000
FAMILIES = (
    "HOLLOWAY", "BRANDT", "OKAFOR", "LINDQVIST", "MÜLLER", "NAKASHIMA", "PEREIRA", "DUBOIS", "KOWALSKI", "IYER",
    "THORNE", "VASQUEZ", "ZHANG", "ASHWORTH", "GRÜNWALD", "PETRENKO", "SÖDERGREN", "TANAKA", "ALVES", "WHITLOCK",
)  # fmt: skip
GIVEN = {
    True: ("Iris", "Marta", "Ngozi", "Elin", "Jürgen-Marie", "Yuki", "Sofia", "Camille", "Ewa", "Lakshmi", "Wei"),
    False: ("Tobias", "Emeka", "Lars", "Jürgen", "Kenji", "Paulo", "René", "Jan", "Arjun", "Owen", "Hao", "Miguel"),
}


@dataclass(frozen=True)
class Scanner:
    """How one of LAYOUTS writes its files.

    `flow` marks the elastogram's rectangle as a region of colour flow; with `palette` pictures without an elastogram
    are stored as indices into 256 colours.
    """

    manufacturer: str
    model: str
    syntax: str = "explicit"
    palette: bool = False
    suffix: str = ""
    regions: bool = True
    flow: bool = False
    burned_in: str | None = "YES"


SCANNERS = {
    "convex-jet": Scanner("Invented Sonics", "Convex 4", syntax="implicit"),
    "twin-sky": Scanner("Skyward Imaging", "Twin S", syntax="jpeg2000", suffix=".dcm"),
    "sector-blaze": Scanner("Blaze Medical", "Sector 9", syntax="rle", burned_in=None),
    "fan-speed": Scanner("Fantail", "F-Speed", syntax="jpeg2000", flow=True),
    "hot-plate": Scanner("Hotplate Systems", "HP 2", suffix=".dcm", regions=False),
    "redshift": Scanner("Redshift", "R60", syntax="jpeg", suffix=".dcm", burned_in="NO"),
    "polar-five": Scanner("Polar", "Five", syntax="jpeg2000", burned_in=None),
    "glass": Scanner("Glass Ultrasound", "G1", syntax="rle", palette=True),
    "inlay": Scanner("Inlay", "In-20", suffix=".dcm"),
    "solid-state": Scanner("Solid State Echo", "SSE", syntax="jpeg", flow=True),
}


def plan_text() -> str:
    """Returns the plain phantom's plan, with boxes to find, markers to read and a rule for each modality."""
    text = PLAN.replace("sharpness = 0.78\n", "")  # scanners enlarge pictures too differently for one floor
    for modality, marker in MARKERS.items():
        row = f'name = "{modality}"\nkind = "elastogram"\n'
        text = text.replace(row, f'{row}region = "find"\nmarker = "{marker}"\n')
    rules = (f'\n[[rule]]\nmodality = "{modality}"\nseries = "^{start}"\n' for modality, start in SERIES.items())
    return text + "".join(rules) + "".join(map(scale_text, LAYOUTS))


def scale_text(name: str) -> str:
    """Returns the plan's words for what the colour bar of a scanner means; none where it draws no bar."""
    layout, scanner = LAYOUTS[name], SCANNERS[name]
    if layout.bar == "none":
        return ""
    device = f"^{scanner.manufacturer} {scanner.model}$"
    return f'\n[[stiffness]]\ndevice = "{device}"\nscale = {layout.scale:g}\nunit = "{layout.unit}"\n'


@dataclass(frozen=True)
class Person:
    """Who a patient is said to be. Dates are YYYYMMDD, `name` as DICOM has it (FAMILY^Given)."""

    name: str
    patient_id: str
    birth_date: str
    study_date: str
    sex: str

    @property
    def burned(self) -> str:
        """The name, number and birth date as scanners burn them into the picture, in letters without accents."""
        born = f"{self.birth_date[:4]}-{self.birth_date[4:6]}-{self.birth_date[6:]}"
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode()
        return f"{plain.replace('^', ', ')}  {self.patient_id}  {born}"


def person(recipe: Recipe, index: int, patient: dict[str, Any]) -> Person:
    """Invents a person of the patient's age and sex; no two of a cohort share an id."""
    rng = Draws.PHANTOM_PERSON.of(recipe.seed, index)
    given = GIVEN[bool(patient["female"])]
    name = f"{FAMILIES[int(rng.integers(len(FAMILIES)))]}^{given[int(rng.integers(len(given)))]}"
    number = f"{rng.integers(100):02d}{(314_159 + index * 7919) % 1_000_003:07d}"  # the modulus is prime: no id twice
    day = FIRST_DAY + datetime.timedelta(days=int(rng.integers(DAYS)))
    born = day - datetime.timedelta(days=round(365.25 * patient["age"] + rng.uniform(0, 300)))
    return Person(name, number, f"{born:%Y%m%d}", f"{day:%Y%m%d}", "F" if patient["female"] else "M")


def called(recipe: Recipe, index: int, patient: dict[str, Any]) -> str:
    """Returns the patient id of an invented person, as `Files` asks for it."""
    return person(recipe, index, patient).patient_id


def layout_of(index: int) -> Layout:
    """Returns the layout of the scanner that a patient, given by number, was examined on."""
    return list(LAYOUTS.values())[index % len(LAYOUTS)]


def photograph(shot: Shot, patient: dict[str, Any], layout: Layout, burned: str) -> tuple[Screen, float | None]:
    """Returns the screen of one shot and its stiffness in kPa, or None where it has none."""
    rng, bad = shot.rng, shot.bad
    spleen = shot.modality == "SSTE"
    seen = {**patient, "underlay": 0.0, "steatosis": 0.0} if spleen else patient
    texture = "remodelling" if shot.modality == "LUS" else "underlay"
    grey = SITES[patient["site"]].developed(bmode(scan_of(seen, bad, rng, texture), rng))
    single = replace(layout, dual=False)
    if shot.modality == "LUS":
        return render(single, grey, None, 0.0, 0.0, burned, rng), None
    if shot.modality == "LSTQ":
        kpa = patient["point"] * float(np.exp(0.15 * rng.standard_normal()))
        picture = np.asarray(point_measurement(grey, draw_box((22, 26), (32, 40), rng), kpa, reliable=bad is None))
        bare = replace(single, calipers=None, bar="none")
        return render(bare, picture, None, 0.0, 0.0, burned, rng), kpa
    kpa, fill = reading(patient["spleen" if spleen else "stiffness"], bad, rng)
    screen = render(layout, grey, kpa, patient["spleen_cv" if spleen else "map_cv"], fill, burned, rng)
    return screen, screen.kpa


def regions_of(screen: Screen, scanner: Scanner) -> list[DrawnRegion]:
    """Lists the regions that the scanner's files say its screen has; some scanners write none."""
    if not scanner.regions:
        return []
    found = [DrawnRegion.at(TISSUE, panel, screen.mm_per_pixel) for panel in screen.tissue]
    if scanner.flow and screen.box is not None:
        found.append(DrawnRegion.at(COLOUR_FLOW, screen.box, screen.mm_per_pixel))
    if screen.grey_bar is not None:
        found.append(DrawnRegion.at(GREY_BAR, screen.grey_bar))
    if screen.bar is not None:
        found.append(DrawnRegion.at(COLOUR_BAR, screen.bar))
    return found


def simulate_study(job: Job) -> Rows:
    """Writes all files of one patient and returns their rows."""
    folder, recipe, index, patient = job
    who, layout = person(recipe, index, patient), layout_of(index)
    scanner = SCANNERS[layout.name]
    place = f"{FOLDER}/{index + 1}"
    (folder / place).mkdir()
    rows: Rows = []
    common = {"patient_name": who.name, "patient_id": who.patient_id, "birth_date": who.birth_date, "sex": who.sex}
    common |= {"study_date": who.study_date, "manufacturer": scanner.manufacturer, "model": scanner.model}
    taken = list(shots(recipe, index))
    for shot in [*(shot for shot in taken if not shot.video), *[shot for shot in taken if shot.video][:1]]:
        number = len(rows) + 1
        file = f"{place}/IM{number:04d}{scanner.suffix}"
        row: dict[str, Any] = {"file": file, "patient_id": who.patient_id, "modality": shot.modality}
        frames: Any
        if shot.video:
            screens = filmed(shot, patient, layout, who.burned)
            poses, shown = zip(*screens, strict=True)
            screen, frames, kpa = shown[0], [each.pixels for each in shown], None
            row["frames"] = [{"file": file, "frame": k, **pose.row()} for k, pose in enumerate(poses)]
        else:
            screen, kpa = photograph(shot, patient, layout, who.burned)
            frames = screen.pixels
        write_dicom(
            folder / file,
            frames,
            series_description=SERIES[shot.modality] + (" cine" if shot.video else ""),
            regions=regions_of(screen, scanner),
            syntax="jpeg" if shot.video else scanner.syntax,
            palette=scanner.palette and screen.box is None and not shot.video,
            elastogram=screen.box is not None,
            burned_in=scanner.burned_in,
            frame_time_ms=FRAME_MS,
            series=list(SERIES).index(shot.modality) + 1 + 10 * shot.video,
            number=number,
            **common,
        )
        row |= {"bad": "" if shot.video else shot.bad or "", "true_kpa": "" if kpa is None else f"{kpa:.3f}"}
        if screen.box is not None:
            row |= dict(zip(BOX, astuple(screen.box), strict=True))
        rows.append(row)
    return rows


def filmed(shot: Shot, patient: dict[str, Any], layout: Layout, burned: str) -> Iterator[tuple[Pose, Screen]]:
    """Yields the frames of a cine loop as screens of the patient's scanner, each with its pose.

    Only the tissue moves, so each frame's screen has the same generator.
    """
    still = SITES[patient["site"]].developed(bmode(scan_of(patient, None, shot.rng, "remodelling"), shot.rng))
    seed = int(shot.rng.integers(2**32))
    plain = replace(layout, dual=False, thumbnails=False)
    for pose, grey in loop(still, shot.rng):
        yield pose, render(plain, grey, None, 0.0, 0.0, burned, np.random.default_rng(seed))


DICOM = Files(FOLDER, simulate_study, called, KEYS, (*KEYS, "bad", "true_kpa", *BOX), plan_text())
