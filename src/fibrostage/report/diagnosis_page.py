"""What the page of a supervised study shows: its tables as rows of text, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fibrostage.analysis.networks_and_markers import COHORTS
from fibrostage.ground.stage import Staging
from fibrostage.report.diagnosis_figures import roc_figures
from fibrostage.results.run_folder import read_parquet
from fibrostage.stats.estimate import Estimate


@dataclass(frozen=True)
class Diagnosis:
    """The tables of a supervised study; `seed` is the one whose curves and comparisons are shown."""

    reference: str
    confidence: float
    results: pl.DataFrame
    scores: pl.DataFrame
    comparison: pl.DataFrame
    pictures: pl.DataFrame
    cutoffs: pl.DataFrame

    @property
    def seed(self) -> int:
        return int(self.scores["seed"][0])

    def of_seed(self, table: pl.DataFrame) -> pl.DataFrame:
        return table.filter(pl.col("seed") == self.seed) if len(table) else table


def read_diagnosis(folder: Path, study: Mapping[str, Any], confidence: float) -> Diagnosis:
    names = ("results", "scores", "comparison", "pictures", "cutoffs")
    tables = {name: read_parquet(folder / f"{name}.parquet") for name in names}
    reference = study["compare"]["reference"] or tables["results"]["method"][0]
    return Diagnosis(reference, confidence, **tables)


def diagnosis_context(found: Diagnosis, staging: Staging, simulated: bool) -> dict[str, Any]:
    """What the template asks for."""
    scores = found.of_seed(found.scores)
    return {
        "reference": found.reference,
        "seed": found.seed,
        "rows": [result_row(row, staging) for row in found.results.iter_rows(named=True)],
        "rocs": roc_figures(scores, staging, found.reference, found.confidence, simulated),
        "panels": comparison_panels(found, staging),
        "pictures": [picture_row(row, staging) for row in found.of_seed(found.pictures).iter_rows(named=True)],
        "cutoffs": [cutoff_row(row, staging) for row in found.of_seed(found.cutoffs).iter_rows(named=True)],
    }


def result_row(row: Mapping[str, Any], staging: Staging) -> dict[str, Any]:
    """A method and task over seeds: test and training AUC at each cut it speaks to, and against the reference."""
    cells = []
    for cut in staging.cuts:
        name = f"auc_at_{cut}"
        if row.get(name) is None:
            continue
        difference, p = row.get(f"{name}_vs_reference"), row.get(f"{name}_vs_reference_p_holm")
        training = row.get(f"training_{name}")
        cells.append(
            {
                "cut": staging.cut_name(cut),
                "test": str(Estimate(row[name], row[f"{name}_lo"], row[f"{name}_hi"])),
                "training": "–" if training is None else f"{training:.3f}",
                "difference": signed(
                    difference, row.get(f"{name}_vs_reference_lo"), row.get(f"{name}_vs_reference_hi")
                ),
                "p": "" if p is None else p_text(p),
            }
        )
    macro = row.get("auc_macro")
    return {
        **{key: row[key] for key in ("method", "runs", "n_training", "n_patients")},
        "macro": "" if macro is None else str(Estimate(macro, row["auc_macro_lo"], row["auc_macro_hi"])),
        "accuracy": str(Estimate(row["accuracy"], row["accuracy_lo"], row["accuracy_hi"])),
        "cells": cells,
    }


def comparison_panels(found: Diagnosis, staging: Staging) -> list[dict[str, Any]]:
    """One seed's AUCs, a table a cohort and cut, the reference first."""
    table = found.of_seed(found.comparison)
    panels = []
    for split, title in COHORTS.items():
        for cut in staging.cuts:
            own = table.filter((pl.col("split") == split) & (pl.col("cut") == cut))
            if len(own):
                rows = sorted(own.iter_rows(named=True), key=lambda row: row["method"] != found.reference)
                name = f"{staging.cut_name(cut)}, {title}"
                panels.append({"title": name, "rows": [comparison_row(row) for row in rows]})
    return panels


def comparison_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "method": row["method"],
        "n": f"{row['n']} ({row['positives']})",
        "auc": str(Estimate(row["auc"], row["auc_lo"], row["auc_hi"], "not defined" if row["auc"] is None else "")),
        "difference": signed(row.get("difference"), row.get("difference_lo"), row.get("difference_hi")),
        "p": "" if row.get("p_holm") is None else p_text(row["p_holm"]),
        "both": "" if row.get("n_both") is None else row["n_both"],
    }


def picture_row(row: Mapping[str, Any], staging: Staging) -> dict[str, Any]:
    errors = {name: "" if row[name] is None else f"{row[name]:.3f}" for name in ("se", "se_if_independent")}
    return {
        "method": row["method"],
        "where": f"{staging.cut_name(row['cut'])}, {COHORTS[row['split']]}",
        "n": f"{row['n_pictures']:,} of {row['n_patients']}",
        "auc": str(Estimate(row["auc"], row["auc_lo"], row["auc_hi"], row["why"])),
        **errors,
    }


def cutoff_row(row: Mapping[str, Any], staging: Staging) -> dict[str, Any]:
    rates = {
        name: str(Estimate(row[name], row[f"{name}_lo"], row[f"{name}_hi"], "" if row[name] is not None else "nobody"))
        for name in ("sensitivity", "specificity")
    }
    threshold = f"{row['threshold']:.3g}"
    return {
        "cut": staging.cut_name(row["cut"]),
        "method": row["method"],
        "threshold": threshold,
        "origin": row["origin"],
        **rates,
    }


def signed(difference: float | None, lo: float | None, hi: float | None) -> str:
    """A difference with its interval, signs shown."""
    if difference is None:
        return ""
    return f"{difference:+.3f}" + ("" if lo is None or hi is None else f" [{lo:+.3f}, {hi:+.3f}]")


def p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
