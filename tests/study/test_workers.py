"""The local engine where it has no worker processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.study import workers
from fibrostage.study.grid_file import Run, cells, load_study
from tests.study.test_study import STUDY


def test_a_fault_that_nobody_foresaw_costs_its_own_run(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(run: Run) -> str | None:
        if run.plan.seed == 0:
            raise ZeroDivisionError("a fault")
        return None

    (tmp_path / "study.toml").write_text(STUDY.format(cohort=cohort.path))
    runs = cells(*load_study(tmp_path / "study.toml"), tmp_path / "out")[:2]
    (tmp_path / "out" / "runs").mkdir(parents=True)
    monkeypatch.setattr(workers, "execute", breaks)
    said: dict[int, str | None] = {}
    workers.run_locally(runs, lambda run, reason: said.update({run.plan.seed: reason}))
    assert said[1] is None
    assert "not foreseen (a fault)" in str(said[0])
