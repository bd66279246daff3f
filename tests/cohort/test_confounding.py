import numpy as np
import polars as pl

from fibrostage.cohort.confounding import check_confounding, majority_accuracy
from fibrostage.ground.stage import METAVIR


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
    """Folds dealt by value and stage, the commonest stage of the other folds, and the overall one for a new value."""
    rng = np.random.default_rng(2)
    values, stages = rng.integers(0, 3, 40), rng.integers(0, 4, 40)
    values[0] = 3
    folds = np.empty(40, dtype=int)
    folds[sorted(range(40), key=lambda k: (values[k], stages[k], k))] = np.arange(40) % 5
    right = 0
    for k in range(40):
        others = stages[(folds != folds[k]) & (values == values[k])]
        others = others if len(others) else stages[folds != folds[k]]
        right += np.bincount(others, minlength=4).argmax() == stages[k]
    assert majority_accuracy(values, stages) == right / 40


def test_devices_sites_and_dates_are_asked_too() -> None:
    stages = ["F0"] * 40 + ["F4"] * 40
    patients, images = tables(["PNG"] * 80, stages)
    patients = patients.with_columns(site=pl.Series(["north"] * 38 + ["south"] * 42))
    images = images.with_columns(
        device=pl.Series(["A 1"] * 40 + [None] * 10 + ["B 2"] * 30, dtype=pl.String), day=pl.Series(range(80))
    )
    found = {each.column: each for each in check_confounding(patients, images, METAVIR)}
    assert set(found) == {"device", "site", "date of the exam"}
    assert found["device"].n == 70
    shuffled = images.with_columns(device=pl.Series(["A 1", "B 2"] * 40), day=pl.Series([5, 900] * 40))
    assert check_confounding(patients.drop("site"), shuffled, METAVIR) == []
