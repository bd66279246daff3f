"""What differs between two cohorts."""

from __future__ import annotations

from pathlib import Path

from fibrostage.cohort.differences import Changed, difference
from fibrostage.cohort.narrowed import KeptPart, narrow
from fibrostage.cohort.store import Cohort
from tests.conftest import Cut


def test_a_cohort_does_not_differ_from_itself(cohort: Cohort) -> None:
    found = difference(cohort, cohort)
    assert found.same
    assert found.as_dict()["pictures"] == {
        "LSTE": {"only_in_a": 0, "only_in_b": 0, "in_both": 40},
        "LUS": {"only_in_a": 0, "only_in_b": 0, "in_both": 57},
    }


def test_patients_and_pictures_that_one_lacks_are_counted(cohort: Cohort, tmp_path: Path) -> None:
    part = narrow(cohort.path, tmp_path / "part", KeptPart(without=["P005"], modalities=["LUS"]))
    found = difference(cohort, part)
    assert found.gone == ("P005",)
    assert found.come == ()
    assert found.pictures == {"LSTE": (40, 0, 0), "LUS": (3, 0, 54)}
    assert found.kept == ("modality LSTE: elastogram, 32 px, 3 channels, fit 'pad' | not there",)
    assert not found.same
    assert difference(part, cohort).come == ("P005",)


def test_a_stage_that_changed_is_named(cut: Cut) -> None:
    a, b = cut("a", [1, 2], known=(1, 2)), cut("b", [1, 2, 3], known=(1,))
    found = difference(a, b)
    assert found.changed == (Changed("P002", "stage", "F2", None),)
    assert found.come == ("P003",)
