"""A small grid end to end, resumed, with a run that fails, and its report."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from fibrostage.cli.app import app
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import FibrostageError, PlanError, RunError
from fibrostage.plan.run_plan import Plan
from fibrostage.report.forms import write_report
from fibrostage.report.read_results import read_results
from fibrostage.study.divisions import held_out_ratio
from fibrostage.study.grid_file import cells, load_study
from fibrostage.study.run_study import run_study
from tests.conftest import plan_data

STUDY = """
name = "a < b & c"
cohort = "{cohort}"
[grid]
modalities = [["LSTE"], ["LSTE", "LUS"]]
strategies = ["random", "esd"]
seeds = [0, 1]
[plan.network]
backbone = "tiny"
weights = "random"
reduce = 16
se_reduction = 4
[plan.training]
epochs = 2
precision = "float32"
[plan.active]
rounds = 2
passes = 3
[plan.evaluation]
bootstrap = 100
"""


@pytest.fixture(scope="module")
def study(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.toml").write_text(STUDY.format(cohort=cohort.path))
    run_study(folder / "study.toml", folder / "out")
    return folder


def test_results_have_a_line_a_method_and_strategy(study: Path) -> None:
    results = pl.read_parquet(study / "out" / "results.parquet")
    assert results.select("method", "strategy", "runs").rows() == [
        ("LSTE", "random", 2), ("LSTE", "esd", 2), ("LSTE+LUS", "random", 2), ("LSTE+LUS", "esd", 2),
    ]  # fmt: skip
    assert {"accuracy", "accuracy_lo", "auc_macro", "curve_mean_auc", "best_auc_macro_optimistic"} <= set(
        results.columns
    )
    assert (study / "out" / "results.csv").is_file()
    # with every label given, both strategies trained on the same candidates
    assert results["share"].to_list() == [1.0] * 4


def test_a_finished_study_runs_nothing_again(study: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (study / "out" / "runs").rglob("metrics.json")}
    run_study(study / "study.toml", study / "out")
    assert {p: p.stat().st_mtime_ns for p in (study / "out" / "runs").rglob("metrics.json")} == before
    assert len(before) == 8


def test_a_run_is_addressed_by_what_it_is(study: Path) -> None:
    plan, cohort = load_study(study / "study.toml")
    first = {run.folder for run in cells(plan, cohort, study)}
    assert len(first) == 8
    other = {run.folder for run in cells(plan, cohort, study, ["training.epochs=3"])}
    assert not first & other


def test_networks_and_splits_are_axes_too(study: Path) -> None:
    text = (
        (study / "study.toml").read_text().replace("seeds = [0, 1]", "seeds = [0]").replace('"random", "esd"', '"all"')
    )
    text = text.replace(
        "[plan.network]",
        "[grid.networks.softmax]\n[grid.networks.ordinal.network]\nhead = 'ordinal'\n"
        "[grid.splits.two]\nscheme = 'kfold'\nfolds = 2\n[grid.splits.half]\ntest = 0.5\n[plan.network]",
    )
    (study / "axes.toml").write_text(text)
    plan, cohort = load_study(study / "axes.toml")
    runs = cells(plan, cohort, study)
    assert [run.method for run in runs] == [
        f"{network} {modalities} {split}"
        for network in ("softmax", "ordinal") for split in ("two", "half") for modalities in ("LSTE", "LSTE+LUS")
    ]  # fmt: skip
    assert {run.plan.network.head for run in runs if run.method.startswith("ordinal")} == {"ordinal"}
    assert {run.plan.split.scheme for run in runs if run.method.endswith("two")} == {"kfold"}
    results = run_study(study / "axes.toml", study / "axes")
    assert results["method"].to_list() == [run.method for run in runs]
    assert "ordinal LSTE ⊕ LUS half" in write_report(study / "axes").read_text(encoding="utf-8")
    assert not len(pl.read_parquet(study / "axes" / "efficiency.parquet")), "one round is no curve"
    said = CliRunner().invoke(app, ["study", str(study / "axes.toml"), "--out", str(study / "axes")])
    assert said.exit_code == 0, said.output


def test_what_labels_bought_is_a_table(study: Path) -> None:
    table = pl.read_parquet(study / "out" / "efficiency.parquet")
    assert table.select("method", "strategy").rows() == [
        ("LSTE", "random"), ("LSTE", "esd"), ("LSTE+LUS", "random"), ("LSTE+LUS", "esd"),
    ]  # fmt: skip
    assert {"aulc", "aulc_early", "needed_95_patients", "reached_95", "aulc_vs_random_p_holm"} <= set(table.columns)
    assert (study / "out" / "efficiency.csv").is_file()
    assert not (study / "out" / "budgets.parquet").is_file(), "each seed divides these patients anew"
    html = write_report(study / "out").read_text(encoding="utf-8")
    assert '<section id="labels_bought"' in html
    assert "Runs that failed" not in html


def test_the_report_is_one_file_that_says_what_it_must(study: Path) -> None:
    page = write_report(study / "out")
    html = page.read_text(encoding="utf-8")
    assert page == study / "out" / "report" / "index.html"
    assert "a &lt; b &amp; c" in html
    assert "Research use only" in html
    assert "SIMULATED" not in html
    assert html.count('<div class="pan') == 4
    assert "Who the patients are" in html
    assert not re.search(r'(?:src|href)="(?!#|data:)', html)
    assert "fingerprint" in html
    assert "0, 1" in html
    results = read_results(study / "out")
    assert list(results.predictions) == ["LSTE RAND", "LSTE ESD", "LSTE+LUS RAND", "LSTE+LUS ESD"]


def test_a_report_of_one_run(study: Path, tmp_path: Path) -> None:
    run = next((study / "out" / "runs").iterdir())
    html = write_report(run, tmp_path / "r").read_text(encoding="utf-8")
    assert "average one-vs-rest AUC" in html
    assert "test patients" in html


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds = [0, 1]", "seeds = [1, 1]"), "grid.seeds repeats a value"),
        (('strategies = ["random", "esd"]', 'strategies = ["esd", "esd"]'), "grid.strategies repeats a value"),
        (("strategies = [", 'strategies = ["rand", '), "unknown strategy 'rand', did you mean 'random'"),
        (("seeds = ", "seed = "), "unknown key 'grid.seed', did you mean 'seeds'"),
        (('cohort = "', 'cohort = "/no'), "is not a cohort"),
        (('["LSTE"], ', '["LSTQ"], '), "names 'LSTQ'"),
        (("[plan.network]", "[plan]\nnetwork = 3\n[plan.evaluation2]"), "must be a section of the plan"),
        (("epochs = 2", "epoch = 2"), "'training.epoch', did you mean 'epochs'"),
    ],
)
def test_a_study_that_cannot_run_says_why(study: Path, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = (study / "study.toml").read_text().replace(*change)
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(FibrostageError, match=message):
        run_study(tmp_path / "study.toml", tmp_path / "out")


def test_one_failing_run_does_not_stop_the_rest(study: Path, tmp_path: Path) -> None:
    text = (study / "study.toml").read_text().replace("rounds = 2", "rounds = 1")
    text = text.replace("seeds = [0, 1]", "seeds = [0]\nfolds = [0, 7]").replace('"random", ', "")
    (tmp_path / "study.toml").write_text(text)
    results = run_study(tmp_path / "study.toml", tmp_path / "out")
    assert results["runs"].to_list() == [1, 1]


def test_a_study_does_not_move_into_a_run(study: Path) -> None:
    run = next((study / "out" / "runs").iterdir())
    with pytest.raises(RunError, match="something else than a study"):
        run_study(study / "study.toml", run)


def test_a_folder_that_holds_no_results(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="neither a run"):
        write_report(tmp_path)
    with pytest.raises(RunError, match="no folder"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(RunError, match="not finished"):
        write_report(tmp_path)


@pytest.mark.parametrize("override", ["seed=4", "active.strategy=esd", "network={dropout=0.1}", "network.head=softmax"])
def test_an_axis_of_the_grid_cannot_be_overridden(study: Path, override: str) -> None:
    text = (study / "study.toml").read_text()
    varied = "[grid.networks.a.network]\nhead='ordinal'\n[plan.network]"
    (study / "head.toml").write_text(text.replace("[plan.network]", varied))
    with pytest.raises(PlanError, match="is an axis of the study's grid"):
        run_study(study / "head.toml", study / "out", [override])


def test_the_ratio_of_test_to_training_patients(cohort: Cohort) -> None:
    def ratio(**split: object) -> float:
        return held_out_ratio(cohort, Plan.parse({**plan_data(), "split": split}))

    assert ratio(scheme="kfold", folds=5) == pytest.approx(0.25)
    assert ratio(scheme="column", column="fold") == pytest.approx(1 / 3, abs=0.02)
    assert ratio(test=0.2) == pytest.approx(0.25)
    assert ratio(test=0.2, validation=0.5) == pytest.approx(0.5)


def test_a_run_that_breaks_is_recorded(study: Path) -> None:
    """A folder that cannot be read is no reason to lose the other runs."""
    folder = study / "broken"
    run_study(study / "study.toml", folder, ["active.rounds=1"])
    first = sorted((folder / "runs").iterdir())[0]
    (first / "metrics.json").unlink()
    (first / "ledger.sqlite").write_bytes(b"no database" * 200)
    results = run_study(study / "study.toml", folder, ["active.rounds=1"])
    assert sorted(results["runs"].to_list()) == [1, 2, 2, 2]
    content = json.loads((folder / "study.json").read_text())
    assert list(content["failures"]) == [first.name]
    assert len(content["runs"]) == 7


def test_networks_that_would_test_on_other_patients_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    text = STUDY.format(cohort=cohort.path) + "[grid.networks.more.split]\ntest = 0.3\n[grid.networks.usual]\n"
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(PlanError, match=r"split\.test = 0\.[23].*must be tested on the same patients"):
        run_study(tmp_path / "study.toml", tmp_path / "out")
