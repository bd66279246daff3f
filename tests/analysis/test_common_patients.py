"""Methods on the patients that all of them tested."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.analysis.common_patients import AskedRun, common_table
from fibrostage.ground.stage import Staging
from fibrostage.results.predictions import predictions_table
from fibrostage.results.run_folder import RunFolder, write_parquet
from fibrostage.stats.macro import macro_auc

STAGING = Staging("two", ("A", "B"), ("B",))
STAGES = {"p1": "A", "p2": "B", "p3": "B", "p4": "A"}


def run_of(folder: Path, method: str, seed: int, said: dict[str, float]) -> AskedRun:
    folder.mkdir(parents=True)
    names = list(said)
    table = np.array([[1 - said[name], said[name]] for name in names], dtype=np.float32)
    predictions = predictions_table(
        names, np.arange(len(names)), [STAGES[name] for name in names], [None] * len(names), table,
        split="test", fold="0.0", seed=seed, method=method, pooling="pair_mean",
    )  # fmt: skip
    write_parquet(RunFolder(folder).predictions_file, predictions)
    return AskedRun(method, "esd", (seed, 0), RunFolder(folder))


def test_only_patients_of_every_method_count(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path / "a0", "one", 0, {"p1": 0.2, "p2": 0.9, "p3": 0.4, "p4": 0.9}),
        run_of(tmp_path / "b0", "two", 0, {"p1": 0.1, "p2": 0.8, "p3": 0.7}),
        run_of(tmp_path / "a1", "one", 1, {"p1": 0.6, "p2": 0.9, "p3": 0.4}),
        run_of(tmp_path / "b1", "two", 1, {"p1": 0.5, "p2": 0.8, "p3": 0.7, "p4": 0.9}),
        run_of(tmp_path / "a2", "one", 2, {"p1": 0.6, "p2": 0.9}),
    ]
    table = common_table(runs, STAGING, {"one": 0.25, "two": 0.25}, True)
    one, two = table.rows(named=True)
    assert (one["runs"], one["n_common"], one["n_own"], two["n_own"]) == (2, 3, 4, 4), "seed 2 has one method alone"
    assert one["accuracy"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert two["accuracy"] == pytest.approx(1.0)
    first = macro_auc([0, 1, 1], [[0.8, 0.2], [0.1, 0.9], [0.6, 0.4]])
    second = macro_auc([0, 1, 1], [[0.4, 0.6], [0.1, 0.9], [0.6, 0.4]])
    assert one["auc_macro"] == pytest.approx((first + second) / 2)
    assert two["auc_macro_vs_first"] == pytest.approx(1 - (first + second) / 2)
    assert one["auc_macro_vs_first"] is None
    assert table["simulated"].all()


def test_a_method_alone_has_nothing_beside_it(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / "a", "one", 0, {"p1": 0.2, "p2": 0.9})]
    assert common_table(runs, STAGING, {"one": 0.25}, False).height == 0
    assert isinstance(common_table(runs, STAGING, {"one": 0.25}, False), pl.DataFrame)
