"""Tiny trained runs that several folders of tests stage with, each fitted once: by DICOM files, and by pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from fibrostage.cohort.store import Cohort
from tests.loop import SMALL

SETS = [one for one in SMALL if not one.startswith("active")]


@dataclass(frozen=True)
class TrainedHospital:
    """A run trained on the screens in `source`, one folder a patient; `key` is what their ids were hashed with."""

    folder: Path
    cohort: Cohort

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def run(self) -> Path:
        return self.folder / "run"


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> TrainedHospital:
    """Ten patients' screens as DICOM, taken in by the rules of a plan, and a run that learned from them."""
    from fibrostage.intake.build.choices import Choices
    from fibrostage.intake.build.find_files import Sources
    from fibrostage.intake.build.take_in import take_in
    from fibrostage.learn.plan_for_cohort import plan_for
    from fibrostage.learn.train import train
    from tests.intake.hospital import PLAN, put, table

    folder = tmp_path_factory.mktemp("hospital")
    source = folder / "source"
    for number in range(10):
        put(source, f"{number}/map.dcm", f"P{number}", number, 4.0 + 3 * number)
        put(source, f"{number}/grey.dcm", f"P{number}", 20 + number)
    listed = table(source, [[f"P{number}", f"F{number % 5}"] for number in range(10)])
    (folder / "key").write_text("5a" * 32)
    taken = take_in(Sources(source, listed), folder / "cohort", PLAN, choices=Choices(key=folder / "key", workers=1))
    train(taken, plan_for(taken, {}, SETS), folder / "run")
    return TrainedHospital(folder, taken)


@pytest.fixture(scope="session")
def pictures_run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned from the tiny cohort of plain pictures."""
    from fibrostage.learn.plan_for_cohort import plan_for
    from fibrostage.learn.train import train

    run = tmp_path_factory.mktemp("pictures") / "run"
    train(cohort, plan_for(cohort, {}, SETS), run)
    return run
