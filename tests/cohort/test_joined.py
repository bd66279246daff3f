"""Cohorts joined: whose pictures are whose, one picture twice, what cannot join."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from fibrostage.cohort.joined import JoinedCohort, join, shared_pictures
from fibrostage.cohort.store import Cohort, hash_pixels
from fibrostage.ground.errors import CohortError
from fibrostage.ground.stage import Staging
from fibrostage.learn.features import features_of
from fibrostage.networks.backbones import BACKBONES
from tests.conftest import Cut

NAMES = ("LSTE", "LUS")


@pytest.fixture
def both(cut: Cut) -> tuple[Cohort, Cohort, JoinedCohort]:
    first, second = cut("first", [4, 2, 7], known=(4,)), cut("second", [9, 2, 3], known=(2, 9))
    joined = join([first, second], NAMES)
    assert isinstance(joined, JoinedCohort)
    return first, second, joined


def test_patients_stand_in_the_order_in_which_they_came(both: tuple[Cohort, Cohort, JoinedCohort]) -> None:
    first, second, joined = both
    assert joined.patient_ids == ["P004", "P002", "P007", "P009", "P003"]
    assert joined.patients["stage"].to_list() == ["F4", None, None, "F4", None], "a stage that comes later is no edit"
    assert joined.staging == first.staging
    assert len(joined.images) == len(first.images) + len(second.images) - 5, "P002 came with the same five pictures"


def test_pixels_are_those_of_the_folders(both: tuple[Cohort, Cohort, JoinedCohort]) -> None:
    *_, joined = both
    for name in NAMES:
        pixels, hashes = joined.pixels(name), joined.picture_hashes(name)
        assert pixels.shape == (len(hashes), 32, 32, 3 if name == "LSTE" else 1)
        assert [hash_pixels(pixels[row]) for row in range(len(pixels))] == hashes
        assert (np.diff(joined.owners(name)) >= 0).all()
        rows = np.array([3, 0, 5])
        assert np.array_equal(pixels[rows], np.stack([pixels[row] for row in rows.tolist()]))
        assert np.array_equal(pixels[2:5], np.stack([pixels[row] for row in (2, 3, 4)]))
    assert joined.images["image_id"].is_unique().all()


def test_features_of_those_who_were_there_are_not_computed_again(
    both: tuple[Cohort, Cohort, JoinedCohort], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, joined = both
    spec, backbone = BACKBONES["tiny"], nn.Conv2d(3, 32, 8, 8)
    torch.manual_seed(0)
    own = features_of(first, "LUS", spec, backbone)
    also = features_of(second, "LUS", spec, backbone)
    monkeypatch.setattr("fibrostage.learn.features.extract", None)
    together = features_of(joined, "LUS", spec, backbone)
    by_hash = dict(zip(first.picture_hashes("LUS") + second.picture_hashes("LUS"), np.vstack([own, also]), strict=True))
    np.testing.assert_array_equal(together, [by_hash[sha] for sha in joined.picture_hashes("LUS")])


def test_one_cohort_is_itself(cut: Cut) -> None:
    alone = cut("alone", [1, 2])
    assert join([alone], NAMES) is alone


def test_the_same_picture_of_two_patients_is_told(cut: Cut) -> None:
    first, second = cut("first", [1]), cut("second", [2])
    assert shared_pictures([first, second]) == {}
    renamed = replace(second, images=first.images.with_columns(patient_id=pl.lit("P002")))
    assert next(iter(shared_pictures([first, renamed]).values())) == ["P001", "P002"]


def test_who_cannot_join_is_told(cut: Cut) -> None:
    first = cut("first", [1, 2])
    with pytest.raises(CohortError, match="it cannot join"):
        join([first, replace(first, staging=Staging("METAVIR", ("F0", "F1"), ("F1",)))], NAMES)
    with pytest.raises(CohortError, match="they never mix"):
        join([first, replace(first, simulated=True)], NAMES)
    with pytest.raises(CohortError, match="no modality 'LUS'"):
        join([first, replace(first, modalities=first.modalities[:1])], NAMES)
    other = tuple(replace(modality, size=64) for modality in first.modalities)
    with pytest.raises(CohortError, match="stores LSTE otherwise"):
        join([first, replace(first, modalities=other)], NAMES)
