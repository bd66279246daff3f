"""A model on a cohort it has never seen: strangers alone are judged, and what differs from training is found."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from fibrostage.cli.app import app
from fibrostage.cohort.store import Cohort
from fibrostage.deploy.package import package
from fibrostage.deploy.validate import Validated, validate
from fibrostage.ground.errors import RunError, StatisticsError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.take_in import Sources, take_in
from fibrostage.learn.model import open_model
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.train import train
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.run_plan import Plan
from fibrostage.report.forms import write_report
from fibrostage.results.predictions import scores_of
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.validation import Validation, read_validation
from fibrostage.stats.auc import auc
from fibrostage.stats.balance import smd_with_interval
from tests.conftest import write_rows

SETS = ["network.modalities=['LSTE']", "training.epochs=8", "split.test=0.2", "evaluation.bootstrap=100"]


@dataclass(frozen=True)
class Hospitals:
    """A model of hospital A's patients, other patients of A (the last without a stage), these with their pictures at a
    third of the brightness, and patients of C."""

    folder: Path
    trained: Cohort
    same: Cohort
    dark: Cohort
    other: Cohort

    @property
    def run(self) -> Path:
        return self.folder / "run"


def part_of(source: Path, folder: Path, name: str, people: list[dict[str, str]]) -> Cohort:
    """Those patients as a cohort of their own; each hospital has a scanner."""
    site = {row["patient_id"]: row["site"] for row in people}
    pictures = list(csv.DictReader((source / "images.csv").open(encoding="utf-8")))
    own = [row | {"device": f"scanner {site[row['patient_id']]}"} for row in pictures if row["patient_id"] in site]
    write_rows(folder / f"{name}_p.csv", list(people[0]), [list(row.values()) for row in people])
    write_rows(folder / f"{name}_i.csv", list(own[0]), [list(row.values()) for row in own])
    sources = Sources(source, folder / f"{name}_p.csv", folder / f"{name}_i.csv")
    return take_in(sources, folder / name, Plan.load(source / "plan.toml"), Choices())


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Hospitals:
    folder = tmp_path_factory.mktemp("hospitals")
    source = folder / "source"
    write_phantom(source, Recipe(130, 3, modalities=("LSTE",), pictures=1, bad=0.0, missing=0.0))
    people = list(csv.DictReader((source / "patients.csv").open(encoding="utf-8")))
    of_a, of_c = ([row for row in people if row["site"] == site] for site in "AC")
    others = [*of_a[34:-1], of_a[-1] | {"stage": ""}]
    trained, same, other = (
        part_of(source, folder, name, rows) for name, rows in (("t", of_a[:34]), ("s", others), ("o", of_c))
    )
    shutil.copytree(source, folder / "dimmed")
    for path in (folder / "dimmed" / "images").glob("*.png"):
        Image.fromarray((np.asarray(Image.open(path)) * 0.33).astype(np.uint8)).save(path)
    dark = part_of(folder / "dimmed", folder, "d", others)
    train(trained, plan_for(trained, {}, SETS), folder / "run")
    return Hospitals(folder, trained, same, dark, other)


def judged(hospitals: Hospitals, cohort: Cohort, out: Path) -> Validated:
    return validate(open_model(hospitals.run), "run", cohort, out, hospitals.trained)


def differing(validation: Validation, what: str) -> bool:
    (line,) = [line for line in validation.drift if what in line.what]
    return line.differs


def test_another_scanner_is_found_and_the_same_is_not(hospitals: Hospitals, tmp_path: Path) -> None:
    same = judged(hospitals, hospitals.same, tmp_path / "same").validation
    other = judged(hospitals, hospitals.other, tmp_path / "other").validation
    assert not differing(same, "devices")
    assert differing(other, "devices")
    assert not differing(same, "far out")
    assert differing(judged(hospitals, hospitals.dark, tmp_path / "dark").validation, "far out")
    (line,) = [line for line in other.drift if "devices" in line.what]
    assert (line.there, line.here, line.figure.value) == ("scanner A", "scanner C", 1.0)


def test_the_folder_is_a_report_of_strangers(hospitals: Hospitals, tmp_path: Path) -> None:
    found = judged(hospitals, hospitals.same, tmp_path / "V")
    run = RunFolder(tmp_path / "V")
    assert run.finished
    n = len(hospitals.same.patients) - 1
    assert run.read_metrics().n_patients == n
    assert found.validation.left_out == {"no reference stage": 1}
    assert any("1 patients have no figure here: no reference stage" in line for line in found.metrics.caveats)
    staging = open_model(hospitals.run).staging
    scores = scores_of(run.read_predictions(), staging)
    positive, score = scores.at_cut(staging, "F2")
    assert found.metrics.auc_at_cut["F2"].value == pytest.approx(auc(positive, score))
    assert read_validation(tmp_path / "V") == Validation.model_validate(found.validation.model_dump(mode="json"))
    known = run.read_participants()
    assert known is not None
    assert sorted(known["patient_id"]) == sorted(scores.patients.tolist())
    assert known["cohort"].unique().to_list() == ["test"]
    page = write_report(tmp_path / "V").read_text(encoding="utf-8")
    assert '<section id="external"' in page
    assert f"test (n = {n})" in page, "the first table is of those who are judged"
    assert "roc_beside_markers" in page
    assert "of another cohort than it had been trained on" in page
    assert "fitted elsewhere" in page
    assert "none: everybody was judged by a model" in page
    assert "divided at random" not in page, "nobody was divided"


def test_probabilities_and_calls_are_those_of_predict(hospitals: Hospitals, tmp_path: Path) -> None:
    judged(hospitals, hospitals.other, tmp_path / "V")
    done = CliRunner().invoke(
        app, ["predict", str(hospitals.run), str(hospitals.other.path), "--out", str(tmp_path / "p.csv")]
    )
    assert done.exit_code == 0, done.output
    told = pl.read_csv(tmp_path / "p.csv").sort("patient_id")
    own = RunFolder(tmp_path / "V").read_predictions().sort("patient_id")
    assert own["called"].to_list() == told["stage"].to_list()
    np.testing.assert_allclose(own["p_4"].to_numpy(), told["p_F4"].to_numpy(), atol=1e-6)


def test_who_trained_the_model_is_refused_or_left_out(hospitals: Hospitals, tmp_path: Path) -> None:
    model = open_model(hospitals.run)
    with pytest.raises(RunError, match=r"of 34 patients of cohort .* trained the model \(SIM\d+, SIM\d+, SIM\d+, …\)"):
        validate(model, "run", hospitals.trained, tmp_path / "V")
    assert not (tmp_path / "V").exists()
    found = validate(model, "run", hospitals.trained, tmp_path / "V", leave_out_trained=True)
    trained = found.validation.left_out["trained the model"]
    assert found.metrics.n_patients == 34 - trained
    assert 0 < found.metrics.n_patients < 10


def test_the_command_takes_a_packed_model_and_prints_json(hospitals: Hospitals, tmp_path: Path) -> None:
    package(hospitals.run, tmp_path / "MODEL", "liver")
    words = ["validate", str(tmp_path / "MODEL"), str(hospitals.other.path), "--out", str(tmp_path / "V")]
    done = CliRunner().invoke(app, [*words, "--training", str(hospitals.trained.path), "--json"])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["validation"]["model"] == "liver"
    assert any(line["what"].startswith("age: standardised") for line in content["validation"]["drift"])
    assert (tmp_path / "V" / "report" / "methods.md").is_file()
    again = CliRunner().invoke(app, words)
    assert "exists; choose another --out" in str(again.exception)


def test_a_standardised_difference_is_one() -> None:
    there, here = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])
    found = smd_with_interval(there, here)
    assert found.value == pytest.approx(1.0)
    assert found.lo < 0 < found.hi
    with pytest.raises(StatisticsError, match="needs spread"):
        smd_with_interval(np.ones(3), np.ones(4))
    with pytest.raises(StatisticsError, match="two values"):
        smd_with_interval(np.ones(1), here)
