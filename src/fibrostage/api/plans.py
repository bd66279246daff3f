"""A plan as it is given: a file, a mapping, a plan, the name of a recipe, and overrides over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError
from fibrostage.ground.progress import Progress
from fibrostage.plan.commands import TRAIN, Reads, refuse_unread, unread_sections
from fibrostage.plan.file import laid_over, read_plan_file
from fibrostage.plan.recipes import RECIPES
from fibrostage.plan.run_plan import Plan
from fibrostage.views.plan import in_a_line

PlanGiven = Plan | Mapping[str, object] | Path | str | None
PathGiven = Path | str


def read_plan(
    plan: PlanGiven, reads: Reads, progress: Progress, recipe: str | None = None
) -> tuple[dict[str, object], str]:
    """A plan's data, over those of a recipe, and what to call it; says which of its sections are for other commands.

    Raises `PlanError` where the plan cannot be read, or the recipe is unknown or a study's.
    """
    under = recipe_data(recipe) if recipe else {}
    if plan is None:
        return laid_over(under, {}), f"recipe {recipe}" if recipe else "plan"
    if isinstance(plan, Plan):
        own = plan.model_dump(mode="json", exclude_unset=True)
        return laid_over(under, {**own, "tracking": plan.tracking.model_dump(mode="json")}), "plan"
    if isinstance(plan, Mapping):
        return laid_over(under, dict(plan)), "plan"
    path = Path(plan)
    data = read_plan_file(path)
    others = unread_sections(data, reads) if path.suffix != ".json" else ()
    if others:
        listed = ", ".join(f"[{name}]" for name in others)
        progress.say(f"{path}: {listed} {'is' if len(others) == 1 else 'are'} not read by {reads.command}")
    return laid_over(under, data), str(path)


def recipe_data(name: str) -> dict[str, object]:
    """What a plan's recipe says; raises `PlanError` where there is none of that name, or it is a study's."""
    found = RECIPES[name]
    if found.of_study:
        raise PlanError(f"recipe {name!r} is of a study: fibrostage study --recipe {name} COHORT --out DIR")
    return dict(found.data)


def plan_to_run(
    cohort: Cohort,
    plan: PlanGiven,
    recipe: str | None,
    overrides: Sequence[str],
    reads: Reads,
    published: str,
    progress: Progress,
) -> Plan:
    """The plan of a run on a cohort. Says in a line what its network is and where its weights came from, and without a
    recipe which one is the paper's (`published`).

    Raises `PlanError` for what cannot be followed on this cohort, and for overrides of what the command does not read.
    """
    from fibrostage.learn.plan_for_cohort import plan_for, with_measured  # needs torch, which reading a table does not

    data, source = read_plan(plan, reads, progress, recipe)
    if not data and reads is TRAIN:
        overrides = with_measured(cohort, overrides)
    parsed = plan_for(cohort, data, overrides, source, reads)
    refuse_unread(overrides, reads, parsed)
    others = f"; recipe {recipe}" if recipe else f"; as the paper has it: --recipe {published}"
    progress.say(in_a_line(parsed) + others)
    if parsed.network.source is not None and parsed.network.source.read_as is not None:
        progress.say(parsed.network.source.read_as)
    return parsed
