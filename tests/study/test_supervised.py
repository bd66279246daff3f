"""A study of supervised runs: sources first, every network a cut, markers beside them, tables and the page."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.analysis.doubtful_labels import find_doubts
from fibrostage.analysis.networks_and_markers import comparison_table
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.stage import KNOWN, METAVIR
from fibrostage.report.forms import write_report
from fibrostage.results.study_folder import StudyFolder
from fibrostage.stats.auc import delong
from fibrostage.stats.multiplicity import holm
from fibrostage.study.grid_file import load_study
from fibrostage.study.run_study import run_study
from fibrostage.study.study_plan import StudyPlan
from fibrostage.study.weight_sources import train_sources
from fibrostage.views.diagnosis import study_views

STUDY = """\
name = "short twin of the DLRE study"
cohort = "COHORT"

[source.phantom]
cohort = "COHORT"
plan.network.name = "basic_cnn"
plan.training.epochs = 1

[grid]
modalities = [["LSTE"]]
strategies = []
tasks = ["F2", "F3"]
seeds = [0, 1]

[grid.networks.DLRE.network]
name = "transfer"
weights = "source:phantom"

[grid.networks.probe]
network = { name = "plain", backbone = "dlre", weights = "random" }
evaluation = { training = true }
split = { test = 0.3333333333333333 }

[plan.training]
epochs = 1
precision = "float32"

[plan.evaluation]
bootstrap = 100

