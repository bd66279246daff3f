"""What each command reads of a plan, and what names a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.ledger.events import Event
from fibrostage.ledger.ledger import Ledger
from fibrostage.plan.commands import ACTIVE, INTAKE, READERS, TRAIN, digest, idle_keys, refuse_unread, unread_sections
from fibrostage.plan.old_formats import says_the_same, whole_digest
from fibrostage.plan.run_plan import Plan
from fibrostage.study.grid_file import run_folder
from tests.conftest import plan_data

QUICK = ("active.rounds=1", "training.epochs=1", "active.strategy=random")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("active.strategy=nonsense", r"active.strategy: train does not read \[active\] of a plan, active and loop do"),
        ("quality.sharpness=0.9", r"train does not read \[quality\] of a plan, intake does"),
        ("oracle.error=0.3", r"\[oracle\]"),
        ("cine.frames=3", r"\[cine\]"),
        ("privacy.keep=['x']", r"\[privacy\]"),
        ("cohort.name=zzz", r"\[cohort\]"),
        ("stopping.stable=2", r"\[stopping\]"),
    ],
)
def test_what_training_does_not_read_is_refused_by_name(cohort: Cohort, override: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for(cohort, plan_data(), [override])


def test_what_another_key_leaves_unread_is_refused_too() -> None:
    plan = Plan.parse(plan_data())
    with pytest.raises(PlanError, match='training.backbone_lr is not read with training.finetune = "head"'):
        refuse_unread(["training.backbone_lr=0.1"], TRAIN, plan)
    with pytest.raises(PlanError, match='split.folds is not read with split.scheme = "holdout"'):
        refuse_unread(["split.folds=3"], TRAIN, plan)
    refuse_unread(["training.frozen_lr=0.1", "split.test=0.3", "seed=1"], TRAIN, plan)


def test_every_section_has_a_reader() -> None:
    assert {name for reads in READERS for name in (*reads.sections, *reads.kept)} == set(Plan.model_fields)


def test_sections_of_a_file_for_others_are_told() -> None:
    data = {**plan_data(), "quality": {"sharpness": 0.1}, "active": {}}
    assert unread_sections(data, TRAIN) == ("quality", "active")
    assert unread_sections(data, INTAKE) == ("network", "training", "evaluation", "active")


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("quality.sharpness=0.9", True),
        ("active.strategy=margin", True),
        ("training.backbone_lr=0.5", True),
        ("split.folds=7", True),
        ("training.epochs=7", False),
        ("seed=3", False),
        ("evaluation.bootstrap=200", False),
    ],
)
def test_a_run_is_named_by_what_it_reads(override: str, same: bool) -> None:
    plan, other = Plan.parse(plan_data()), Plan.parse(plan_data(), [override])
    assert (digest(plan, TRAIN) == digest(other, TRAIN)) is same
    assert says_the_same(plan.model_dump(mode="json"), other, TRAIN) is same


def test_a_plan_that_asks_for_nothing_new_is_named_as_it_was() -> None:
    """Studies and runs of earlier versions go on: a key that came later does not count where it says what was always
    done (ADDED_LATER). The names are those of the version before `network.pooling`."""
    modality = {"modality": [{"name": "LSTE", "kind": "elastogram", "size": 224}]}
    frozen, trained = Plan.parse(modality), Plan.parse({**modality, "training": {"finetune": "last"}})
    assert digest(frozen, TRAIN) == "a1ba35268205370de751cd77b435d8874ccee118a65b2d453e9f3e2c8cc37978"
    assert digest(frozen, ACTIVE) == "f5da8bf6a6abe12a6267b8255af85cffed698eadffec0b8655215da96e0672ce"
    assert digest(trained, TRAIN) == "a85d6466563c536c788302cc30b78b11dc4c99300e892b70c6f2831714fefa85"
    assert digest(trained, ACTIVE) == "6e781f410e72be80fab79acc4492eb623ba1fb56d035a52648f5461d7a1f9157"


def test_idle_keys_are_keys() -> None:
    for finetune in ("head", "last", "all"):
        plan = Plan.parse(plan_data(), [f"training.finetune={finetune}"])
        data = plan.model_dump()
        assert all(name in data[section] for section, name in (key.split(".") for key in idle_keys(plan)))


def test_a_run_begun_before_goes_on(cohort: Cohort, tmp_path: Path) -> None:
    """Earlier versions put a hash of every key into the ledger; the saved plan says which run it is."""
    plan = plan_for(cohort, plan_data(), QUICK, "plan", ACTIVE)
    saved = plan.model_dump(mode="json")
    run_active(cohort, plan, tmp_path / "new")
    for name, named, goes_on in (("old", whole_digest(saved), True), ("other", "f" * 64, False)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "plan.json").write_text(json.dumps(saved))
        ledger = Ledger(folder)
        opened = Ledger(tmp_path / "new")
        payload = {**(opened.state().opened or {}), "plan": named}
        opened.close()
        ledger.append(Event("opened", -1, payload=payload))
        ledger.close()
        if goes_on:
            assert len(run_active(cohort, plan, folder, resume=True)) == 2
        else:
            with pytest.raises(RunError, match="was run with another plan"):
                run_active(cohort, plan, folder, resume=True)


def test_a_study_knows_the_runs_that_an_earlier_version_named(cohort: Cohort, tmp_path: Path) -> None:
    plan = plan_for(cohort, plan_data(), ["training.epochs=2"])
    before = tmp_path / "LSTE-s0-01234567abcdefgh"
    before.mkdir()
    (before / "plan.json").write_text(json.dumps(plan.model_dump(mode="json")))
    assert run_folder(tmp_path, "LSTE-s0", plan, "abcdefgh", TRAIN) == before
    other = plan_for(cohort, plan_data(), ["training.epochs=3"])
    assert run_folder(tmp_path, "LSTE-s0", other, "abcdefgh", TRAIN) == tmp_path / (
        f"LSTE-s0-{digest(other, TRAIN)[:8]}abcdefgh"
    )


def test_a_modality_that_nobody_has_is_left_out_unless_it_is_asked_for(cohort: Cohort) -> None:
    without = replace(cohort, images=cohort.images.filter(pl.col("modality") != "LUS"))
    assert plan_for(without, plan_data()).fused == ("LSTE",)
    with pytest.raises(PlanError, match="no patient of cohort .* has a LUS image"):
        plan_for(without, plan_data(), ['network.modalities=["LSTE", "LUS"]'])
