"""A folder that has what the examples of the public functions speak of."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import fibrostage
from fibrostage.ground.progress import SILENT
from tests.conftest import write_rows

QUICK = ["training.epochs=1", "evaluation.bootstrap=100"]

STUDY = """\
name = "two strategies"
cohort = "COHORT"
[grid]
modalities = [["LSTE", "LUS"]]
strategies = ["random", "esd"]
seeds = [0]
[plan.active]
rounds = 1
[plan.training]
epochs = 1
[plan.evaluation]
bootstrap = 100
"""


@pytest.fixture(scope="session")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SOURCE, a cohort made of it, a run, a run that asked, a study with its file, and two tables."""
    folder = tmp_path_factory.mktemp("worked")
    source = folder / "SOURCE"
    fibrostage.simulate(source, patients=20, modalities=["LSTE", "LUS"], pictures=1, bad=0, missing=0, progress=SILENT)
    tables = {"patients": source / "patients.csv", "images": source / "images.csv"}
    plan = fibrostage.Plan.load(source / "plan.toml")
    kept = plan.model_copy(update={"modality": tuple(m for m in plan.modality if m.name in ("LSTE", "LUS"))})
    cohort = fibrostage.take_in(source, folder / "COHORT", kept, **tables, progress=SILENT)
    fibrostage.train(cohort, folder / "RUN", overrides=QUICK, progress=SILENT)
    asking = [*QUICK, "active.rounds=1", "active.passes=2"]
    fibrostage.run_active(cohort, folder / "ASKED", overrides=asking, progress=SILENT)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    fibrostage.run_study(folder / "study.toml", folder / "STUDY", progress=SILENT)
    people = list(csv.DictReader((source / "patients.csv").open(encoding="utf-8")))
    write_rows(folder / "P.csv", list(people[0]), [list(row.values()) for row in people])
    rows: list[list[object]] = [[k % 2, k % 2 + (k * 7 % 5) / 3, (k * 3 % 11) / 9] for k in range(40)]
    write_rows(folder / "S.csv", ["y", "A", "B"], rows)
    return folder
