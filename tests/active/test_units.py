"""What can be asked for, what it costs, who answers, and what the answers teach."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.active.query_units import query_unit
from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.campaign.budget import total_cost, within_budget
from fibrostage.campaign.oracles.archive import Archive
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.ledger.events import UNUSABLE
from fibrostage.plan.asking import BudgetPlan, CostPlan, OraclePlan

SPACE = CandidateSpace(("a", "b"), np.array([[2, 3], [1, 0], [0, 0], [2, 2], [3, 1]]))
CANDIDATES, IMAGES, PATIENTS = (query_unit(kind, SPACE) for kind in ("candidate", "image", "patient"))
NOBODY = np.empty(0, dtype=np.int64)


def test_items_are_numbered_by_patient() -> None:
    assert CANDIDATES.offsets.tolist() == SPACE.offsets.tolist()
    assert IMAGES.offsets.tolist() == [0, 5, 6, 6, 10, 14]
    assert PATIENTS.offsets.tolist() == [0, 1, 2, 2, 3, 4]
    assert PATIENTS.patient_of([0, 1, 2, 3]).tolist() == [0, 1, 3, 4]
    for row, items in enumerate((IMAGES.image_items[0], IMAGES.image_items[1])):
        column, image = IMAGES.image_rows(items)
        assert (column == row).all()
        assert image.tolist() == list(range(len(items)))


def test_an_item_stands_for_images() -> None:
    assert CANDIDATES.rows(np.array([0, 6])).tolist() == SPACE.decode([0, 6]).tolist()
    assert IMAGES.rows(np.array([1, 2, 5, 13])).tolist() == [[1, -1], [-1, 0], [2, -1], [-1, 5]]
    assert PATIENTS.rows(np.array([1, 2])).tolist() == [[2, -1], [3, 3]]


def test_costs_in_every_currency() -> None:
    plan = CostPlan(biopsy=10, reading=1, missing_exam=3)
    cost = CANDIDATES.cost(np.array([0, 1, 6, 11]), plan)
    assert (cost.candidates, cost.images, cost.patients) == (4, 1 + 2 + 1 + 1 + 1, 3)
    assert cost.cost == 10 * 3 + 6 + 3  # the second patient has no b
    cost = PATIENTS.cost(np.array([0, 1]), plan)
    assert (cost.candidates, cost.images, cost.patients, cost.cost) == (7, 6, 2, 29)
    cost = IMAGES.cost(np.array([0, 1, 2, 3, 10]), plan)  # two a and two b of the first patient, one a of the last
    assert (cost.candidates, cost.images, cost.patients, cost.cost) == (5, 5, 2, 25)
    assert CANDIDATES.cost(NOBODY, plan).cost == 0


def test_what_is_learnt_from_answers() -> None:
    ids, stages = np.array([6, 0, 3]), np.array([3, 4, 4])
    learnt = CANDIDATES.examples(ids, stages, 0)
    assert learnt.rows.tolist() == SPACE.decode([0, 3, 6]).tolist()
    assert learnt.stages.tolist() == [4, 4, 3]
    learnt = PATIENTS.examples(np.array([3, 0]), np.array([0, 4]), 0)
    assert learnt.rows.tolist() == SPACE.decode([*SPACE.ids_of(0), *SPACE.ids_of(4)]).tolist()
    assert learnt.stages.tolist() == [4] * 6 + [0] * 3
    # of the first patient images a0, a1, b2 are read, of the last b0 alone
    learnt = IMAGES.examples(np.array([13, 4, 0, 1]), np.array([1, 2, 2, 0]), 0)
    assert learnt.rows.tolist() == [[0, 2], [1, 2], [-1, 5]]
    assert learnt.stages.tolist() == [2, 2, 1], "the stage that most of a patient's images were given"


def test_a_query_is_cut_where_the_budget_ends() -> None:
    ids, plan = np.array([0, 1, 6, 7, 8, 11]), CostPlan()
    assert SPACE.patient_of(ids).tolist() == [0, 0, 1, 3, 3, 4]

    def allowed(**budget: int) -> int:
        return len(within_budget(CANDIDATES, NOBODY, ids, BudgetPlan(**budget), plan, NOBODY))

    assert allowed() == 6
    assert allowed(candidates=4) == 4
    assert allowed(patients=2) == 3
    assert allowed(patients=3, candidates=100) == 5
    assert allowed(images=1) == 0
    assert allowed(cost=2) == 3
    # what is kept for validation is paid for too
    aside = np.array([3])
    assert len(within_budget(CANDIDATES, NOBODY, ids, BudgetPlan(patients=2), plan, aside)) == 2
    assert total_cost(CANDIDATES, ids[:2], plan, aside).patients == 2


STAGES = np.array([4, 3, 2, 1, 0])


def test_the_archive_answers_with_the_patients_stage() -> None:
    oracle = Archive(CANDIDATES, STAGES, 5)
    assert oracle.answer(np.array([0, 6, 7, 13])).tolist() == [4, 3, 1, 0]


def wide() -> tuple[QueryUnit, np.ndarray]:
    space = CandidateSpace(("a",), np.full((4000, 1), 2))
    return query_unit("candidate", space), np.arange(4000) % 5


@pytest.mark.parametrize("kind", ["neighbour", "any"])
def test_an_oracle_is_wrong_at_its_rate_and_for_whole_patients(kind: str) -> None:
    units, stages = wide()
    oracle = Archive(units, stages, 5, OraclePlan(error=0.2, error_kind=kind))  # type: ignore[arg-type]
    answers = oracle.answer(np.arange(8000)).reshape(4000, 2)
    assert (answers[:, 0] == answers[:, 1]).all()
    wrong = answers[:, 0] != stages
    assert wrong.mean() == pytest.approx(0.2, abs=0.02)
    assert answers.min() >= 0
    assert answers.max() <= 4
    steps = np.abs(answers[:, 0] - stages)[wrong]
    assert (steps == 1).all() if kind == "neighbour" else (steps > 1).any()
    np.testing.assert_array_equal(oracle.answer(np.array([5, 4000])), answers.ravel()[[5, 4000]])


def test_an_oracle_may_refuse_an_item() -> None:
    units, stages = wide()
    oracle = Archive(units, stages, 5, OraclePlan(unusable=0.3))
    assert (oracle.answer(np.arange(8000)) == UNUSABLE).mean() == pytest.approx(0.3, abs=0.02)
    strict = Archive(units, stages, 5, OraclePlan(rejects_bad=True))
    assert strict.answer(np.array([2, 3]), np.array([True, False])).tolist() == [UNUSABLE, 1]
