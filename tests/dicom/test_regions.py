"""One odd region says nothing against the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from fibrostage.dicom.regions import regions_of
from tests.dicom.real_files import opened
from tests.intake.build.bad_files import write

GOOD: dict[str, Any] = {"kind": 1, "corners": (10, 10, 129, 109)}
ODD = {
    "a line of an ECG": ({"kind": 5, "corners": (0, 100, 159, 100)}, "has no area"),
    "one of no size": ({"kind": 1, "corners": (0, 0, 0, 0)}, "has no area"),
    "one past the edge": ({"kind": 1, "corners": (10, 10, 400, 100)}, "leaves the 160×120 picture"),
    "one before the edge": ({"kind": 1, "corners": (-5, 10, 60, 100)}, "leaves the 160×120 picture"),
    "one without a kind": ({"kind": None, "corners": (10, 10, 60, 60)}, "says neither place nor kind"),
    "one without a place": ({"kind": 1, "corners": ()}, "says neither place nor kind"),
}
CORNERS = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")


def item(kind: int | None, corners: tuple[int, ...]) -> Dataset:
    made = Dataset()
    if kind is not None:
        made.RegionDataType = kind
    for keyword, value in zip(CORNERS, corners, strict=False):
        made.add_new(keyword, "SL" if value < 0 else "UL", value)
    return made


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("name", ODD)
def test_the_good_region_is_kept_and_the_odd_one_named(name: str, first: bool) -> None:
    odd, why = ODD[name]
    data = Dataset()
    items = [item(**odd), item(**GOOD)] if first else [item(**GOOD), item(**odd)]
    data.SequenceOfUltrasoundRegions = items
    found = regions_of(data, 0, 160, 120)
    assert [region.roi.corners for region in found.kept] == [GOOD["corners"]]
    assert found.odd == (f"region {1 if first else 2} of 2 {why}",)


def test_a_file_says_which_of_its_regions_are_odd(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm")
    data = pydicom.dcmread(path)
    data.SequenceOfUltrasoundRegions.append(item(5, (0, 5, 60, 5)))
    data.save_as(path)
    assert [region.kind for region in opened(path).regions(0)] == ["tissue"]
    assert opened(path).notes == ("region 2 of 2 has no area",)
