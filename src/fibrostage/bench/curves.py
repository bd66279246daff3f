"""Learning curves of ways to learn or to ask, beside each other: the same folds and starts, round by round.

A way is plan values laid over those that all share, and perhaps a chooser of its own that no plan can name. Its rounds
are those of a real campaign whose oracle is the archive, timed; what they say of test patients is compared with the
first way's by the bootstrap over patients and starts (`stats.curve_difference`).
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from fibrostage.active.strategies.spec import BatchStrategy
from fibrostage.active.strategy_expression import ChosenStrategy
from fibrostage.analysis.budgets import AT_SHARE, BUDGETS, budgets_table
from fibrostage.analysis.common_patients import AskedRun
from fibrostage.analysis.label_efficiency import RANDOM
from fibrostage.bench.tables import Cells, FigureTable
from fibrostage.bench.timing import machine
from fibrostage.campaign.campaign import Campaign
from fibrostage.campaign.oracles.archive import Archive
from fibrostage.campaign.run import play_round
from fibrostage.campaign.setting import CampaignSetting, retrospective
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.patient_predictions import method_name
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.plan.commands import ACTIVE
from fibrostage.plan.old_formats import says_the_same
from fibrostage.plan.run_plan import Plan
from fibrostage.results.estimate_columns import figure_in
from fibrostage.results.rounds import curve_table
from fibrostage.results.run_folder import RunFolder, write_parquet
from fibrostage.stats.estimate import Estimate

Chooser = Callable[[CampaignSetting], BatchStrategy]
SECONDS = "seconds.json"


@dataclass(frozen=True)
class Way:
    """One way to play the rounds: its name in tables, plan values laid over the shared ones, and, where what is asked
    for is no strategy of a plan, what chooses instead."""

    name: str
    overrides: tuple[str, ...] = ()
    chooser: Chooser | None = None


@dataclass(frozen=True)
class PlayedRun:
    """A run's folder, and the seconds of CPU and by the wall that each of its rounds took."""

    way: str
    fold: int
    seed: int
    folder: RunFolder
    cpu: tuple[float, ...]
    wall: tuple[float, ...]


@dataclass(frozen=True)
class CurvesFound:
    """What a benchmark of learning curves found."""

    title: str
    simulated: bool
    caveats: tuple[str, ...]
    tables: tuple[FigureTable, ...]

    def as_dict(self) -> dict[str, Any]:
        """What JSON holds."""
        tables = {one.key: one.as_dict() for one in self.tables}
        return {"title": self.title, "simulated": self.simulated, "machine": machine(), **tables}


def plan_of_way(cohort: Cohort, data: Mapping[str, object], way: Way, seed: int, fold: int) -> Plan:
    """The plan of one run; raises `PlanError` for what cannot be followed on the cohort."""
    return plan_for(cohort, data, [*way.overrides, f"seed={seed}", f"active.fold={fold}"], "bench", ACTIVE)


def check_starts(plan: Plan, starts: int) -> None:
    """Raises `PlanError` where other starts would divide the patients otherwise, so that they cannot be compared."""
    if starts > 1 and plan.split.scheme != "column":
        raise PlanError(
            f'--starts {starts}: with split.scheme = "{plan.split.scheme}" every start divides the patients otherwise, '
            'and curves cannot be paired; give split.scheme = "column" with split.column, or --starts 1'
        )


def play_ways(
    cohort: Cohort,
    data: Mapping[str, object],
    ways: Sequence[Way],
    seeds: Sequence[int],
    folds: Sequence[int],
    out: Path,
    progress: Progress = SILENT,
) -> list[PlayedRun]:
    """Every way from every start on every fold, way after way within a start; what lies finished in `out` is not played
    again."""
    played = []
    with progress.task("runs", len(seeds) * len(folds) * len(ways)) as advance:
        for seed in seeds:
            for fold in folds:
                for way in ways:
                    folder = out / f"{way.name.replace(' ', '-')}-f{fold}-s{seed}"
                    plan = plan_of_way(cohort, data, way, seed, fold)
                    played.append(play(cohort, plan, way, folder))
                    advance(1)
    return played


