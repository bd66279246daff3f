"""Features of frozen backbones and their cache."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fibrostage.cohort.store import Cohort
from fibrostage.ground.cache import cache_folder
from fibrostage.ground.errors import PlanError
from fibrostage.ground.shards import RayShards
from fibrostage.learn import features
from fibrostage.learn.features import features_of
from fibrostage.learn.learner import compute_ahead
from fibrostage.learn.model import open_model
from fibrostage.learn.predict_cohort import stage_cohort
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone
from fibrostage.plan.run_plan import Plan


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


def test_two_nodes_compute_the_same_in_several_files(
    cohort: Cohort, pictures_run: Path, two_nodes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "SHARD", 16)
    monkeypatch.setattr(features, "PART", 32)
    spec, backbone = BACKBONES["resnet18"], build_backbone(BACKBONES["resnet18"], "random", 0)
    answers = []
    for name, engine in (("here", None), ("there", RayShards(two_nodes))):
        monkeypatch.setenv("FIBROSTAGE_CACHE", str(tmp_path / name))
        features_of(cohort, "LUS", spec, backbone, engine=engine)
        answers.append(stage_cohort(open_model(pictures_run), cohort, engine=engine).table())
    files = {name: sorted((tmp_path / name / "features").iterdir()) for name in ("here", "there")}
    assert {file.name: file.read_bytes() for file in files["here"]} == {
        file.name: file.read_bytes() for file in files["there"]
    }
    lengths = [len(np.load(file)) for file in files["here"]]
    assert max(lengths) == 32
    assert sum(lengths) == 57 + 40 + 57  # the part files of one backbone, and of the run's two modalities
    assert answers[0].equals(answers[1])
    monkeypatch.setattr(features, "PART", 1024)
    monkeypatch.setenv("FIBROSTAGE_CACHE", str(tmp_path / "one file"))
    assert stage_cohort(open_model(pictures_run), cohort).table().equals(answers[0])


def test_features_of_a_gpu_are_not_mixed_with_others(cohort: Cohort, tiny_plan: Callable[..., Plan]) -> None:
    with pytest.raises(PlanError, match=r"trains it, on this machine"):
        compute_ahead(cohort, tiny_plan("training.finetune=all"), RayShards())
    other = 0.0 if torch.cuda.is_available() else 1.0
    with pytest.raises(PlanError, match="give this command on a machine like the nodes"):
        compute_ahead(cohort, tiny_plan(), RayShards(gpus=other))
