"""The papers' tables as studies: what their recipes ask for, and what stands beside a paper's figures."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from fibrostage.analysis.published import along, published_at_cuts, published_table
from fibrostage.cli.app import app
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.ground.errors import PlanError
from fibrostage.intake.build.take_in import Sources, take_in
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.recipes import RECIPES, published_cells
from fibrostage.plan.run_plan import Plan
from fibrostage.report.forms import write_report
from fibrostage.results.study_folder import StudyFolder
from fibrostage.study.given_cohorts import with_cohorts
from fibrostage.study.grid_file import cells, load_study
from fibrostage.study.run_study import run_study
from fibrostage.study.study_plan import StudyPlan
from tests.conftest import STAGES
from tests.small_pictures import read_small_pictures


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """A SIMULATED cohort with the MMFN paper's four modalities, a picture of each."""
    folder = tmp_path_factory.mktemp("four")
    source = folder / "source"
    write_phantom(source, Recipe(30, 1, pictures=1, missing=0.0))
    sources = Sources(source, source / "patients.csv", source / "images.csv")
    return take_in(sources, folder / "cohort", Plan.load(source / "plan.toml"))


def test_table_two_to_four_are_all_there() -> None:
    """Nine cells of Table 2, six of Table 3, nine of Table 4; each stands beside a method of the study."""
    study = StudyPlan.model_validate({**RECIPES["paper-mmfn"].data, "cohort": "x"})
    assert [sum(one.source == f"Table {k}" for one in study.published) for k in (2, 3, 4)] == [9, 6, 9]
    asked = {
        (f"{network} {'+'.join(modalities)}", strategy)
        for grid in study.grids
        for network in grid.networks
        for modalities in grid.modalities
        for strategy in grid.strategies
    }
    assert {(one.method, one.strategy) for one in study.published} <= asked
    best = next(one for one in study.published if one.method == "ResNet50 LSTE" and one.strategy == "esd")
    assert (best.accuracy, best.auc, best.share) == (0.6512, 0.8972, 0.874)


def test_what_sees_a_cohort_that_is_not_given_is_left_out() -> None:
    study = StudyPlan.model_validate({**RECIPES["paper-mmfn"].data, "cohort": "x"})
    left, out = with_cohorts(study, {})
    assert out == ["DLRE"]
    assert set(left.grid.networks) == {"IncepV3", "ResNet50"}
    whole, out = with_cohorts(study, {"DLRE": "crops"})
    assert not out
    assert whole.cohorts == {"DLRE": "crops"}
    with pytest.raises(PlanError, match="--cohort 'DLRA', did you mean 'DLRE'"):
        with_cohorts(study, {"DLRA": "crops"})
    dlre = StudyPlan.model_validate({**RECIPES["paper-dlre"].data, "cohort": "x"})
    left, out = with_cohorts(dlre, {})
    assert out == ["DLRE"]
    assert (set(left.grid.networks), left.source) == ({"basic CNN"}, {})
    assert set(with_cohorts(dlre, {"lesions": "y"})[0].source) == {"lesions"}