def play(cohort: Cohort, plan: Plan, way: Way, folder: Path) -> PlayedRun:
    """Plays all rounds of one run, or reads what they took where it was played before. Raises `RunError` where that
    was by another plan."""
    times = folder / SECONDS
    run = RunFolder(folder)
    if times.is_file():
        if not says_the_same(run.read_plan(), plan, ACTIVE):
            raise RunError(f"{folder} was played by another plan; choose another --out, or remove it")
    else:
        shutil.rmtree(folder, ignore_errors=True)
        setting = retrospective(cohort, plan, run)
        if way.chooser is not None:
            setting = replace(setting, chosen=ChosenStrategy(way.name, way.chooser(setting)))
        seconds = rounds_of(setting)
        times.write_text(json.dumps(seconds), encoding="utf-8")
    seconds = json.loads(times.read_text(encoding="utf-8"))
    return PlayedRun(way.name, plan.active.fold, plan.seed, run, tuple(seconds["cpu"]), tuple(seconds["wall"]))


def rounds_of(setting: CampaignSetting) -> dict[str, list[float]]:
    """Plays a campaign to its end, keeps its curve, and returns the seconds that each round took."""
    plan = setting.plan
    seconds: dict[str, list[float]] = {"cpu": [], "wall": []}
    with Campaign.open(setting) as campaign:
        archive = Archive(
            setting.units, setting.cohort.stages, len(setting.cohort.staging.classes), plan.oracle, plan.seed
        )
        while not campaign.over:
            began, began_cpu = time.perf_counter(), time.process_time()
            play_round(campaign, archive, None)
            seconds["wall"].append(time.perf_counter() - began)
            seconds["cpu"].append(time.process_time() - began_cpu)
        closed = campaign.state.closed
        curve = curve_table(closed, plan.active.strategy, method_name(plan), plan.seed, setting.fold.label)
        write_parquet(setting.run.curve_file, curve)
    return seconds


def compared(cohort: Cohort, played: Sequence[PlayedRun], resamples: int) -> pl.DataFrame:
    """The table of budgets: a row a way, each beside the first."""
    first = played[0].way
    runs = [
        AskedRun("all", RANDOM if one.way == first else one.way, (one.seed, one.fold), one.folder) for one in played
    ]
    return budgets_table(runs, cohort.staging, cohort.simulated, resamples)


def curves_tables(budgets: pl.DataFrame, first: str) -> tuple[FigureTable, FigureTable]:
    """What every way reached, and its difference to the first with p; n is test patients, runs are folds by starts."""
    shares = [share for share in BUDGETS if f"{AT_SHARE}{share}" in budgets.columns]
    names = [*(f"{AT_SHARE}{share}" for share in shares), "aulc"]
    heads = (*(f"{share} %" for share in shares), "area")
    reached: list[Cells] = []
    apart: list[Cells] = []
    for row in budgets.iter_rows(named=True):
        name = first if row["strategy"] == RANDOM else row["strategy"]
        figures = [figure_in(row, one, RANDOM) for one in names]
        reached.append(
            (name, row["n_patients"], row["runs"], *(estimate_of(one.estimate if one else None) for one in figures))
        )
        if name != first:
            versus = [one.versus if one else None for one in figures]
            p = [one.p if one else None for one in versus]
            cells = (estimate_of(one.difference if one else None) for one in versus)
            apart.append((name, row["n_patients"], row["starts"], *cells, "–" if p[-1] is None else f"{p[-1]:.3f}"))
    title = "Average AUC at shares of the pool, and along the curve; intervals over test patients and starts"
    return (
        FigureTable("curves", title, ("way", "n", "runs", *heads), tuple(reached)),
        FigureTable(
            "differences",
            f"The same minus that of {first}, from the same starts on the same patients; p is of the area",
            ("way", "n", "starts", *heads, "p"),
            tuple(apart),
        ),
    )


def estimate_of(found: Estimate | None) -> Estimate:
    """An estimate, or one that says that it is not defined."""
    return found if found is not None else Estimate(None, None, None, "not defined")


def seconds_table(played: Sequence[PlayedRun]) -> FigureTable:
    """Seconds a round of every way, and how many rounds an hour they are beside those of the first."""
    ways = list(dict.fromkeys(one.way for one in played))
    cpu = {way: [second for one in played if one.way == way for second in one.cpu] for way in ways}
    wall = {way: [second for one in played if one.way == way for second in one.wall] for way in ways}
    base = statistics.mean(cpu[ways[0]])
    rows: list[Cells] = []
    for way in ways:
        mean = statistics.mean(cpu[way])
        most = max(cpu[way])
        rows.append(
            (
                way,
                len(cpu[way]),
                f"{mean:.1f}",
                f"{most:.1f}",
                f"{statistics.mean(wall[way]):.1f}",
                f"{base / mean:.2f}×",
            )
        )
    return FigureTable(
        "seconds",
        "Seconds a round: asking, fitting and testing, on this machine",
        ("way", "rounds", "CPU, mean", "CPU, longest", "wall, mean", "rounds an hour"),
        tuple(rows),
    )
