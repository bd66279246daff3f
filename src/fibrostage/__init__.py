"""fibrostage: staging liver fibrosis from multi-modal ultrasound, and choosing which exam to label next.

What stands in `__all__` is for others to build on; what lies deeper may change from one version to the next. Importing
this loads none of it: a name is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fibrostage.active.modifiers.spec import Modifier
    from fibrostage.active.strategies.spec import BatchStrategy, Known, Strategy
    from fibrostage.api.answers import PatientAnswers, predict
    from fibrostage.api.asking import ask_table, open_campaign, run_active
    from fibrostage.api.data import dry_run, open_cohort, simulate, take_in
    from fibrostage.api.frames import read_curve, read_predictions, to_pandas
    from fibrostage.api.own import lend
    from fibrostage.api.runs import FinishedRun, open_run, train
    from fibrostage.api.runs_found import list_runs
    from fibrostage.api.scores import compare, marker_table
    from fibrostage.api.studies import FinishedStudy, open_study, run_study, write_report
    from fibrostage.campaign.campaign import Campaign
    from fibrostage.cohort.store import Cohort
    from fibrostage.ground.errors import FibrostageError
    from fibrostage.ground.quantities import Quantity
    from fibrostage.intake.build.choices import Choices
    from fibrostage.markers.spec import Cutoff, Example, Marker, Need
    from fibrostage.networks.backbones.spec import Backbone
    from fibrostage.networks.heads.spec import HeadKind
    from fibrostage.plan.recipes import PlanRecipe
    from fibrostage.plan.run_plan import Plan
    from fibrostage.report.sections.spec import Section

try:
    __version__ = version("fibrostage")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

RESEARCH_USE = "Research use only: not a medical device, not for diagnosis."
SIMULATED = "SIMULATED"

WHERE = {
    "open_cohort": "fibrostage.api.data",
    "take_in": "fibrostage.api.data",
    "Choices": "fibrostage.intake.build.choices",
    "dry_run": "fibrostage.api.data",
    "simulate": "fibrostage.api.data",
    "Cohort": "fibrostage.cohort.store",
    "Plan": "fibrostage.plan.run_plan",
    "train": "fibrostage.api.runs",
    "open_run": "fibrostage.api.runs",
    "FinishedRun": "fibrostage.api.runs",
    "run_active": "fibrostage.api.asking",
    "open_campaign": "fibrostage.api.asking",
    "ask_table": "fibrostage.api.asking",
    "Campaign": "fibrostage.campaign.campaign",
    "list_runs": "fibrostage.api.runs_found",
    "run_study": "fibrostage.api.studies",
    "open_study": "fibrostage.api.studies",
    "FinishedStudy": "fibrostage.api.studies",
    "write_report": "fibrostage.api.studies",
    "predict": "fibrostage.api.answers",
    "PatientAnswers": "fibrostage.api.answers",
    "marker_table": "fibrostage.api.scores",
    "compare": "fibrostage.api.scores",
    "read_predictions": "fibrostage.api.frames",
    "read_curve": "fibrostage.api.frames",
    "to_pandas": "fibrostage.api.frames",
    "lend": "fibrostage.api.own",
    "FibrostageError": "fibrostage.ground.errors",
    "Strategy": "fibrostage.active.strategies.spec",
    "BatchStrategy": "fibrostage.active.strategies.spec",
    "Known": "fibrostage.active.strategies.spec",
    "Modifier": "fibrostage.active.modifiers.spec",
    "Marker": "fibrostage.markers.spec",
    "Need": "fibrostage.markers.spec",
    "Example": "fibrostage.markers.spec",
    "Cutoff": "fibrostage.markers.spec",
    "Quantity": "fibrostage.ground.quantities",
    "Backbone": "fibrostage.networks.backbones.spec",
    "HeadKind": "fibrostage.networks.heads.spec",
    "Section": "fibrostage.report.sections.spec",
    "PlanRecipe": "fibrostage.plan.recipes",
}  # the room that each public name lives in

__all__ = [
    "RESEARCH_USE", "SIMULATED", "Backbone", "BatchStrategy", "Campaign", "Choices", "Cohort", "Cutoff", "Example",
    "FibrostageError", "FinishedRun", "FinishedStudy", "HeadKind", "Known", "Marker", "Modifier", "Need",
    "PatientAnswers", "Plan", "PlanRecipe", "Quantity", "Section", "Strategy", "__version__", "ask_table", "compare",
    "dry_run", "lend", "list_runs", "marker_table", "open_campaign", "open_cohort", "open_run", "open_study", "predict",
    "read_curve", "read_predictions", "run_active", "run_study", "simulate", "take_in", "to_pandas", "train",
    "write_report",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Fetches a public name when it is first used; raises `AttributeError` where there is none of that name."""
    if name not in WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(WHERE)}")
    found = globals()[name] = getattr(import_module(WHERE[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
