"""Late fusion: the mean of what mono-modal networks say of each patient, as a method that no network is fitted for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from fibrostage.active.strategy_expression import ALL
from fibrostage.analysis.common_patients import said_of
from fibrostage.ground.errors import RunError
from fibrostage.results.estimate_columns import estimate_cells
from fibrostage.results.rounds import AT_CUT
from fibrostage.results.run_folder import RunFolder, read_parquet
from fibrostage.stats.evaluate import evaluate
from fibrostage.study.grid_file import Run
from fibrostage.study.study_plan import LateFusion, StudyPlan


def late_name(asked: LateFusion) -> str:
    """What a late fusion is called in tables."""
    return " ".join(part for part in ("mean of", asked.network, "+".join(asked.modalities)) if part)


def late_curves(study: StudyPlan, finished: Sequence[Run]) -> list[pl.DataFrame]:
    """A curve of one round, with all labels, of each late fusion and division whose mono-modal runs are finished."""
    curves = []
    for asked in study.late_fusion:
        runs = {
            (run.plan.seed, run.plan.active.fold, run.plan.fused[0]): run
            for run in finished
            if run.network == asked.network and run.plan.active.strategy == ALL and len(run.plan.fused) == 1
        }
        divisions = sorted({(seed, fold) for seed, fold, _ in runs})
        for seed, fold in divisions:
            own = [runs.get((seed, fold, name)) for name in asked.modalities]
            if all(run is not None for run in own):
                curves.append(fused_curve(late_name(asked), [run for run in own if run is not None]))
    return curves


def fused_curve(method: str, runs: Sequence[Run]) -> pl.DataFrame:
    """The last round of mono-modal runs of one division as a round of their mean; a patient who lacks a modality counts
    by the others.

    Raises `RunError` where the runs did not test on the same patients' stages.
    """
    plan = runs[0].plan
    staging = plan.staging.resolve()
    known = [said_of(RunFolder(run.folder), staging) for run in runs]
    everybody = sorted(set().union(*known))
    stages, means = [], []
    for patient in everybody:
        said = [one[patient] for one in known if patient in one]
        if len({stage for stage, _ in said}) > 1:
            raise RunError(f"{method}: runs disagree about a patient's stage")
        stages.append(said[0][0])
        means.append(np.mean([probabilities for _, probabilities in said], axis=0))
    settings = plan.evaluation
    found = evaluate(np.array(stages), np.array(means), staging, settings.bootstrap, plan.seed, settings.confidence)
    figures = {"accuracy": found.accuracy, "auc_macro": found.auc_macro}
    figures |= {AT_CUT + cut: figure for cut, figure in found.auc_at_cut.items()}
    cells = {key: value for name, figure in figures.items() for key, value in estimate_cells(name, figure).items()}
    last = read_parquet(RunFolder(runs[0].folder).curve_file).sort("round").tail(1)
    return last.select("round", "share", "strategy", "seed", "fold").with_columns(
        pl.lit(method).alias("method"),
        pl.lit(len(everybody)).cast(pl.Int64).alias("n_patients"),
        *(pl.lit(value, pl.Float64).alias(name) for name, value in cells.items()),
    )
