"""Shared fixtures: a tiny source folder and its cohort, made in the test; real data where it is at hand."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fibrostage.cohort.store import Cohort, open_cohort, write_tables
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.plan.run_plan import Plan
from tests.clusters import two_nodes
from tests.services import bucket, object_store, orthanc, postgres
from tests.trained import hospital, pictures_run

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
PLUGGED = str(Path(__file__).parent / "plugged")  # where the backbone "tiny" is

__all__ = ["bucket", "hospital", "object_store", "orthanc", "pictures_run", "postgres", "two_nodes"]

STAGES = ("F0", "F1", "F2", "F3", "F4")

IN_MEMORY = Path("/dev/shm")  # tests write many small files whole, each waiting for the disk
ROOM = 6 * 2**30  # bytes
if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))

if PLUGGED not in sys.path:
    sys.path.append(PLUGGED)
    before = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    os.environ["PYTHONPATH"] = os.pathsep.join([*before, PLUGGED])  # of processes that tests start
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(threads, "1")  # two workers on two cores


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long each folder of tests took, on all workers together."""
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                parts = report.nodeid.partition("::")[0].split("/")
                seconds[parts[1] if len(parts) > 2 else "."] += report.duration
    listed = sorted(seconds.items(), key=lambda item: -item[1])
    terminalreporter.write_line("seconds by folder: " + ", ".join(f"{name} {value:.0f}" for name, value in listed))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's feature cache; all tests of a session share one, whichever worker runs them."""
    base = tmp_path_factory.getbasetemp()
    session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    monkeypatch.setenv("FIBROSTAGE_CACHE", str(session / "cache"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def study_here() -> Iterator[None]:
    """The runs of a study are made in this process, one after the other; where it is about processes, tests ask for
    `in_processes`."""
    from fibrostage.study import workers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "can_start_workers", lambda: "not in this test")
        yield


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of a study are made in processes of their own, as users have them."""
    from fibrostage.ground.processes import can_start_workers

    monkeypatch.setattr("fibrostage.study.workers.can_start_workers", can_start_workers)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public ultrasound, which a user's clone does not have."""
    if not SHARED.is_dir():
        pytest.skip(f"real data not at hand: no folder {SHARED}")
    return SHARED


def write_rows(path: Path, header: list[str], rows: list[list[object]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def plan_data(size: int = 32) -> dict[str, object]:
    return {
        "modality": [
            {"name": "LSTE", "kind": "elastogram", "size": size},
            {"name": "LUS", "kind": "bmode", "size": size},
        ],
        "network": {"backbone": "tiny", "weights": "random", "reduce": 16, "se_reduction": 4},
        "training": {"epochs": 4, "precision": "float32"},
        "evaluation": {"bootstrap": 100},
    }


def make_source(folder: Path, patients: int = 20, lacking: tuple[int, ...] = (3,)) -> Sources:
    """Pictures whose brightness grows with the stage: 2 LSTE and 3 LUS a patient, LUS lacking for some."""
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    people: list[list[object]] = []
    pictures: list[list[object]] = []
    for index in range(patients):
        name, stage = f"P{index:03d}", index % 5
        people.append([name, STAGES[stage], 40 + index, index % 4])
        for modality, count in (("LSTE", 2), ("LUS", 0 if index in lacking else 3)):
            for number in range(count):
                shape = (40, 48, 3) if modality == "LSTE" else (40, 48)
                image = np.clip(rng.normal(50 + 35 * stage, 30, shape), 0, 255).astype(np.uint8)
                file = f"pictures/{name}_{modality}_{number}.png"
                Image.fromarray(image).save(folder / file)
                pictures.append([file, name, modality])
    return Sources(
        folder,
        write_rows(folder / "patients.csv", ["patient_id", "stage", "age", "fold"], people),
        write_rows(folder / "images.csv", ["file", "patient_id", "modality"], pictures),
    )


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("tiny")
    return take_in(make_source(folder / "source"), folder / "cohort", Plan.parse(plan_data()))


def make_elastograms(folder: Path, patients: int = 20) -> Sources:
    """Elastograms of 300×260 whose box is the redder the higher the stage, one or two a patient; markers for most
    patients, two of whom are excluded."""
    rng = np.random.default_rng(1)
    (folder / "pictures").mkdir(parents=True)
    people: list[list[object]] = []
    pictures: list[list[object]] = []
    for index in range(patients + 2):
        name, stage = f"E{index:03d}", index % 5
        reason = "antiviral treatment" if index >= patients else ""
        te = "" if index == 4 else f"{5 + 2 * stage + rng.normal():.2f}"
        swe = f"{5 + stage + rng.normal():.2f}"
        people.append([name, STAGES[stage], swe, te, 30 + stage, 30, 200 - 10 * stage, 45, reason])
        for number in range(1 + index % 2):
            image = rng.integers(20, 120, (260, 300, 1), dtype=np.uint8).repeat(3, axis=2)
            image[80:180, 90:210] = (40 + 45 * stage, 40, 220 - 45 * stage)
            image[80:180, 90:210] += rng.integers(0, 20, (100, 120, 3), dtype=np.uint8)
            file = f"pictures/{name}_{number}.png"
            Image.fromarray(image).save(folder / file)
            pictures.append([file, name, "LSTE", 90, 80, 120, 100, 150, 130])
    columns = ["patient_id", "stage", "swe", "te", "ast", "alt", "platelets", "age", "excluded"]
    return Sources(
        folder,
        write_rows(folder / "patients.csv", columns, people),
        write_rows(
            folder / "images.csv",
            ["file", "patient_id", "modality", "roi_x", "roi_y", "roi_w", "roi_h", "click_x", "click_y"],
            pictures,
        ),
    )


CROPS = {"modality": [{"name": "LSTE", "kind": "elastogram", "size": 250, "fit": "click"}]}


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """A cohort of DLRE crops."""
    folder = tmp_path_factory.mktemp("crops")
    return take_in(make_elastograms(folder / "source"), folder / "cohort", Plan.parse(CROPS))


@pytest.fixture
def tiny_plan() -> Callable[..., Plan]:
    def build(*overrides: str) -> Plan:
        return Plan.parse(plan_data(), overrides)

    return build


Cut = Callable[..., Cohort]


@pytest.fixture
def cut(cohort: Cohort, tmp_path: Path) -> Cut:
    def make(
        name: str,
        patients: Sequence[int],
        known: Collection[int] = (),
        modalities: Sequence[str] = ("LSTE", "LUS"),
        stages: dict[str, str] | None = None,
        simulated: bool = False,
    ) -> Cohort:
        """A cohort of the tiny one's patients in rows `patients`, in that order, of whom those in `known` have their
        stage, or the one in `stages`."""
        folder = tmp_path / name
        (folder / "pixels").mkdir(parents=True)
        ids = [cohort.patient_ids[row] for row in patients]
        told = {cohort.patient_ids[row]: cohort.patients["stage"][row] for row in known} | (stages or {})
        table = pl.DataFrame({"patient_id": ids}).join(cohort.patients, on="patient_id", maintain_order="left")
        table = table.with_columns(stage=pl.Series([told.get(one) for one in ids], dtype=pl.String))
        parts = []
        for modality in cohort.modality_names:
            rows = [
                row
                for patient in patients
                for row in np.flatnonzero(cohort.owners(modality) == patient)
                if modality in modalities
            ]
            np.save(folder / "pixels" / f"{modality}.npy", cohort.pixels(modality)[rows])
            parts.append(cohort.images_of(modality)[rows])
        write_tables(
            folder, name=name, staging=cohort.staging, modalities=cohort.modalities, patients=table,
            images=pl.concat(parts), exclusions=cohort.exclusions.clear(), simulated=simulated,
        )  # fmt: skip
        return open_cohort(folder)

    return make
