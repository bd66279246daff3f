"""The load on a service is what it says it is; how fast it is answered is nobody's test."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")

from fibrostage.bench import serve
from fibrostage.bench.serve import Load, bench_serve, body_of, exams_in
from fibrostage.bench.tables import serve_view
from fibrostage.ground.errors import RunError
from tests.trained import TrainedHospital


def test_a_service_beside_a_loop(hospital: TrainedHospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "in_own_process", lambda work, *arguments: work(*arguments))
    exams = tuple(hospital.source / number for number in "12")
    content = bench_serve(Load(hospital.run, exams, asked=3, clients=2, options=("--readers", "1")))
    assert [row["way"] for row in content["rows"]] == ["loop", "service, 1 client", "service, 2 clients"]
    for row in content["rows"]:
        assert row["exams"] == 3
        assert 0 < row["p50_s"] <= row["p95_s"]
        assert row["cpu_s_per_exam"] > 0
    assert (content["exams"], content["files"]) == (2, 4)
    assert len(serve_view(content).rows) == 3


def test_a_service_that_does_not_begin_says_why(hospital: TrainedHospital, tmp_path: Path) -> None:
    load = Load(tmp_path, (hospital.source / "1",), asked=2, clients=1)
    with pytest.raises(RunError, match="holds no model of a finished run"), serve.service(load):
        pass


def test_exams_are_folders_or_files(hospital: TrainedHospital, tmp_path: Path) -> None:
    assert len(exams_in(hospital.source)) == 10
    assert [path.name for path in exams_in(hospital.source / "1")] == ["grey.dcm", "map.dcm"]
    content, kind = body_of(hospital.source / "1")
    assert content.count(kind.partition("boundary=")[2].encode()) == 3
    with pytest.raises(RunError, match="no exam"):
        exams_in(tmp_path)
