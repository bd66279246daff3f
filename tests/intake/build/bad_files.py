"""DICOM files that a test writes and spoils, and what intake must say of a bad one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fibrostage.cohort.store import Cohort, verify_pixels
from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import look_at, take_in
from fibrostage.intake.privacy import Privacy
from fibrostage.plan.run_plan import Plan

pydicom = pytest.importorskip("pydicom")
encaps = pytest.importorskip("pydicom.encaps")

from fibrostage.phantom.dicom_files import TISSUE, DrawnRegion, write_dicom  # noqa: E402
from tests.intake.hospital import named  # noqa: E402

KEY = b"k" * 32
REGIONS = (DrawnRegion(TISSUE, 10, 10, 120, 100, 0.3),)
MODALITY: dict[str, Any] = {"name": "LUS", "kind": "bmode", "size": 32}
PLAN_DATA: dict[str, Any] = {
    "modality": [MODALITY],
    "rule": [{"modality": "LUS"}],
    "cine": {"still": 1, "distinct": 0, "lit": 0},
}
PLAN = Plan.parse(PLAN_DATA)


def picture(seed: int, shape: tuple[int, ...] = (120, 160)) -> NDArray[np.uint8]:
    """Grain that is no lettering."""
    return np.random.default_rng(seed).integers(80, 120, shape, dtype=np.uint8)


def write(path: Path, frames: Any = None, patient: str = "ID-1", **options: Any) -> Path:
    """A DICOM file of one patient, whose pixels follow from its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    given = {"regions": REGIONS, "series_description": "Abdomen B", **options}
    pixels = picture(sum(path.name.encode())) if frames is None else frames
    write_dicom(
        path, pixels, patient_name=named(patient), patient_id=patient, birth_date="19600101", study_date="20200101",
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


def take(
    place: Path, plan: Plan = PLAN, skip_bad: bool = False, sources: Sources | None = None, **given: Any
) -> Cohort:
    choices = Choices(skip_bad=skip_bad, key=place / "key", workers=1)
    return take_in(sources or Sources(place / "source"), place / "cohort", plan, choices=replace(choices, **given))


def dry(place: Path, plan: Plan = PLAN, sources: Sources | None = None) -> int:
    """How many problems a dry run finds: files that it refuses, and what is no file's."""
    choices = Choices(key=place / "key", workers=1)
    rows, others = look_at(sources or Sources(place / "source"), plan, choices)
    return sum(bool(row.get("refused")) for row in rows) + len(others)


def check_refused(place: Path, name: str, reason: str, **given: Any) -> None:
    """One line without skip_bad and nothing written; with it two pictures and an exclusion."""
    before = sorted(place.iterdir())
    assert dry(place, **{name: given[name] for name in ("plan", "sources") if name in given}) == 1
    assert sorted(place.iterdir()) == before
    with pytest.raises(IntakeError) as caught:
        take(place, **given)
    first, *lines, last = str(caught.value).splitlines()
    assert first == "1 problem, nothing was written:"
    assert "--skip-bad" in last
    assert len(lines) == 1
    assert lines[0].startswith(f"  {name}: ")
    assert reason in lines[0]
    assert sorted(place.iterdir()) == sorted([*before, place / ".cohort.intake"])
    cohort = take(place, skip_bad=True, **given)
    verify_pixels(cohort)
    assert len(cohort.images) == 2
    assert cohort.exclusions["kind"].to_list() == ["picture"]
    assert cohort.exclusions["file"].to_list() == [Privacy(KEY).source(name)]
    assert reason in cohort.exclusions["reason"][0]
    assert sorted(place.iterdir()) == sorted([*before, place / "cohort"])


NOTHING = "not a readable PNG or JPEG, BMP, TIFF, JPEG XL, DICOM or video file"
