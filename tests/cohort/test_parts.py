"""A large cohort's pixels lie in several files, and nobody who reads them notices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fibrostage.cohort import parts
from fibrostage.cohort.narrowed import KeptPart, narrow
from fibrostage.cohort.store import Cohort, verify_pixels
from fibrostage.intake.build.take_in import take_in
from fibrostage.plan.run_plan import Plan
from tests.conftest import make_source, plan_data


def test_pictures_in_several_files_are_those_of_one(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST", 16 * 32 * 32 * 3)  # of LSTE 16 pictures a file, of LUS 48
    large = take_in(make_source(tmp_path / "source"), tmp_path / "large", Plan.parse(plan_data()))
    assert sorted(file.name for file in (tmp_path / "large" / "pixels").iterdir()) == [
        "LSTE.1.npy",
        "LSTE.2.npy",
        "LSTE.npy",
        "LUS.1.npy",
        "LUS.npy",
    ]
    assert large.fingerprint == cohort.fingerprint
    verify_pixels(large)
    some = np.array([39, 0, 17, 16, 15])
    for name in cohort.modality_names:
        assert np.array_equal(large.pixels(name)[some], cohort.pixels(name)[some])
    assert (tmp_path / "large" / "places.parquet").is_file()
    assert not (cohort.path / "places.parquet").exists(), "a small cohort is as it was"
    part = narrow(tmp_path / "large", tmp_path / "part", KeptPart(patients="patient_id > 'P004'"))
    assert (tmp_path / "part" / "pixels" / "LSTE.1.npy").is_file()
    verify_pixels(part)
