"""The demo: a simulated cohort, a small study on it, and its report; minutes on two cores."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from fibrostage.errors import RunError
from fibrostage.intake.build import Sources, take_in
from fibrostage.phantom.write import Recipe, write_phantom
from fibrostage.plan import Plan
from fibrostage.progress import SILENT, Progress
from fibrostage.report.page import write_report
from fibrostage.study.grid import run_study

STUDY = """\
name = "demo: mono-modal and fused networks, RAND and ESD"
cohort = "cohort"

[grid]
modalities = [["LSTE"], ["LUS"], ["LSTE", "LUS"]]
strategies = ["random", "esd"]
seeds = [0, 1, 2]

[plan.active]
rounds = 6
"""


def run_demo(out: Path, patients: int, seed: int, progress: Progress = SILENT) -> tuple[pl.DataFrame, Path]:
    """Everything under `out`; returns the results table and the report's page."""
    if out.exists() and any(out.iterdir()):
        raise RunError(f"{out} is not empty; choose another --out, or remove it")
    source = out / "source"
    write_phantom(source, Recipe(patients, seed, modalities=("LSTE", "LUS")), progress)
    plan = Plan.load(source / "plan.toml", [])
    kept = tuple(m for m in plan.modality if m.name in ("LSTE", "LUS"))
    take_in(
        Sources(source, source / "patients.csv", source / "images.csv"),
        out / "cohort",
        plan.model_copy(update={"modality": kept}),
        progress=progress,
    )
    file = out / "study.toml"
    file.write_text(STUDY, encoding="utf-8")
    results = run_study(file, out / "study", progress=progress)
    return results, write_report(out / "study", out / "report")
