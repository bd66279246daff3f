"""Whether answers can be believed, on two tiny cohorts: figures are counted rightly, wider sets hold narrower ones, a
model of few patients excludes nothing, and what is no picture of a liver is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fibrostage.bench.answers import AnswersBench, Simulated, bench_answers, bench_answers_of, some_of
from fibrostage.bench.population import modality_plan, simulated_cohort
from fibrostage.bench.said import (
    SaidOfPatients,
    alarms_table,
    coverage_table,
    few_row,
    joined,
    missed_table,
    part_of,
    rules_table,
    selective_table,
    surest,
)
from fibrostage.bench.strangers import folders, strangers_for
from fibrostage.bench.tables import FigureTable
from fibrostage.cohort.store import verify_pixels
from fibrostage.ground.errors import PlanError
from fibrostage.ground.progress import Silent
from fibrostage.ground.stage import METAVIR
from fibrostage.stats.estimate import Estimate

QUICK = ("training.epochs=2", "training.mirror=false", "calibration.penalties=[0.1]")


class Heard(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> AnswersBench:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIBROSTAGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return bench_answers(Simulated(2, 30, 5, closer=1, pictures=1), QUICK, each=1)


def shares(table: FigureTable) -> list[Estimate]:
    return [cell for row in table.rows for cell in row if isinstance(cell, Estimate) and cell.value is not None]


def test_every_question_is_answered_and_every_share_is_one(bench: AnswersBench) -> None:
    keys = [table.key for table in bench.tables]
    assert keys == [
        "coverage", "rules", "missed", "selective", "few", "alarms", "sites", "at_sites", "strangers", "few_strangers",
    ]  # fmt: skip
    assert len(bench.said) == 10
    for table in bench.tables:
        assert table.rows, table.key
        for found in shares(table):
            if found.lo is not None and found.value <= 1 and found.hi <= 1:  # type: ignore[operator]
                assert 0 <= found.lo <= found.value <= found.hi  # type: ignore[operator]
    assert "SIMULATED" in bench.tables[0].view(bench.simulated).title
    assert set(bench.as_dict()) >= set(keys)


def test_sets_that_hold_more_often_hold_those_that_hold_less(bench: AnswersBench) -> None:
    inside = bench.said.possible
    assert (inside[0.8] <= inside[0.9]).all()
    assert (inside[0.9] <= inside[0.95]).all()
    assert inside[0.8].any(axis=1).all()


def test_a_stage_that_is_possible_is_not_ruled_out(bench: AnswersBench) -> None:
    for ruled in bench.said.ruled.values():
        for k, cut in enumerate(METAVIR.cuts):
            above = bench.said.possible[0.9][:, METAVIR.threshold(cut) :].any(axis=1)
            assert not (above & (ruled[:, k] < 0)).any()


def test_a_model_of_few_patients_excludes_nothing(bench: AnswersBench) -> None:
    (few,) = next(table for table in bench.tables if table.key == "few").rows
    assert few[0] == 8
    assert isinstance(few[2], Estimate)
    assert few[2].value == 0.0


def test_black_is_told_and_a_device_of_another_site_is_named(bench: AnswersBench) -> None:
    told = {row[0]: row[2:] for table in bench.tables if table.key == "strangers" for row in table.rows}
    assert [one.value for one in told["black"] if isinstance(one, Estimate)] == [1.0, 1.0]
    sites = next(table for table in bench.tables if table.key == "sites")
    assert all(isinstance(row[-1], Estimate) and row[-1].value == 1.0 for row in sites.rows)


def test_a_modality_that_is_not_simulated_is_refused() -> None:
    with pytest.raises(PlanError, match="the phantom has LSTE, LUS"):
        bench_answers(Simulated(modalities=("CT",)))


def test_a_cohort_of_the_users_own_is_asked_by_its_folds(tmp_path: Path) -> None:
    cohort = simulated_cohort(tmp_path / "cohort", 5, 12, ("LSTE",), pictures=1)
    verify_pixels(cohort)
    found = bench_answers_of(cohort, ("split.folds=2", *QUICK), each=1)
    assert len(found.said) == 12, "everybody tests once"
    assert len(set(found.said.cluster.tolist())) == 12
    assert [table.key for table in found.tables] == [
        "coverage", "rules", "missed", "selective", "alarms", "strangers",
    ]  # fmt: skip


def made(truth: list[int], sets: list[str], cohort: list[int], sure: list[float]) -> SaidOfPatients:
    """What is said where sets are written as the stages that stay, "234"; the stage called is the first of them."""
    inside = np.array([[str(k) in own for k in range(5)] for own in sets])
    table = np.array(
        [[sure[i] if k == int(own[0]) else (1 - sure[i]) / 4 for k in range(5)] for i, own in enumerate(sets)]
    )
    ruled = np.array(
        [[-1 if max(map(int, own)) < cut else int(min(map(int, own)) >= cut) for cut in (2, 3, 4)] for own in sets]
    )
    one, zero = np.ones(len(truth), dtype=np.int64), np.zeros(len(truth), dtype=np.int64)
    called = np.array([int(own[0]) for own in sets])
    far, whose = {0.01: zero, 0.05: one}, np.array(cohort)
    return SaidOfPatients(np.array(truth), called, table, {0.9: inside}, {0.9: ruled}, far, one, whose, whose)


SAID = made(
    [0, 0, 2, 4, 4, 1], ["01", "1", "234", "4", "012", "01234"], [0, 0, 0, 1, 1, 1], [0.9, 0.6, 0.5, 0.95, 0.4, 0.3]
)


def value(cell: object) -> float | None:
    assert isinstance(cell, Estimate)
    return cell.value


def test_coverage_is_counted_by_stage() -> None:
    ((asked, everybody, models, *stages, size, answered),) = coverage_table(SAID, METAVIR).rows
    assert (asked, models) == ("90%", "0.667 to 0.667")
    assert value(everybody) == pytest.approx(4 / 6)
    assert [value(one) for one in stages] == [0.5, 1.0, 1.0, None, 0.5]
    assert value(size) == pytest.approx(15 / 6)
    assert value(answered) == pytest.approx(5 / 6)


def test_predictive_values_are_of_those_who_are_ruled() -> None:
    first, *_ = rules_table(SAID, METAVIR).rows
    _, cut, ill, out, npv, n_out, within, ppv, n_in = first
    assert (cut, ill, n_out, n_in) == ("≥F2", 3, 2, 2)
    assert [value(one) for one in (out, npv, within, ppv)] == pytest.approx([2 / 6, 1.0, 2 / 6, 1.0])
    last = missed_table(SAID, METAVIR).rows[-1]
    assert value(last[-1]) == 0.5, "one of two F4 has a set without it"


def test_the_surest_are_chosen_within_a_cohort_and_ties_share() -> None:
    weights = surest(np.array([3.0, 1, 1, 1, 9, 8, 7, 6]), 0.5, np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    np.testing.assert_allclose(weights, [1, 1 / 3, 1 / 3, 1 / 3, 1, 1, 0, 0])
    by_size, by_probability = selective_table(SAID).rows
    assert value(by_size[1]) == value(by_probability[1]) == pytest.approx(3 / 6)
    assert value(by_probability[3]) == pytest.approx(2 / 3), "half of three: the surest and half of the next"


def test_alarms_count_pictures_and_refuse_who_has_no_other() -> None:
    usual, more = alarms_table(SAID).rows
    assert [value(usual[2]), value(more[2]), value(more[5])] == [0.0, 1.0, 1.0]


def test_who_is_sure_and_wrong_is_counted() -> None:
    row = few_row(8, SAID)
    assert row[:2] == (8, 6)
    assert value(row[2]) == pytest.approx(5 / 6)
    assert [value(row[7]), value(row[8])] == pytest.approx([2 / 6, 0.0])


def test_joined_patients_keep_their_model_or_stand_alone() -> None:
    both = joined([part_of(SAID, np.arange(3)), part_of(SAID, np.arange(3, 6))], clustered=True)
    np.testing.assert_array_equal(both.cluster, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(both.possible[0.9], SAID.possible[0.9])
    alone = joined([SAID, SAID], clustered=False)
    assert len(set(alone.cluster.tolist())) == 12


def test_few_are_drawn_in_the_proportions_of_all() -> None:
    stages = np.repeat(np.arange(5), [41, 51, 31, 27, 18])
    rows = some_of(stages, 30, 3)
    assert len(set(rows.tolist())) == 30
    assert np.bincount(stages[rows]).tolist() == [7, 9, 6, 5, 3]


def test_folders_of_pictures_are_kinds_and_those_without_are_named(tmp_path: Path) -> None:
    (tmp_path / "lesions" / "deep").mkdir(parents=True)
    (tmp_path / "tables").mkdir()
    grey = np.random.default_rng(0).integers(0, 255, (40, 60), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "lesions" / "deep" / "one.png")
    (tmp_path / "lesions" / "broken.png").write_text("no picture", encoding="utf-8")
    heard, plan = Heard(), modality_plan("LSTE")
    (found,) = folders(plan, tmp_path, 0, heard, 10)
    assert (found.kind, found.pixels.shape) == ("lesions", (1, 224, 224, 3))
    assert heard.lines == ["tables: no pictures in it"]
    assert folders(plan, None, 0, heard, 10) == []
    assert "give --data" in heard.lines[-1]


def test_kinds_are_those_that_the_model_does_not_see() -> None:
    kinds = [one.kind for one in strangers_for(modality_plan("LUS"), ("LUS", "LSTE"), None, 0, each=2)]
    assert kinds[:2] == ["simulated LSTQ", "simulated SSTE"]
    assert not any("scanner" in kind for kind in kinds), "boxes of scanners are no B-mode"
    assert {"noise", "black", "pydicom's CT_small.dcm", "pydicom's MR_small.dcm"} <= set(kinds)