[compare]
markers = ["swe", "te", "apri"]
"""


SECTIONS = (
    "ROC curves beside the markers",
    "The reference against each",
    "Over pictures",
    "Thresholds, and what they do",
    "Participants",
)


def write_study(folder: Path, cohort: Cohort, text: str = STUDY) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "study.toml"
    file.write_text(text.replace("COHORT", str(cohort.path)))
    return file


@pytest.fixture(scope="module")
def folder(crops: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("supervised")
    run_study(write_study(base, crops), base / "out")
    return base / "out"


@pytest.fixture(scope="module")
def comparison(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "comparison.parquet")


def test_a_row_a_method_and_task_with_both_cohorts(folder: Path) -> None:
    results = pl.read_parquet(folder / "results.parquet").filter(pl.col("kind") == "network")
    assert results.select("method", "task").rows() == [
        ("DLRE LSTE", "F2"), ("DLRE LSTE", "F3"), ("probe LSTE", "F2"), ("probe LSTE", "F3"),
    ]  # fmt: skip
    assert set(results["runs"]) == {2}
    assert set(results["n_training"]) == {13}
    assert set(results["n_patients"]) == {7}
    assert results["training_auc_at_F2"].drop_nulls().is_between(0, 1).all()
    assert results["auc_at_F2"].null_count() == 2  # a task speaks of its own cut


def test_markers_stand_beside_over_the_same_seeds(folder: Path, comparison: pl.DataFrame) -> None:
    results = pl.read_parquet(folder / "results.parquet").filter(pl.col("kind") == "marker")
    assert results.select("method", "task").rows() == [
        (marker, cut) for cut in ("F2", "F3", "F4") for marker in ("2D-SWE", "TE", "APRI") if cut != "F4"
    ]
    own = comparison.filter((pl.col("method") == "APRI") & (pl.col("cut") == "F2") & (pl.col("split") == "test"))
    row = results.row(by_predicate=(pl.col("method") == "APRI") & (pl.col("task") == "F2"), named=True)
    assert row["runs"] == len(own) == 2
    assert row["auc_at_F2"] == pytest.approx(own["auc"].mean())
    network = comparison.filter(
        (pl.col("method") == "DLRE LSTE") & (pl.col("cut") == "F2") & (pl.col("split") == "test")
    )
    assert row["auc_at_F2_vs_reference"] == pytest.approx((own["auc"] - network["auc"]).mean())
    assert results["auc_at_F2_hi"].drop_nulls().max() <= 1


def test_the_source_came_first_and_is_recorded(folder: Path) -> None:
    assert (folder / "sources" / "phantom" / "model.safetensors").is_file()
    plans = [json.loads(path.read_text()) for path in sorted(folder.glob("runs/DLRE*/plan.json"))]
    assert len(plans) == 4
    assert len({plan["network"]["source"]["sha256"] for plan in plans}) == 1


def test_every_auc_and_p_is_delongs_on_the_common_patients(folder: Path, comparison: pl.DataFrame) -> None:
    """Against the statistics called by hand on the scores table."""
    scores = pl.read_parquet(folder / "scores.parquet")
    own = scores.filter((pl.col("seed") == 0) & (pl.col("cut") == "F2") & (pl.col("split") == "train"))
    table = comparison.filter((pl.col("seed") == 0) & (pl.col("cut") == "F2") & (pl.col("split") == "train"))
    wide = own.pivot(on="method", index=["patient_id", "stage"], values="score")
    found = {row["method"]: row for row in table.iter_rows(named=True)}
    p_values = {}
    for name in ("probe LSTE", "2D-SWE", "TE", "APRI"):
        both = wide.drop_nulls(["DLRE LSTE", name])
        positive = np.array([stage >= "F2" for stage in both["stage"]])
        pair = delong(positive, np.stack([both["DLRE LSTE"].to_numpy(), both[name].to_numpy()]))
        difference = pair.difference(0, 1)
        assert found[name]["n_both"] == len(both)
        assert found[name]["difference"] == pytest.approx(difference.value)
        assert found[name]["p"] == pytest.approx(difference.p)
        p_values[name] = found[name]["p"]
    adjusted = holm(list(p_values.values()))
    assert [found[name]["p_holm"] for name in p_values] == pytest.approx(adjusted.tolist())


def test_a_marker_that_a_patient_lacks_is_compared_on_the_others(folder: Path, comparison: pl.DataFrame) -> None:
    """E004 has no TE: they are in one cohort of each seed."""
    per_seed = comparison.filter((pl.col("cut") == "F3") & (pl.col("seed") == 0))
    counts = {(row["split"], row["method"]): row["n"] for row in per_seed.iter_rows(named=True)}
    lacking = [counts[split, "2D-SWE"] - counts[split, "TE"] for split in ("test", "train")]
    assert sum(lacking) == 1


def test_thresholds_come_from_elsewhere_than_the_test_patients(folder: Path) -> None:
    cutoffs = pl.read_parquet(folder / "cutoffs.parquet")
    swe = cutoffs.filter((pl.col("method") == "2D-SWE") & (pl.col("cut") == "F2") & (pl.col("seed") == 0))
    assert swe.filter(pl.col("origin") == "training, Youden").height == 1
    assert swe.filter(pl.col("threshold") == 7.1)["origin"].str.contains("Leung").any()
    assert set(cutoffs["n"]) <= {6, 7}  # test patients


def test_the_page_shows_curves_comparisons_flow_and_source(folder: Path, tmp_path: Path) -> None:
    page = write_report(folder, tmp_path / "report").read_text()
    assert all(f"<h2>{title}" in page for title in SECTIONS)
    assert all(
        text in page for text in ("22 patients came", "2 antiviral treatment", "training cohort", "weights from")
    )
    assert page.count("<svg") >= 2


def test_what_the_command_prints(folder: Path) -> None:
    study = StudyFolder(folder)
    views = study_views(study.read_table("results"), study.beside(study.read()), KNOWN["METAVIR"], "transfer")
    assert [len(view.rows) for view in views] == [4 + 2 * 3, 4, 2 * 5]
    assert views[1].columns[3:] == ("accuracy", "weighted kappa", "log loss", "Brier"), "of two all are within one"


def test_a_study_goes_on_and_a_changed_source_is_refused(crops: Cohort, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/metrics.json")}
    file = folder.parent / "study.toml"
    run_study(file, folder)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/metrics.json")} == before
    other = write_study(
        folder.parent / "other", crops, STUDY.replace("plan.training.epochs = 1", "plan.training.epochs = 2")
    )
    with pytest.raises(RunError, match="was trained with another plan or cohort than source 'phantom' has now"):
        run_study(other, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"swe", "te"', '"swe", "tee"'), "compare.markers: 'tee', did you mean 'te'"),
        (('"swe", "te"', '"swe", "gpr"'), r"no patient of cohort 'cohort' has gpr: of 20 patients, 20 lack ggt"),
        (("source:phantom", "source:phantoms"), r"did you mean 'phantom'\?: the study's sources are phantom"),
        (
            ('tasks = ["F2", "F3"]', 'tasks = ["F2", "F9"]'),
            r"grid.tasks: 'F9'.* is not a cut of cohort 'cohort'; it has F2, F3, F4",
        ),
        (("markers =", 'reference = "DLRE"\nmarkers ='), "compare.reference = 'DLRE'"),
        (("seeds = [0, 1]", "folds = [0, 1]"), "a supervised run fits every fold"),
        (("strategies = []", 'strategies = ["random"]'), "grid.tasks is of supervised studies"),
        (
            ("split = { test = 0.3333333333333333 }", ""),
            "DLRE LSTE has split.test = 0.333.* and probe LSTE 0.2: what is",
        ),
        (("evaluation = { training = true }", ""), "DLRE LSTE has evaluation.training = True and probe LSTE False"),
    ],
)
def test_bad_studies_say_what_is_wrong(
    change: tuple[str, str], message: str, crops: Cohort, folder: Path, tmp_path: Path
) -> None:
    text = STUDY.replace(*change)
    assert text != STUDY
    file = write_study(tmp_path, crops, text)
    with pytest.raises(PlanError, match=message):
        run_study(file, folder)  # whose runs are there: only what is wrong can stop it


def test_folds_have_no_training_cohort_and_no_threshold_of_their_own(crops: Cohort, tmp_path: Path) -> None:
    """With k folds everybody is tested and trains elsewhere: a training threshold would be of test patients."""
    text = STUDY.replace('tasks = ["F2", "F3"]', 'tasks = ["F2"]').replace("seeds = [0, 1]", "seeds = [0]")
    text = text[: text.index("[source.phantom]")] + text[text.index("[grid]") :]
    text = text[: text.index("[grid.networks.DLRE")] + text[text.index("[grid.networks.probe]") :]
    text = text.replace("split = { test = 0.3333333333333333 }", 'split = { scheme = "kfold", folds = 2 }')
    run_study(write_study(tmp_path, crops, text), tmp_path / "out")
    assert set(pl.read_parquet(tmp_path / "out" / "scores.parquet")["split"]) == {"test"}
    assert "training, Youden" not in set(pl.read_parquet(tmp_path / "out" / "cutoffs.parquet")["origin"])
    assert "22 patients came" in write_report(tmp_path / "out").read_text()


def test_a_killed_source_is_trained_again(crops: Cohort, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(folder, out)
    for name in ("metrics.json", "model.safetensors"):
        (out / "sources" / "phantom" / name).unlink()
    train_sources(load_study(folder.parent / "study.toml")[0], folder.parent, out)
    assert (out / "sources" / "phantom" / "metrics.json").is_file()


def test_a_reference_that_failed_leaves_the_others(folder: Path) -> None:
    scores = pl.read_parquet(folder / "scores.parquet")
    without = scores.filter(~((pl.col("method") == "DLRE LSTE") & (pl.col("cut") == "F2")))
    table = comparison_table(without, METAVIR, "DLRE LSTE", 0.95)
    assert table.filter(pl.col("cut") == "F2")["difference"].null_count() == len(table.filter(pl.col("cut") == "F2"))
    assert table.filter(pl.col("cut") == "F3")["difference"].drop_nulls().len() > 0


def test_doubts_want_one_run(folder: Path) -> None:
    with pytest.raises(PlanError, match="is a study of supervised runs|holds several methods"):
        find_doubts(folder)


def test_the_shipped_studies_are_valid() -> None:
    for file in sorted(Path("examples/dlre").glob("*.toml")):
        content = tomllib.loads(file.read_text())
        if "grid" in content:
            assert StudyPlan.model_validate(content).supervised
