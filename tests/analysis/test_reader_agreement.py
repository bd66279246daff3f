"""A table of readings: who agrees with whom, and whether a model differs from readers as a whole."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fibrostage.analysis.reader_agreement import against_model, agreement, read_readings, read_scores, read_truth
from fibrostage.cli.app import app
from fibrostage.ground.errors import FibrostageError, StatisticsError
from fibrostage.stats.agreement import confusion, kappa
from fibrostage.stats.reader_study import model_against_readers

CLASSES = ("F0", "F1", "F2", "F3", "F4")


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path, Path, np.ndarray, np.ndarray, np.ndarray]:
    """60 patients read by three readers, A twice on ten of them; their stages; a model's chance of F3 or above."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 60)
    said = np.clip(truth[:, None] + rng.integers(-1, 2, (60, 3)), 0, 4)
    score = np.clip(truth / 4 + rng.normal(0, 0.2, 60), 0, 1)
    rows = [("patient_id", "reader", "stage")]
    rows += [(f"P{row}", "ABC"[reader], CLASSES[said[row, reader]]) for row in range(60) for reader in range(3)]
    rows += [(f"P{row}", "A", CLASSES[said[row, 1]]) for row in range(10)]
    rows += [("P60", "A", "F1"), ("P61", "B", "unsure")]
    for name, content in (
        ("r.csv", rows),
        ("t.csv", [("patient_id", "stage"), *((f"P{row}", CLASSES[truth[row]]) for row in range(60)), ("P60", "")]),
        ("p.csv", [("patient_id", "p_ge_F3"), *((f"P{row}", score[row]) for row in range(60))]),
    ):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows(content)
    return tmp_path / "r.csv", tmp_path / "t.csv", tmp_path / "p.csv", truth, said, score


def test_pairs_all_and_oneself(tables: tuple[Path, Path, Path, np.ndarray, np.ndarray, np.ndarray]) -> None:
    readings, _, _, _, said, _ = tables
    found = {one.name: one for one in agreement(read_readings(readings, CLASSES), 5)}
    pair = found["weighted kappa: A and B"]
    assert (pair.n, pair.estimate.value) == (60, kappa(confusion(said[:, 0], said[:, 1], 5)).value)
    own = found["weighted kappa: A, twice"]
    assert (own.n, own.estimate.value) == (10, kappa(confusion(said[:10, 0], said[:10, 1], 5)).value)
    everybody = found["Krippendorff's alpha: all readers"]
    assert everybody.n == 60
    assert everybody.estimate.lo is not None
    assert len(found) == 6


def test_the_model_against_the_readers(tables: tuple[Path, Path, Path, np.ndarray, np.ndarray, np.ndarray]) -> None:
    readings, truth_file, model, truth, said, score = tables
    (one,) = against_model(
        read_readings(readings, CLASSES), read_truth(truth_file, CLASSES), read_scores(model), CLASSES
    )
    assert one.study is not None
    assert one.study.difference.value == model_against_readers(truth >= 3, score, said).difference.value
    assert (one.study.readers, one.study.n) == (3, 60)
    result = CliRunner().invoke(
        app, ["readers", str(readings), "--truth", str(truth_file), "--model", str(model), "--json"]
    )
    told = json.loads(result.stdout)
    assert told["model"][0]["difference"]["value"] == one.study.difference.value
    assert told["items"] == 62
    shown = CliRunner().invoke(app, ["readers", str(readings), "--truth", str(truth_file), "--model", str(model)])
    assert "the model against the readers" in shown.stdout


def test_what_cannot_be_used_is_named(tables: tuple[Path, Path, Path, np.ndarray, np.ndarray, np.ndarray]) -> None:
    readings, truth_file, model, *_ = tables
    bad = readings.parent / "bad.csv"
    bad.write_text("patient_id,reader,stage\nP1,A,F9\nP2,,F1\n")
    with pytest.raises(StatisticsError, match="(?s)row 2.*'F9'.*row 3.*names no reader"):
        read_readings(bad, CLASSES)
    with pytest.raises(StatisticsError, match="no column p_ge_"):
        read_scores(truth_file)
    with pytest.raises(StatisticsError, match="stages F4; allowed"):
        read_truth(truth_file, CLASSES[:4])
    bad.write_text("patient_id,p_ge_F3\nP1,much\n")
    with pytest.raises(StatisticsError, match="could not convert"):
        read_scores(bad)
    alone = CliRunner().invoke(app, ["readers", str(readings), "--truth", str(truth_file)])
    assert isinstance(alone.exception, FibrostageError)
    assert "go together" in str(alone.exception)
    few = against_model(read_readings(readings, CLASSES), {"P0": 4}, read_scores(model), CLASSES)
    assert few[0].study is None
    assert "1 items" in few[0].why
