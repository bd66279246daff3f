"""The demo: a simulated cohort, a small study on it, and its report; minutes on two cores."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from fibrostage.cohort.store import is_cohort
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import PARTIAL, write_text
from fibrostage.ground.lists import first_of
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.take_in import Sources, take_in
from fibrostage.phantom.recipe import RECIPE, Recipe
from fibrostage.phantom.write import is_of, write_phantom
from fibrostage.plan.run_plan import Plan
from fibrostage.report.forms import write_report
from fibrostage.study.run_study import run_study

MODALITIES = ("LSTE", "LUS")

STUDY = """\
name = "demo: mono-modal and fused networks, with and without measurements, RAND and ESD"
cohort = "cohort"

[grid]
modalities = [["LSTE"], ["LUS"], ["LSTE", "LUS"], ["LSTE", "LUS", "table"]]
strategies = ["random", "esd"]
seeds = [0, 1, 2, 3, 4]

[plan.active]
start = "stratified"
rounds = 6
"""


def run_demo(out: Path, patients: int, seed: int, progress: Progress = SILENT) -> tuple[pl.DataFrame, Path]:
    """Makes the demo under `out`, going on where an earlier try stopped; returns the results table and the page.

    Raises `RunError` where `out` holds a simulated cohort of another recipe, such as another seed, or anything that no
    demo made.
    """
    source, recipe = out / "source", Recipe(patients, seed, modalities=MODALITIES)
    if not (source / RECIPE).is_file():
        refuse_foreign(out)
        write_phantom(source, recipe, progress)
    elif not is_of(source, recipe):
        raise RunError(f"{out} holds another simulated cohort; choose another --out, or remove it")
    if not is_cohort(out / "cohort"):
        plan = Plan.load(source / "plan.toml")
        kept = tuple(m for m in plan.modality if m.name in MODALITIES)
        csvs = Sources(source, source / "patients.csv", source / "images.csv")
        take_in(csvs, out / "cohort", plan.model_copy(update={"modality": kept}), progress=progress)
    file = out / "study.toml"
    write_text(file, STUDY)
    results = run_study(file, out / "study", progress=progress)
    return results, write_report(out / "study", out / "report")


def refuse_foreign(out: Path) -> None:
    """Raises `RunError` where a place for a new demo is a file, or holds more than what a stopped demo leaves."""
    if not out.exists():
        return
    if not out.is_dir():
        raise RunError(f"{out} is a file; --out is a folder for everything that the demo makes")
    held = sorted(found.name for found in out.iterdir() if PARTIAL not in found.name)
    if held:
        raise RunError(f"{out} holds {first_of(held, 3)}, made by no demo; choose a new folder with --out")
