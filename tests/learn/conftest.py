"""Two runs of the DLRE network that several tests look at."""

from pathlib import Path

import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.learn.train import train
from tests.learn.dlre_plans import quick_plan


@pytest.fixture(scope="session")
def source(crops: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned F3 from scratch."""
    out = tmp_path_factory.mktemp("source") / "run"
    train(crops, quick_plan(crops, network={"name": "basic_cnn"}, staging={"task": "F3"}), out)
    return out


@pytest.fixture(scope="session")
def transferred(crops: Cohort, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned F2 behind the source's first three layers."""
    out = tmp_path_factory.mktemp("target") / "run"
    network = {"name": "transfer", "weights": str(source)}
    train(crops, quick_plan(crops, network=network, staging={"task": "F2"}), out)
    return out
