"""A study fuses measurements beside pictures, each run as it would by itself."""

from __future__ import annotations

import csv
from pathlib import Path

from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.plan.run_plan import Plan
from fibrostage.study.run_study import run_study
from tests.conftest import make_source, plan_data

STUDY = """\
name = "with and without"
cohort = "cohort"

[grid]
modalities = [["LSTE"], ["LSTE", "table"]]
strategies = ["random"]
seeds = [0]

[plan.active]
rounds = 2
initial = 0.3
[plan.evaluation]
bootstrap = 100
[plan.training]
epochs = 2
[plan.network]
backbone = "tiny"
weights = "random"
"""


def test_a_study_fuses_what_was_measured(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", 20, ())
    assert source.patients is not None
    rows = list(csv.DictReader(source.patients.open(encoding="utf-8")))
    with (tmp_path / "P.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "swe"])
        writer.writeheader()
        writer.writerows({**row, "swe": f"{4 + k % 5 * 3}"} for k, row in enumerate(rows))
    given = Sources(source.folder, tmp_path / "P.csv", source.images)
    take_in(given, tmp_path / "cohort", Plan.parse(plan_data()))
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    results = run_study(tmp_path / "study.toml", tmp_path / "out")
    assert sorted(set(results["method"])) == ["LSTE", "LSTE+table"]
    assert set(results["n_patients"]) == {4}, "the same patients test both"
