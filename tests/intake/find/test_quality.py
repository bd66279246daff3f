"""Quality by three plain measures, on the simulation's bad pictures and at the edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.find.quality import measure
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.intake import QualityPlan
from fibrostage.plan.run_plan import Plan


def test_bad_simulated_pictures_are_found(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_phantom(source, Recipe(8, seed=3, bad=0.5, missing=0))
    plan = Plan.load(source / "plan.toml")
    cohort = take_in(Sources(source, source / "patients.csv", source / "images.csv"), tmp_path / "c", plan)
    truth = pl.read_csv(source / "truth_images.csv").select(source="file", bad=pl.col("bad").fill_null(""))
    images = cohort.images.join(truth, on="source").with_columns(found=pl.col("quality") != "good")
    assert images["quality"].null_count() == 0
    share = dict(images.group_by("bad").agg(pl.col("found").mean()).iter_rows())
    assert share[""] <= 0.08
    assert share["motion"] >= 0.95
    assert share["unfilled"] >= 0.95
    assert share["shadow"] >= 0.75
    assert share["wrong_organ"] <= 0.2, "nothing here can see that it is another organ"
    flags = cohort.bad_images(cohort.modality_names)
    assert sum(int(own.sum()) for own in flags) == int(images["found"].sum())


def test_measures() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(20, 255, (64, 64, 3), dtype=np.uint8)
    grey = np.repeat(noise[:, :, :1], 3, axis=2)
    flat = np.full((64, 64, 3), 120, dtype=np.uint8)
    flat[:, 32:] = 130
    assert measure(grey).sharpness > 10 * measure(flat).sharpness
    assert measure(grey).fill is None
    assert measure(grey, (8, 8, 16, 16)).fill == 0
    assert measure(noise, (8, 8, 16, 16)).fill == pytest.approx(0.94, abs=0.05)
    dark = grey.copy()
    dark[48:] = 0
    dark[63, 0] = 200
    assert measure(dark).lit == pytest.approx(0.5, abs=0.01)
    assert measure(dark, picture=(0, 0, 64, 48)).lit == 1
    dark[32:] = 0
    assert measure(dark).lit == 0, "a total shadow is the worst, not the best"
    assert measure(np.zeros((8, 8, 1), dtype=np.uint8)).lit == 0


def test_a_verdict_names_the_first_measure_below_its_floor() -> None:
    rng = np.random.default_rng(0)
    quality = measure(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8), (0, 0, 4, 4))
    assert quality.verdict(QualityPlan()) is None, "no floor, no judgement"
    assert quality.verdict(QualityPlan(sharpness=0.01)) == "good"
    assert quality.verdict(QualityPlan(sharpness=1e6, fill=0.1)) == "low sharpness"
    assert measure(np.full((8, 8, 1), 9, dtype=np.uint8)).verdict(QualityPlan(fill=0.5)) is None
