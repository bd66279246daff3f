"""What an answer takes is measured on the command itself; how much it is, is nobody's test."""

from __future__ import annotations

from pathlib import Path

import pytest

from fibrostage.bench import predict
from fibrostage.bench.predict import bench_predict
from fibrostage.bench.tables import predict_view
from fibrostage.ground.errors import RunError
from tests.trained import TrainedHospital


def test_a_row_for_each_folder(hospital: TrainedHospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "in_own_process", lambda work, *arguments: work(*arguments))
    content = bench_predict(hospital.run, [hospital.source / "1"])
    (row,) = content["rows"]
    assert (row["patients"], row["pictures"]) == (1, 2)
    assert row["reading_share"] + row["network_share"] == pytest.approx(1)
    assert 0 < row["warm_s"] < row["cold_s"], "a cold answer imports and opens the model too"
    assert row["peak_mb"] > 100, "PyTorch alone takes more"
    assert len(predict_view(content).rows) == 1


def test_a_command_that_fails_says_what_it_said(hospital: TrainedHospital, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no"):
        bench_predict(hospital.run, [tmp_path / "none"])
