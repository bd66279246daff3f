"""Why not to trust an answer: each reason where it holds, none where nothing is wrong; out of scope is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.learn.known import KnownPictures
from fibrostage.learn.model import Model, open_model
from fibrostage.learn.predict_cohort import predict_cohort
from fibrostage.learn.reasons import out_of_scope, reasons_of
from fibrostage.learn.train import train
from fibrostage.plan.run_plan import Plan
from fibrostage.results.staged import Staged
from tests.conftest import plan_data


@pytest.fixture(scope="module")
def run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reasons") / "run"
    train(cohort, Plan.parse(plan_data()), folder)
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return open_model(run)


@pytest.fixture
def sound(cohort: Cohort, model: Model) -> Staged:
    """A patient with every modality of whom nothing is wrong."""
    staged = next(one for one in model.stage(cohort) if all(one.pictures.values()) and not sum(one.far.values()))
    return replace(staged, possible=("F0", "F1"), trained_on=False)


def with_images(cohort: Cohort, column: str, values: list[object]) -> Cohort:
    return replace(cohort, images=cohort.images.with_columns(pl.Series(column, values, strict=False)))


def test_a_sound_answer_has_no_reason_against_it(cohort: Cohort, model: Model, sound: Staged) -> None:
    clean = with_images(cohort, "quality", ["good"] * len(cohort.images))
    clean = with_images(clean, "kpa", [None] * len(cohort.images))
    assert reasons_of(model, clean, sound) == ()


def test_what_is_missing_unlike_known_or_untold_is_said(cohort: Cohort, model: Model, sound: Staged) -> None:
    first = model.plan.fused[0]
    lacking = replace(sound, pictures={**sound.pictures, first: 0}, far={first: 0})
    assert f"no {first} picture" in reasons_of(model, cohort, lacking)
    unlike = replace(sound, far={**sound.far, first: 1})
    assert any(
        f"{first} picture" in why and "unlike those of training" in why for why in reasons_of(model, cohort, unlike)
    )
    assert any("knows the stage" in why for why in reasons_of(model, cohort, replace(sound, trained_on=True)))
    assert any("never learned" in why for why in reasons_of(model, cohort, replace(sound, possible=())))


def test_a_device_that_training_did_not_see_is_named(cohort: Cohort, model: Model, sound: Staged) -> None:
    first = model.plan.fused[0]
    trained = replace(model, known=(KnownPictures(devices={first: ("Maker A 1",)}),))
    same = with_images(cohort, "device", ["Maker A 1"] * len(cohort.images))
    assert not any("device" in why for why in reasons_of(trained, same, sound))
    other = with_images(cohort, "device", ["Maker B 2"] * len(cohort.images))
    (why,) = [why for why in reasons_of(trained, other, sound) if "device" in why]
    assert why == f"{sound.pictures[first]} {first} picture{'s' * (sound.pictures[first] > 1)} by Maker B 2, " \
        "a device that training did not see (Maker A 1)"  # fmt: skip
    assert not any("device" in why for why in reasons_of(model, other, sound)), "training did not say"


def test_poor_pictures_and_readings_at_odds_are_said(cohort: Cohort, model: Model, sound: Staged) -> None:
    poor = with_images(cohort, "quality", ["low fill"] * len(cohort.images))
    assert any(why.endswith("poor (low fill)") for why in reasons_of(model, poor, sound))
    rng = np.random.default_rng(0)
    wild = with_images(cohort, "kpa", rng.choice([4.0, 30.0], len(cohort.images)).tolist())
    kept = replace(model, members=tuple((net, with_rule(plan, 2)) for net, plan in model.members))
    found = [reasons_of(kept, wild, replace(one, possible=("F0",))) for one in model.stage(cohort)]
    assert any("readings contradict each other: 4.0–30.0 kPa" in why for own in found for why in own)
    steady = with_images(cohort, "kpa", [5.0] * len(cohort.images))
    assert not any("contradict" in why for why in reasons_of(kept, steady, sound))


def with_rule(plan: Plan, pictures: int) -> Plan:
    return plan.model_copy(update={"reliability": plan.reliability.model_copy(update={"pictures": pictures})})


def test_who_has_no_picture_like_those_of_training_is_refused(
    cohort: Cohort, run: Path, sound: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert out_of_scope(sound) is None
    assert out_of_scope(replace(sound, far=dict(sound.pictures))) is not None
    arrays = {name: np.zeros_like(cohort.pixels(name)) for name in cohort.modality_names}
    monkeypatch.setattr(Cohort, "pixels", lambda _self, name: arrays[name])
    monkeypatch.setattr(Cohort, "pixel_digest", lambda _self, name: f"black {name}")
    found = predict_cohort(run, cohort, keep=False)
    assert not found.staged
    assert all(why.startswith("out of scope: ") for why in found.left_out.values())
