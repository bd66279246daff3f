"""Pictures, and pairs of pictures within a patient, by stage: the MMFN paper's Table 1, and the same of a cohort."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from fibrostage.cohort.flow import has_all
from fibrostage.cohort.pictures import space_of
from fibrostage.cohort.store import Cohort
from fibrostage.plan.recipes import published_counts
from fibrostage.results.estimate_columns import TableRow


def counted_table(cohort: Cohort, counted: Sequence[Sequence[str]], require: Sequence[str]) -> pl.DataFrame:
    """A row a set of modalities: how many patients with all of `require`, and how many of their pictures or pairs, in
    all and by stage; `paper_total` and `paper_F0` … are the paper's of the same name."""
    studied = has_all(cohort, require) & (cohort.stages >= 0)
    papers = {row["modalities"]: row for row in published_counts()}
    rows = []
    for modalities in counted:
        space = space_of(cohort, modalities, keep_incomplete=False)
        by_stage = np.bincount(
            cohort.stages[studied], weights=space.per_patient[studied], minlength=len(cohort.staging.classes)
        )
        name = "+".join(modalities)
        row: TableRow = {"modalities": name, "patients": int(studied.sum()), "total": int(by_stage.sum())}
        row |= {stage: int(count) for stage, count in zip(cohort.staging.classes, by_stage, strict=True)}
        paper = papers.get(name, {})
        for column in ("total", *cohort.staging.classes):
            row[f"paper_{column}"] = int(paper[column]) if column in paper else None
        rows.append(row | {"simulated": cohort.simulated})
    return pl.DataFrame(rows, infer_schema_length=None)
