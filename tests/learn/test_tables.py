"""A table of measurements beside pictures: fitted, saved, fused, missing and explained by the same algebra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import CohortError, PlanError
from fibrostage.learn.explain import explain_run
from fibrostage.learn.model import open_model
from fibrostage.learn.plan_for_cohort import plan_for, with_measured
from fibrostage.learn.predict_cohort import stage_cohort
from fibrostage.learn.task import make_task
from fibrostage.learn.train import train
from fibrostage.loop.opened import refuse_tables
from fibrostage.plan.commands import ACTIVE, TRAIN, digest
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder
from tests.loop import SMALL

SETS = [one for one in SMALL if not one.startswith("active")]
FUSED = 'network.modalities=["LSTE","table"]'
ALONE = 'network.modalities=["table"]'


@pytest.fixture(scope="module")
def labs(cohort: Cohort) -> Cohort:
    """The tiny cohort, whose stiffness in the patients table follows the stage; one patient has none."""
    rng = np.random.default_rng(0)
    swe = [None if k == 3 else float(np.exp(1.5 + 0.3 * max(s, 0) + 0.05 * rng.normal()))
           for k, s in enumerate(cohort.stages)]  # fmt: skip
    patients = cohort.patients.with_columns(pl.Series("swe", swe), pl.Series("platelets", [200.0] * len(swe)))
    return replace(cohort, patients=patients)


@pytest.fixture(scope="module")
def run(labs: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables") / "run"
    train(labs, plan_for(labs, {}, [*SETS, FUSED]), folder)
    return folder


def test_a_model_with_a_table_stages_as_it_did_when_it_was_fitted(labs: Cohort, run: Path) -> None:
    told = RunFolder(run).read_predictions().filter(pl.col("split") == "test")
    mean = told.group_by("patient_id").agg(pl.col("p_4").mean()).sort("patient_id")
    model = open_model(run)
    found = {one.patient_id: one for one in stage_cohort(model, labs).staged}
    for patient, p in mean.iter_rows():
        assert found[patient].probabilities["F4"] == pytest.approx(p, abs=1e-4)
    assert model.plan.pictured == ("LSTE",)
    assert model.plan.modality[-1].columns[:2] == ("age", "platelets") or "swe" in model.plan.modality[-1].columns


def test_shares_of_a_table_are_exact_and_a_missing_row_is_said(labs: Cohort, run: Path) -> None:
    model = open_model(run)
    staged = {one.patient_id: one for one in model.stage(stage_ready(labs, model.plan))}
    trained = [one for one in staged.values() if one.trained_on]
    assert np.mean([one.shares["table"] for one in trained]) == pytest.approx(0, abs=1e-4)
    blank = labs.patients.with_columns(pl.lit(None, dtype=kind).alias(name)
                                       for name, kind in labs.patients.schema.items()
                                       if name in model.plan.tables[0].columns)  # fmt: skip
    found = stage_cohort(model, replace(labs, patients=blank))
    assert all("no measurement (table)" in one.reasons for one in found.staged)


def stage_ready(cohort: Cohort, plan: Plan) -> Cohort:
    from fibrostage.cohort.measurements import seen_by

    return seen_by(cohort, plan)


def test_a_table_alone_needs_no_picture(labs: Cohort, tmp_path: Path) -> None:
    metrics = train(labs, plan_for(labs, {}, [*SETS, ALONE]), tmp_path / "run")
    assert metrics.method == "table"
    found = stage_cohort(open_model(tmp_path / "run"), labs)
    assert {one.patient_id for one in found.staged} == set(labs.patient_ids)


def test_whom_to_biopsy_is_asked_from_measurements_alone(labs: Cohort, tmp_path: Path) -> None:
    plan = plan_for(labs, {}, [*SMALL, ALONE], reads=ACTIVE)
    curve = run_active(labs, plan, tmp_path / "run")
    assert set(curve["method"]) == {"table"}
    assert len(curve) > 2


def test_divisions_and_plans_of_pictures_stay_what_they_were(labs: Cohort) -> None:
    alone, fused = (plan_for(labs, {}, [*SETS, sets]) for sets in ('network.modalities=["LSTE"]', FUSED))
    tests = [[labs.patient_ids[row] for row in make_task(labs, plan).folds[0].test] for plan in (alone, fused)]
    assert tests[0] == tests[1]
    assert digest(alone, TRAIN) == digest(plan_for(labs, {}, [*SETS, 'network.modalities=["LSTE"]']), TRAIN)
    assert digest(alone, TRAIN) != digest(fused, TRAIN)


def test_a_plan_names_its_own_table(labs: Cohort) -> None:
    named = {"modality": [{"name": "labs", "kind": "table", "columns": ["swe"], "log": ["swe"]}]}
    plan = plan_for(labs, named, [*SETS, 'network.modalities=["labs"]'])
    assert [one.name for one in plan.modality] == ["LSTE", "LUS", "labs"]
    with pytest.raises(CohortError, match="no column 'sew'"):
        plan_for(labs, {"modality": [{"name": "labs", "kind": "table", "columns": ["sew"]}]}, SETS)


def test_a_table_is_named_in_a_plan_as_on_the_command_line(labs: Cohort) -> None:
    """And a plan's modalities that are none are refused, as they were, and not replaced by the cohort's."""
    said = plan_for(labs, {"network": {"modalities": ["LSTE", "table"]}}, SETS)
    assert said.modality == plan_for(labs, {}, [*SETS, FUSED]).modality
    for nothing in ([], "LSTE"):
        with pytest.raises(PlanError, match="modality"):
            plan_for(labs, {"modality": nothing}, SETS)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"columns": []}, "columns go with kind"),
        ({"columns": ["swe", "swe"]}, "columns repeat"),
        ({"columns": ["swe"], "log": ["ast"]}, "log names 'ast'"),
        ({"kind": "bmode", "columns": ["swe"]}, "columns go with kind"),
    ],
)
def test_a_table_that_is_none_is_refused(labs: Cohort, table: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for(labs, {"modality": [{"name": "labs", "kind": "table", **table}]}, SETS)


def test_what_a_table_is_not_for_is_said(labs: Cohort, run: Path) -> None:
    with pytest.raises(PlanError, match="a table is fused with frozen backbones alone"):
        plan_for(labs, {}, [*SETS, FUSED, "training.finetune=last"])
    with pytest.raises(PlanError, match="is a table: what it adds is exact"):
        explain_run(run, labs, 1, modality="table")
    with pytest.raises(PlanError, match="a loop shows pictures"):
        refuse_tables(plan_for(labs, {}, [*SETS, FUSED]))


def test_without_a_plan_what_was_measured_is_fused(labs: Cohort, cohort: Cohort) -> None:
    assert with_measured(labs, SETS) == ['network.modalities=["LSTE", "LUS", "table"]', *SETS]
    plan = plan_for(labs, {}, with_measured(labs, SETS))
    assert plan.fused == ("LSTE", "LUS", "table")
    for asked in ('network.modalities=["LUS"]', "training.finetune=all", "network.name=basic_cnn"):
        assert with_measured(labs, [asked]) == [asked], "what is asked for goes before"
    assert with_measured(cohort, []) == [], "who a patient is alone is nothing measured"


def test_a_measurement_of_nothing_has_no_logarithm_and_stands_as_it_is(labs: Cohort) -> None:
    with_zero = replace(
        labs, patients=labs.patients.with_columns(ggt=pl.Series([0.0, *[30.0] * (len(labs.stages) - 1)]))
    )
    plan = plan_for(with_zero, {}, [*SETS, FUSED])
    (table,) = plan.tables
    assert "ggt" in table.columns
    assert "ggt" not in table.log
    assert "swe" in table.log


def test_a_new_patient_may_lack_a_column_or_all_of_them(labs: Cohort, cohort: Cohort, run: Path) -> None:
    model = open_model(run)
    without = replace(labs, patients=labs.patients.drop("platelets"))
    first = next(one for one in stage_cohort(model, without).staged if one.pictures["table"])
    assert "no value of platelets (table)" in first.reasons
    bare = stage_cohort(model, replace(cohort, patients=cohort.patients.drop("age")))
    assert all("no measurement (table)" in one.reasons for one in bare.staged)
    assert len(bare.staged) == len(labs.patients)
