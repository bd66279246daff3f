"""The tables of a study in their order, whatever shows them."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from fibrostage.plan.staging import StagingPlan
from fibrostage.results.study_folder import BUDGETS, COMMON, COUNTED, EFFICIENCY, PUBLISHED, StudyFolder, StudyRecord
from fibrostage.views.diagnosis import study_views
from fibrostage.views.study import (
    budgets_view,
    common_view,
    counted_view,
    efficiency_view,
    published_view,
    results_view,
)
from fibrostage.views.table import TableView


def study_tables(
    folder: StudyFolder, record: StudyRecord, results: pl.DataFrame, beside: Mapping[str, pl.DataFrame]
) -> list[TableView]:
    """The tables of a supervised study, or of one that asked. Raises `RunError` where a run's plan is damaged."""
    published = [published_view(beside[PUBLISHED], record.paper)] if PUBLISHED in beside else []
    if record.supervised:
        first = next(iter(folder.runs(record)))
        staging = StagingPlan.model_validate(first.read_plan()["staging"]).whole()
        reference = record.compare.reference or results["method"][0]
        return [*study_views(results, beside, staging, reference), *published]
    counted = [counted_view(beside[COUNTED])] if COUNTED in beside else []
    common = [common_view(beside[COMMON])] if COMMON in beside else []
    efficiency = [efficiency_view(beside[EFFICIENCY])] if len(beside[EFFICIENCY]) else []
    budgets = [budgets_view(beside[BUDGETS])] if BUDGETS in beside else []
    return [*counted, results_view(results), *common, *efficiency, *budgets, *published]
