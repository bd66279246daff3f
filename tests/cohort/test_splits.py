from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fibrostage.cohort.flow import flow_of
from fibrostage.cohort.splits import Fold, apportion, draw_stratified, kfolds, make_folds, natural_order, seen_of
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import CohortError, PlanError
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.task import make_task
from fibrostage.plan.run_plan import Plan
from fibrostage.plan.split import SplitPlan
from tests.conftest import plan_data

EVERYONE = np.ones(20, dtype=bool)


def test_a_fifth_of_the_papers_patients_is_34() -> None:
    assert apportion(np.array([41, 51, 31, 27, 18]), 0.2).tolist() == [8, 10, 6, 6, 4]


def test_the_dlre_papers_200_and_97() -> None:
    assert apportion(np.array([74, 89, 56, 47, 31]), 0.3266).sum() == 97


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.floats(0.05, 0.6), st.integers(0, 9))
def test_a_draw_is_stratified_and_leaves_someone(sizes: list[int], share: float, seed: int) -> None:
    stages = np.repeat(np.arange(len(sizes)), sizes)
    drawn = draw_stratified(np.arange(len(stages)), stages, share, np.random.default_rng(seed))
    counts = np.bincount(stages[drawn], minlength=len(sizes))
    assert (counts < np.array(sizes)).all()
    assert (np.abs(counts - np.array(sizes) * share) <= 1).all() or (np.array(sizes) <= 2).any()


@given(st.integers(2, 6), st.integers(1, 3), st.integers(0, 9))
def test_folds_partition_the_patients(folds: int, repeats: int, seed: int) -> None:
    stages = np.repeat(np.arange(4), [9, 7, 11, 6])
    made = kfolds(np.arange(33), stages, folds, repeats, seed)
    for repeat in range(repeats):
        own = [fold for fold in made if fold.repeat == repeat]
        assert np.sort(np.concatenate([fold.test for fold in own])).tolist() == list(range(33))
        for fold in own:
            assert not set(fold.train) & set(fold.test)
            assert abs(len(fold.test) - 33 / folds) < 1
            share = np.bincount(stages[fold.test], minlength=4) - np.array([9, 7, 11, 6]) / folds
            assert (np.abs(share) < 2).all()


def test_holdout_column_and_seeds(cohort: Cohort) -> None:
    (one,) = make_folds(cohort, SplitPlan(), 0, EVERYONE)
    (again,) = make_folds(cohort, SplitPlan(), 0, EVERYONE)
    (other,) = make_folds(cohort, SplitPlan(), 1, EVERYONE)
    assert one.test.tolist() == again.test.tolist() != other.test.tolist()
    assert sorted(cohort.stages[one.test]) == [0, 1, 2, 3]  # four patients a stage: round(20 · 0.2) of 20
    by_column = make_folds(cohort, SplitPlan(scheme="column", column="fold"), 0, EVERYONE)
    assert [len(fold.test) for fold in by_column] == [5, 5, 5, 5]


def test_what_cannot_be_split(cohort: Cohort) -> None:
    with pytest.raises(PlanError, match=r"'folds' is not a column.*did you mean 'fold'"):
        make_folds(cohort, SplitPlan(scheme="column", column="folds"), 0, EVERYONE)
    with pytest.raises(CohortError, match=r"has 1 labelled patients with images, of stages \['F0'\]"):
        make_folds(cohort, SplitPlan(), 0, np.arange(20) < 1)
    with pytest.raises(PlanError, match="split.folds = 30, but only 20"):
        make_folds(cohort, SplitPlan(scheme="kfold", folds=30), 0, EVERYONE)


def test_folds_are_named_in_natural_order() -> None:
    assert natural_order(["10", "2", "1", "b", "a"]) == ["1", "2", "10", "a", "b"]


@pytest.mark.parametrize("scheme", ["holdout", "kfold"])
def test_a_task_tests_on_the_patients_that_the_stages_test_on(scheme: str, cohort: Cohort) -> None:
    plan = SplitPlan(scheme=scheme, folds=3)  # type: ignore[arg-type]
    whole, task = make_folds(cohort, plan, 4, EVERYONE), make_folds(cohort.at("F3"), plan, 4, EVERYONE)
    assert [fold.test.tolist() for fold in whole] == [fold.test.tolist() for fold in task]


