"""A process that loads everything once and then forks a run for each line it reads, so that a run killed after a moment
was in the middle of its work and not of its imports. `python -m tests.ledger.forking`, from the project's root.

A line is JSON: cohort, plan, out, url. It answers with the child's pid, and when the child has ended its exit code and
its seconds.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import torch

from fibrostage.active.logit_tables import build_tables
from fibrostage.campaign.run import run_active
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.store import open_cohort
from fibrostage.learn.engine import make_engine
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import Head
from fibrostage.networks.weights import build_backbone
from fibrostage.plan.run_plan import Plan


def warm_up() -> None:
    """Loads every library and compiles the kernel of a run; no gradient and no table, whose threads survive no fork."""
    for name in ("torch._dynamo", "sklearn.cluster", "accelerate", "fibrostage.learn.train"):
        importlib.import_module(name)
    torch.set_num_threads(1)
    space = CandidateSpace(("a", "b"), np.full((3, 2), 2))
    head = Head(space.modalities, dict.fromkeys(space.modalities, 4), 5, 4, 2)
    features = {name: torch.ones(6, 4) for name in space.modalities}
    build_backbone(BACKBONES["tiny"], "random", 0)
    make_engine("float32")
    build_tables(head, features, space, 3, np.random.default_rng(0)).probabilities(0, 12)


def run_or_resume(cohort: str, plan: str, out: str, url: str | None) -> None:
    resume = (Path(out) / "plan.json").exists()
    run_active(open_cohort(Path(cohort)), Plan.load(Path(plan)), Path(out), resume=resume, ledger_url=url)


def serve() -> None:
    warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run_or_resume(**json.loads(line))
                code = 0
            except BaseException:
                traceback.print_exc()
            os._exit(code)
        print(child, flush=True)
        begun = time.monotonic()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), time.monotonic() - begun, flush=True)


if __name__ == "__main__":
    serve()