def test_a_paper_in_small_runs_whole(four: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its grids with one seed and one round, on frozen features: late fusion, an ablation and the paper beside them."""
    read_small_pictures(monkeypatch)
    text = RECIPES["paper-mmfn-small"].text
    less = {"seeds = [0, 1, 2, 3, 4]": "seeds = [0]", "rounds = 10": "rounds = 1", "passes = 20": "passes = 2"}
    for long, short in (less | {"epochs = 40": "epochs = 3", "epochs = 15": "epochs = 2"}).items():
        text = text.replace(long, short)
    file = tmp_path / "study.toml"
    file.write_text(f'cohort = "{four.path}"\n{text}')
    results = run_study(file, tmp_path / "out", ["evaluation.bootstrap=100"])
    methods = set(results["method"])
    assert {"mean of Lite0 LSTE+LUS", "MMFN on Lite0 without SE LSTE+LUS", "Lite0 LSTE"} <= methods
    published = StudyFolder(tmp_path / "out").read_table("published")
    assert len(published) == 24
    there = published.filter(pl.col("runs") > 0)
    assert len(there) == 3 + 6 + 9
    assert there["all_accuracy"].null_count() == there["best_optimistic_auc_macro"].null_count() == 0
    assert (there["best_optimistic_auc_macro"] >= there["all_auc_macro"] - 1e-9).all()
    assert published["simulated"].all()
    assert {"accuracy_candidates", "auc_macro_candidates"} <= set(results.columns)
    page = write_report(tmp_path / "out").read_text()
    assert "Beside the paper" in page
    counted = StudyFolder(tmp_path / "out").read_table("counted")
    assert counted["modalities"].to_list()[3:] == ["LSTE+LUS", "LSTE+LSTQ", "LSTE+SSTE"]
    assert counted["total"].to_list() == [30] * 6, "a picture of each modality and patient"
    assert counted["paper_total"].to_list() == [778, 3572, 683, 16592, 3232, 3171]
    assert sum(counted.row(0, named=True)[stage] for stage in STAGES) == 30
    assert "0.881 at 60.0%" in page
    late_is_the_mean(StudyFolder(tmp_path / "out"))


def late_is_the_mean(folder: StudyFolder) -> None:
    """Accuracy of the mean of both mono-modal networks' probabilities, made anew from their predictions."""
    record = folder.read()
    tables = []
    for run in record.runs:
        mono = record.methods[run] in ("Lite0 LSTE", "Lite0 LUS")
        if mono and folder.run(run).read_metrics().strategy == "all":
            own = folder.run(run).read_predictions().filter(pl.col("split") == "test")
            tables.append(own.group_by("patient_id", "stage").agg(pl.col("^p_.$").mean()))
    assert len(tables) == 2
    both = pl.concat(tables).group_by("patient_id", "stage").agg(pl.col("^p_.$").mean())
    called = both.select(pl.concat_list("^p_.$").list.arg_max()).to_series()
    accuracy = float((called == both["stage"].str.slice(1).cast(pl.UInt32)).mean())  # type: ignore[arg-type]
    shown = folder.read_table("results").filter(pl.col("method") == "mean of Lite0 LSTE+LUS")
    assert shown["accuracy"][0] == pytest.approx(accuracy)


def test_networks_may_see_another_size_of_the_same_patients(four: Cohort, crops: Cohort, tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    grid = '[grid]\nmodalities = [["LSTE"]]\nstrategies = ["all"]\n[grid.networks.small]\n[grid.networks.large]\n'
    file.write_text(f'cohort = "{four.path}"\n[cohorts]\nlarge = "{four.path}"\n{grid}')
    study, cohort = load_study(file)
    runs = cells(study, cohort, tmp_path / "out")
    assert [run.cohort for run in runs] == [four.path, four.path]
    file.write_text(f'cohort = "{four.path}"\n[cohorts]\nlarge = "{crops.path}"\n{grid}')
    study, cohort = load_study(file)
    with pytest.raises(PlanError, match="'large' sees .* which must hold the patients of"):
        cells(study, cohort, tmp_path / "out")
    file.write_text(f'cohort = "{four.path}"\n[cohorts]\nlarger = "x"\n{grid}')
    with pytest.raises(PlanError, match="names the network 'larger', did you mean 'large'"):
        load_study(file)


def test_a_recipe_is_for_what_it_is_for(four: Cohort, tmp_path: Path) -> None:
    def told(*words: str) -> str:
        done = CliRunner().invoke(app, ["study", *words, "--out", str(tmp_path / "out")])
        assert done.exit_code == 1
        return str(done.exception)

    file = tmp_path / "study.toml"
    file.write_text(f'cohort = "{four.path}"\n[grid]\nmodalities = [["LSTE"]]\n')
    assert "is a study of a cohort: give it a cohort's folder" in told(str(file), "--recipe", "paper-mmfn")
    assert "is of a plan: give it a study's file" in told(str(four.path), "--recipe", "mmfn")
    assert "write it as NAME=FOLDER" in told(str(four.path), "--recipe", "paper-mmfn", "--cohort", "DLRE")
    done = CliRunner().invoke(app, ["train", str(four.path), "--recipe", "paper-mmfn", "--out", str(tmp_path / "run")])
    assert "is of a study: fibrostage study --recipe paper-mmfn" in str(done.exception)
    study, _ = load_study(file, "resnet50")
    assert study.plan["training"]["finetune"] == "all"
    assert study.plan["network"]["backbone"] == "resnet50"
    with pytest.raises(PlanError, match="the papers are mmfn, dlre"):
        published_cells("mmfm")
    assert open_cohort(four.path).fingerprint == four.fingerprint


class Printed:
    """A published cell made by hand."""

    source, network, modalities, strategy, accuracy, auc, share = "Table 1", "N", "A", "esd", 0.5, 0.8, 0.3
    method, cut, training = "N A", "F2", True


def test_a_share_between_two_rounds_lies_in_proportion() -> None:
    run = pl.DataFrame({"share": [0.1, 0.5, 1.0], "auc_macro": [0.6, None, 0.9]})
    assert along(run, "auc_macro", 0.55) == pytest.approx(0.75)
    curves = pl.DataFrame(
        {"method": "M A", "strategy": "esd", "seed": [0, 0, 1, 1], "fold": "0", "round": [0, 1, 0, 1],
         "share": [0.1, 1.0, 0.1, 1.0], "n_patients": 10, "accuracy": [0.4, 0.6, 0.5, 0.5],
         "auc_macro": [0.8, 0.7, 0.6, 0.9]}
    )  # fmt: skip
    row = published_table(curves, [Printed()], {"M A": 0.25}, True, {"N": "M"}).row(0, named=True)
    assert (row["here"], row["runs"], row["n_patients"]) == ("M A", 2, 10)
    assert row["all_auc_macro"] == pytest.approx(0.8)
    assert row["best_optimistic_auc_macro"] == pytest.approx(0.85)
    assert row["best_optimistic_accuracy"] == pytest.approx(0.45)
    assert row["best_share_optimistic"] == pytest.approx(0.55)
    assert row["there_accuracy"] == pytest.approx((0.4 + 0.2 * 2 / 9 + 0.5) / 2)


def test_a_papers_area_at_a_cut_stands_beside_ours() -> None:
    results = pl.DataFrame(
        {"method": ["N A", "N A"], "task": ["F2", "F3"], "runs": 5, "n_training": 200, "n_patients": 97,
         "simulated": True,
         "training_auc_at_F2": [0.9, None], "training_auc_at_F2_lo": [0.8, None], "training_auc_at_F2_hi": [0.95, None]}
    )  # fmt: skip
    row = published_at_cuts(results, [Printed()]).row(0, named=True)
    assert (row["auc"], row["auc_lo"], row["n_patients"], row["cohort"]) == (0.9, 0.8, 200, "training")
