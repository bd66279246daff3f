"""Features of frozen backbones and their cache."""

from pathlib import Path

import numpy as np
import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.ground.cache import cache_folder
from fibrostage.learn.features import features_of
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone


def test_features_are_cached_by_what_they_depend_on(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIBROSTAGE_CACHE", str(tmp_path))
    spec = BACKBONES["tiny"]
    first, other = (build_backbone(spec, "random", seed) for seed in (0, 1))
    a = features_of(cohort, "LSTE", spec, first)
    files = sorted((cache_folder() / "features").iterdir())
    assert a.shape == (40, 32)
    np.testing.assert_array_equal(features_of(cohort, "LSTE", spec, first), a)
    assert sorted((cache_folder() / "features").iterdir()) == files
    b = features_of(cohort, "LSTE", spec, other)
    assert not np.allclose(a, b)
    newest = max((cache_folder() / "features").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    newest.write_bytes(b"damaged")
    np.testing.assert_array_equal(features_of(cohort, "LSTE", spec, other), b)