def test_a_task_merges_the_stages_and_nothing_else(cohort: Cohort) -> None:
    task = cohort.at("F3")
    assert task.staging.classes == ("<F3", "≥F3")
    assert task.stages.tolist() == (cohort.stages >= 3).astype(int).tolist()
    assert task.strata.tolist() == cohort.stages.tolist()
    assert task.fingerprint == cohort.fingerprint
    unlabelled = cohort.patients.with_columns(stage=pl.when(pl.int_range(pl.len()) > 0).then("stage"))
    assert replace(cohort, patients=unlabelled).at("F3").stages[0] == -1


def test_a_share_of_the_training_patients_leaves_the_test_patients(cohort: Cohort) -> None:
    whole, half = (make_folds(cohort, SplitPlan(use=use), 2, EVERYONE)[0] for use in (1.0, 0.5))
    assert half.test.tolist() == whole.test.tolist()
    assert set(half.train) < set(whole.train)
    counts = np.bincount(cohort.stages[half.train], minlength=5)
    assert counts.sum() == 8
    assert set(counts) == {1, 2}


def test_folds_whose_training_patients_are_all_alike_are_refused(cohort: Cohort) -> None:
    with pytest.raises(PlanError, match=r"the 0 training patients of fold 0.0 are all no stage: .* raise split.use"):
        make_folds(cohort, SplitPlan(use=0.01), 2, EVERYONE)
    site = pl.Series("site", ["a" if stage == 4 else "b" for stage in cohort.stages])
    by_site = replace(cohort, patients=cohort.patients.with_columns(site)).at("F4")
    with pytest.raises(PlanError, match=r"the 16 training patients of fold 0.0 are all <F4: there is nothing to learn"):
        make_folds(by_site, SplitPlan(scheme="column", column="site"), 0, EVERYONE)


def test_methods_that_see_other_modalities_test_on_the_same_patients(cohort: Cohort) -> None:
    """Whoever tests what is seen by one modality never trains the network that fuses it with another."""
    for seed in range(3):
        alone, fused = (
            make_task(cohort, Plan.parse(plan_data(), [f"network.modalities={names}", f"seed={seed}"])).folds[0]
            for names in ('["LUS"]', '["LSTE", "LUS"]')
        )
        lacks_lus = {cohort.patient_ids.index("P003")}
        assert set(alone.test) == set(fused.test) - lacks_lus
        assert set(alone.train) == set(fused.train) - lacks_lus


def test_a_fold_whose_test_patients_a_method_cannot_see(cohort: Cohort) -> None:
    fold = Fold(0, 0, np.arange(1, 20), np.array([0]))
    usable = np.arange(20) > 0
    with pytest.raises(PlanError, match="none of the test patients of fold 0.0 has pictures of the network's"):
        seen_of(cohort, [fold], usable)
    (kept,) = seen_of(cohort, [Fold(0, 0, np.arange(2, 20), np.array([0, 1]))], usable)
    assert kept.test.tolist() == [1]


def test_complete_cases_are_the_same_for_every_method_and_counted(cohort: Cohort) -> None:
    require = 'split.require=["LSTE", "LUS"]'
    folds = [
        make_task(cohort, Plan.parse(plan_data(), [f"network.modalities={names}", require])).folds[0]
        for names in ('["LSTE"]', '["LUS"]', '["LSTE", "LUS"]')
    ]
    lacks_lus = cohort.patient_ids.index("P003")
    for fold in folds:
        assert fold.test.tolist() == folds[0].test.tolist()
        assert fold.train.tolist() == folds[0].train.tolist()
        assert lacks_lus not in {*fold.test.tolist(), *fold.train.tolist()}
        assert len(fold.test) + len(fold.train) == 19
    flow = flow_of(cohort, ("LSTE", "LUS"))
    assert (flow.enrolled, flow.studied, flow.excluded) == (20, 19, {"no LUS picture": 1})
    assert flow_of(cohort).studied == 20
    with pytest.raises(PlanError, match="split.require names 'LUSS', did you mean 'LUS'"):
        plan_for(cohort, plan_data(), ['split.require=["LUSS"]'])
