"""What is written of runs and studies is read back the same, and what is damaged is said."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from fibrostage.ground.errors import RunError
from fibrostage.results.estimate_columns import Figure, Versus, estimate_in, figure_cells, figure_in, number, with_holm
from fibrostage.results.metrics import Cost, ParticipantFlow, read_metrics, write_metrics
from fibrostage.results.rounds import Round, curve_table
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.study_folder import StudyFolder, StudyRecord
from fibrostage.stats.estimate import Estimate
from tests.results.made import FIGURE, made_metrics

FLOW = ParticipantFlow(enrolled=5, excluded={"x": 1}, studied=4, unlabelled=0, pictures=9, pictures_left_out=1, test=2)
SPENT = Cost(candidates=4, images=3, patients=2, cost=2.0)


@pytest.mark.parametrize(
    "more",
    [
        {"n_training": 12, "flow": FLOW},
        {"strategy": "esd", "strategy_title": "ESD", "unit": "candidate", "fold": "0.0", "labelled": SPENT, "pool": 9,
         "rounds": 2, "stopped": "budget"},
    ],
)  # fmt: skip
def test_metrics_are_read_as_they_were_written(tmp_path: Path, more: dict[str, object]) -> None:
    metrics = made_metrics(**more)
    write_metrics(tmp_path / "metrics.json", metrics)
    assert read_metrics(tmp_path / "metrics.json") == metrics
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["auc_at_cut"]["F4"] == {"value": None, "lo": None, "hi": None, "why": "nobody is positive"}
    assert ("n_training" in content) is ("strategy" not in content)
    if "flow" in more:
        assert content["pictures"] == {}
        assert "training" not in content["flow"]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"cohort": None}, "'cohort'"), ({"accuracy": {"value": 1}}, "'lo'"), ({"n_patients": "many"}, "'n_patients'")],
)
def test_damaged_metrics_name_what_is_wrong(tmp_path: Path, change: dict[str, object], message: str) -> None:
    content = {**made_metrics(n_training=1).as_dict(), **change}
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=f"is damaged: {message} is missing or not what it must be"):
        read_metrics(tmp_path / "metrics.json")


def test_a_round_is_a_row_and_a_row_a_round() -> None:
    made = Round(1, SPENT, 4, 5, 6, 1, 0.25, 0.5, 20, {"accuracy": FIGURE, "auc_at_F2": Estimate(0.5, None, None)},
                 0.7, True, 0.9)  # fmt: skip
    assert Round.of_row(made.as_row()) == made
    table = curve_table([made], "esd", "LSTE", 3, "0.0")
    assert Round.of_row(table.row(0, named=True)) == made
    with pytest.raises(RunError, match="a closed round of the ledger is damaged: 'candidates'"):
        Round.of_row({"round": 1})


def test_figures_are_columns_and_columns_figures() -> None:
    figure = Figure(FIGURE, Versus(Estimate(0.1, 0.0, 0.2), 0.03, 0.06))
    cells = figure_cells("auc", figure, "random")
    assert list(cells) == ["auc", "auc_lo", "auc_hi", "auc_vs_random", "auc_vs_random_lo", "auc_vs_random_hi",
                           "auc_vs_random_p", "auc_vs_random_p_holm"]  # fmt: skip
    assert figure_in(cells, "auc", "random") == figure
    assert figure_in({}, "auc", "random") is None
    assert estimate_in({"auc": None}, "auc", "nobody") == Estimate(None, None, None, "nobody")
    with pytest.raises(ValueError, match="auc = 'x' is no number"):
        number({"auc": "x"}, "auc")


def test_holm_is_over_the_rows_that_were_compared() -> None:
    rows = [{"a": Figure(FIGURE, Versus(FIGURE, p))} for p in (0.01, 0.04)] + [{"a": Figure(FIGURE)}]
    adjusted = [row["a"].versus.p_holm if row["a"].versus else None for row in with_holm(rows)]
    assert adjusted == [pytest.approx(0.02), pytest.approx(0.04), None]


def test_a_study_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    record = StudyRecord(
        name="s", runs=("a",), methods={"a": "LSTE"}, failures={"b": "why"}, supervised=True, flow=FLOW
    )
    folder.write(record)
    assert folder.read() == record
    assert not folder.finished
    folder.write_table("results", pl.DataFrame({"x": [1]}))
    assert folder.finished
    assert (tmp_path / "results.csv").read_text() == "x\n1\n"
    (tmp_path / "study.json").write_text('{"name": "s"}')
    with pytest.raises(RunError, match="'runs' is missing"):
        folder.read()


def test_a_run_knows_its_files(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.make()
    assert (run.begun, run.finished) == (False, False)
    run.make()  # killed before its plan was whole: free again
    run.write_plan({"seed": 0})
    assert run.begun
    with pytest.raises(RunError, match="is not empty; a run is never overwritten"):
        run.make()
    for round_ in range(3):
        run.state_file(round_).touch()
    run.forget_states(but=2)
    assert run.states() == [run.state_file(2)]
    assert run.model_file("0.1").name == "model-0.1.safetensors"
