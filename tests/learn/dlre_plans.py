"""Quick plans of the DLRE network."""

from fibrostage.cohort.store import Cohort
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.plan.run_plan import Plan

QUICK = {
    "training": {"epochs": 1, "precision": "float32"},
    "evaluation": {"bootstrap": 100},
}


def quick_plan(cohort: Cohort, **sections: dict[str, object]) -> Plan:
    return plan_for(cohort, {**QUICK, **sections}, [], "test")
