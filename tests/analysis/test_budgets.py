"""What strategies reach at each budget, by patients, from the files that runs keep."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.analysis.budgets import budgets_table
from fibrostage.analysis.common_patients import AskedRun
from fibrostage.analysis.label_efficiency import efficiency_table
from fibrostage.ground.stage import Staging
from fibrostage.results.predictions import predictions_table
from fibrostage.results.round_predictions import keep_round, round_rows
from fibrostage.results.run_folder import RunFolder, read_parquet, write_parquet
from fibrostage.stats.macro import macro_auc
from fibrostage.views.study import budgets_view

STAGING = Staging("three", ("A", "B", "C"), ("B", "C"))
SHARES = (0.1, 0.25, 1.0)
PATIENTS = 24


def said(rng: np.random.Generator, fold: int, seed: int, gain: float) -> pl.DataFrame:
    """What a round says of a fold's patients, a row a candidate: every patient has two."""
    stages = np.arange(PATIENTS) % 3
    odds = np.exp(rng.normal(size=(2 * PATIENTS, 3)) + gain * np.eye(3)[np.repeat(stages, 2)])
    names = [f"p{fold}-{i:02d}" for i in range(PATIENTS)]
    return predictions_table(
        np.repeat(names, 2).tolist(), np.arange(2 * PATIENTS), [STAGING.classes[k] for k in np.repeat(stages, 2)],
        [None] * (2 * PATIENTS), odds / odds.sum(axis=1, keepdims=True), split="test", fold=f"{fold}.0", seed=seed,
        method="one",
    )  # fmt: skip


def run_of(folder: Path, strategy: str, fold: int, seed: int, gain: float) -> AskedRun:
    run, rows = RunFolder(folder / f"{strategy}-{fold}-{seed}"), []
    run.path.mkdir()
    rng = np.random.default_rng([fold, seed, len(strategy)])
    for round_, share in enumerate(SHARES):
        kept = round_rows(said(rng, fold, seed, gain + round_), STAGING, strategy, round_)
        keep_round(run, kept)
        stages = [STAGING.classes.index(stage) for stage in kept["stage"]]
        auc = macro_auc(stages, kept.select("p_0", "p_1", "p_2").to_numpy())
        rows.append({"round": round_, "share": share, "auc_macro": auc, "candidates": 1, "images": 1, "patients": 1})
    curve = pl.DataFrame(rows).with_columns(
        strategy=pl.lit(strategy), method=pl.lit("one"), fold=pl.lit(f"{fold}.0"), seed=pl.lit(seed)
    )
    write_parquet(run.curve_file, curve)
    return AskedRun("one", strategy, (seed, fold), run)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[AskedRun]:
    folder, gains = tmp_path_factory.mktemp("runs"), {"random": 0.0, "esd": 1.5, "entropy": 0.0}
    return [
        run_of(folder, strategy, fold, seed, gain)
        for strategy, gain in gains.items() for fold in (0, 1) for seed in (0, 1, 2)
    ]  # fmt: skip


def test_both_tests_are_of_the_same_difference(runs: list[AskedRun]) -> None:
    by_patients = budgets_table(runs, STAGING, False, 500)
    curves = pl.concat([read_parquet(run.folder.curve_file) for run in runs])
    by_division = efficiency_table(curves, {"one": 1.0}, {"one": True}, False)
    for name in ("aulc", "aulc_early", "aulc_vs_random", "aulc_early_vs_random"):
        np.testing.assert_allclose(
            by_patients[name].to_numpy().astype(float), by_division[name].to_numpy().astype(float), atol=1e-9
        )
    _, better, same = by_patients.rows(named=True)
    assert better["aulc_vs_random_p_holm"] == pytest.approx(min(1, 2 * better["aulc_vs_random_p"]))
    assert better["aulc_vs_random_lo"] > 0
    assert better["aulc_vs_random_p_holm"] < 0.05 < same["aulc_vs_random_p"]
    assert (better["starts"], better["n_patients"], better["runs"]) == (3, 2 * PATIENTS, 6)
    at = np.mean([read_parquet(r.folder.curve_file)["auc_macro"][2] for r in runs if r.strategy == "esd"])
    assert better["auc_at_share_100"] == pytest.approx(at)
    shown = budgets_view(by_patients)
    assert shown.rows[0][1].text == "ESD", "the best area first"
    assert "AUC at 10 %" in shown.columns


def test_what_runs_did_not_keep_is_left_out(runs: list[AskedRun], tmp_path: Path) -> None:
    old = run_of(tmp_path, "esd", 0, 9, 0.0)
    old.folder.round_predictions_file.unlink()
    assert not len(budgets_table([*runs, old], STAGING, False, 100)), "a run from before rounds were kept"
    resumed = run_of(tmp_path, "esd", 0, 8, 0.0)
    kept = read_parquet(resumed.folder.round_predictions_file).filter(pl.col("round") > 0)
    write_parquet(resumed.folder.round_predictions_file, kept)
    assert not len(budgets_table([*runs, resumed], STAGING, False, 100)), "its first round was not kept"


def test_a_round_that_was_never_closed_is_made_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    rng = np.random.default_rng(0)
    for round_ in (0, 1, 2, 1):
        keep_round(run, round_rows(said(rng, 0, 0, 0.0), STAGING, "esd", round_))
    assert read_parquet(run.round_predictions_file)["round"].unique(maintain_order=True).to_list() == [0, 1]
    keep_round(run, round_rows(said(rng, 0, 0, 0.0), STAGING, "esd", 0))
    assert read_parquet(run.round_predictions_file)["round"].max() == 0
