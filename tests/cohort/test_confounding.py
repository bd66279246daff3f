import numpy as np
import polars as pl

from fibrostage.cohort.confounding import check_confounding, majority_accuracy
from fibrostage.stage import METAVIR


def tables(formats: list[str], stages: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    ids = [f"P{k}" for k in range(len(stages))]
    patients = pl.DataFrame({"patient_id": ids, "stage": stages})
    images = pl.DataFrame({"patient_id": ids, "source_format": formats, "source_width": 640, "source_height": 480})
    return patients, images


def test_a_format_that_gives_the_stage_away_is_reported() -> None:
    stages = ["F0"] * 30 + ["F3"] * 30
    formats = ["JPEG"] * 28 + ["PNG"] * 32
    (found,) = check_confounding(*tables(formats, stages), METAVIR)
    assert found.column == "file format"
    assert found.n == 60
    assert found.accuracy > 0.9 > found.chance
    assert "accuracy 0.97 (n = 60 patients" in found.warning()


def test_a_format_that_says_nothing_is_silent() -> None:
    rng = np.random.default_rng(1)
    stages = rng.choice(["F0", "F1", "F2"], 90).tolist()
    formats = rng.choice(["JPEG", "PNG"], 90).tolist()
    assert check_confounding(*tables(formats, stages), METAVIR) == []


def test_a_tie_between_stages_hides_nothing() -> None:
    """Two stages that tie within a format defeat a leave-one-out majority; this check must still fire."""
    stages = ["F0"] * 40 + ["F4"] * 40 + ["F2"] * 40 + ["F3"] * 40
    formats = ["JPEG"] * 80 + ["PNG"] * 80
    (found,) = check_confounding(*tables(formats, stages), METAVIR)
    assert found.accuracy == 0.5
    assert found.p == 0.001


def test_the_accuracy_is_the_literal_one() -> None:
    rng = np.random.default_rng(2)
    values, stages = rng.integers(0, 3, 40), rng.integers(0, 4, 40)
    calls = [np.bincount(stages[values == v]).argmax() for v in values]
    assert majority_accuracy(values, stages) == np.mean(np.array(calls) == stages)
