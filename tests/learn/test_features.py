"""Features of frozen backbones and their cache."""

import numpy as np

from fibrostage.cohort.store import Cohort
from fibrostage.ground.cache import cache_folder
from fibrostage.learn.features import features_of
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone


def test_features_are_cached_by_what_they_depend_on(cohort: Cohort) -> None:
    spec = BACKBONES["resnet18"]
    first, other = (build_backbone(spec, "random", seed) for seed in (0, 1))
    a = features_of(cohort, "LSTE", spec, first)
    files = sorted((cache_folder() / "features").iterdir())
    assert a.shape == (40, 512)
    np.testing.assert_array_equal(features_of(cohort, "LSTE", spec, first), a)
    assert sorted((cache_folder() / "features").iterdir()) == files
    b = features_of(cohort, "LSTE", spec, other)
    assert not np.allclose(a, b)
    newest = max((cache_folder() / "features").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    newest.write_bytes(b"damaged")
    np.testing.assert_array_equal(features_of(cohort, "LSTE", spec, other), b)
