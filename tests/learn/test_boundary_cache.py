"""Cached maps at the boundary between frozen and trained layers."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT
from fibrostage.learn import boundary_cache as boundary
from fibrostage.learn.boundary_cache import BoundarySource, maps_of
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.learn.learner import make_learner
from fibrostage.learn.task import examples_of, make_task
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone
from fibrostage.plan.run_plan import Plan

Build = Callable[..., Plan]


def test_last_trains_from_cached_maps_as_it_would_from_pixels(cohort: Cohort, tiny_plan: Build) -> None:
    """Without random changes the two are one computation, to the half precision that the maps are kept in."""
    settings = ("training.finetune=last", "training.epochs=2", "training.augment=false", "training.average=0")
    fitted = []
    for cached in ("true", "false"):
        plan = tiny_plan(*settings, f"training.boundary={cached}")
        task = make_task(cohort, plan)
        learner = make_learner(cohort, plan, task.space, task.folds[0].train, 0)
        learner.fit(examples_of(task, task.folds[0].train, 0), 0)
        fitted.append(learner)
    assert isinstance(fitted[0].source, BoundarySource)  # type: ignore[attr-defined]
    for name in ("LSTE", "LUS"):
        of_maps, direct = (learner.features[name] for learner in fitted)
        torch.testing.assert_close(of_maps, direct, rtol=0.02, atol=0.02)


def test_maps_are_cached_by_what_they_depend_on(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = BACKBONES["tiny"]
    backbone = build_backbone(spec, "random", 0).eval()
    first = maps_of(cohort, "LUS", spec, backbone, "float32", SILENT)
    pixels = cohort.pixels("LUS")
    images = normalise(as_tensor(pixels[:3], spec), spec)
    with torch.inference_mode():
        for view, seen in enumerate((images, images.flip(3))):
            kept = torch.from_numpy(first[:3, view].copy()).float()
            torch.testing.assert_close(kept, backbone.front(seen), rtol=2e-3, atol=2e-3)
    calls = []
    monkeypatch.setattr(boundary, "compute", lambda *a: calls.append(a))
    with torch.no_grad():
        next(p for n, p in backbone.named_parameters() if n.startswith("layer4")).add_(1)
    again = maps_of(cohort, "LUS", spec, backbone, "float32", SILENT)
    np.testing.assert_array_equal(first, again)
    assert not calls, "what lies behind the boundary does not matter"
    with torch.no_grad():
        backbone.conv1.weight.add_(1)
    with pytest.raises(FileNotFoundError):
        maps_of(cohort, "LUS", spec, backbone, "float32", SILENT)
    assert len(calls) == 1


def test_a_disk_too_small_for_the_maps_is_said(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = BACKBONES["tiny"]
    monkeypatch.setattr(boundary.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(RunError, match=r"need 0\.\d GiB .* training.boundary = false"):
        maps_of(cohort, "LUS", spec, build_backbone(spec, "random", 9), "float32", SILENT)


def test_two_processes_fill_one_cache(cohort: Cohort, tmp_path: Path) -> None:
    """Features and maps asked for by two processes at once: both get them whole, and one file of each is left."""
    script = """
import hashlib, sys
from pathlib import Path
import numpy as np
from fibrostage.cohort.store import open_cohort
from fibrostage.learn.boundary_cache import maps_of
from fibrostage.learn.features import features_of
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone
from fibrostage.ground.progress import SILENT
cohort, spec = open_cohort(Path(sys.argv[1])), BACKBONES["tiny"]
backbone = build_backbone(spec, "random", 5)
z = features_of(cohort, "LUS", spec, backbone, "float32")
maps = maps_of(cohort, "LSTE", spec, backbone, "float32", SILENT)
print(hashlib.sha256(z.tobytes() + np.ascontiguousarray(maps).tobytes()).hexdigest())
"""
    environment = {**os.environ, "FIBROSTAGE_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, str(cohort.path)]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1]
    assert len(answers[0].strip()) == 64
    assert sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file()) == [".npy", ".npy"]
