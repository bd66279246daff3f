"""A part of a cohort: what stays is what it was, what goes is gone and recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fibrostage.cohort.narrowed import KeptPart, narrow
from fibrostage.cohort.store import Cohort, hash_pixels, verify_pixels
from fibrostage.ground.errors import CohortError


def test_what_stays_keeps_ids_and_hashes_and_what_goes_is_gone(cohort: Cohort, tmp_path: Path) -> None:
    made = narrow(cohort.path, tmp_path / "part", KeptPart(patients="age >= 45 AND stage IN ('F0', 'F4')"))
    kept = cohort.patients.filter((cohort.patients["age"] >= 45) & cohort.patients["stage"].is_in(["F0", "F4"]))
    assert made.patients.equals(kept)
    verify_pixels(made)
    of_those = cohort.images.filter(cohort.images["patient_id"].is_in(kept["patient_id"].to_list()))
    assert made.images.equals(of_those)
    stored = np.load(made.path / "pixels" / "LUS.npy")
    assert sorted(map(hash_pixels, stored)) == sorted(made.picture_hashes("LUS")), "no other pixel is in the folder"
    reasons = made.exclusions["reason"].unique().to_list()
    assert reasons == ["left out of a part of the cohort: not age >= 45 AND stage IN ('F0', 'F4')"]
    assert len(made.exclusions) == len(cohort.patients) - len(kept)


def test_who_withdrew_is_gone(cohort: Cohort, tmp_path: Path) -> None:
    made = narrow(cohort.path, tmp_path / "part", KeptPart(without=["P003", "P007"]))
    assert set(cohort.patient_ids) - set(made.patient_ids) == {"P003", "P007"}
    assert not made.images["patient_id"].is_in(["P003", "P007"]).any()
    gone = set(cohort.images_of("LUS").filter(cohort.images_of("LUS")["patient_id"] == "P007")["sha256"])
    assert not gone & set(map(hash_pixels, np.load(made.path / "pixels" / "LUS.npy")))
    again = narrow(made.path, tmp_path / "again", KeptPart(only=["P001", "P002"]))
    assert again.patient_ids == ["P001", "P002"]


def test_modalities_and_completeness(cohort: Cohort, tmp_path: Path) -> None:
    made = narrow(cohort.path, tmp_path / "part", KeptPart(modalities=["LUS"], complete=True, pictures="frame IS NULL"))
    assert made.modality_names == ("LUS",)
    assert "P003" not in made.patient_ids, "who has no B-mode picture"
    assert sorted(path.name for path in (made.path / "pixels").iterdir()) == ["LUS.npy"]
    with pytest.raises(CohortError, match="no picture of any patient is left"):
        narrow(cohort.path, tmp_path / "none", KeptPart(pictures="modality = 'nothing'"))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (
            KeptPart(patients="weight > 3"),
            r"--patients 'weight > 3' is no condition on its columns: .*there are patient_id",
        ),
        (KeptPart(patients="age +"), "is no condition on its columns"),
        (KeptPart(patients="age + 1"), "it must be true or false of each row"),
        (KeptPart(pictures="kpa >> 'x'"), "--pictures"),
        (KeptPart(without=["P003", "nobody"]), "--without names 1 ids the cohort has not, such as 'nobody'"),
        (KeptPart(only=["nobody"]), "--only names 1 ids"),
        (KeptPart(modalities=["LSTQ"]), "has no modality 'LSTQ'"),
    ],
)
def test_what_cannot_be_asked_is_said(cohort: Cohort, tmp_path: Path, wanted: KeptPart, reason: str) -> None:
    with pytest.raises(CohortError, match=reason):
        narrow(cohort.path, tmp_path / "part", wanted)
    assert not (tmp_path / "part").exists()
