"""A plan for a cohort: what the plan leaves open comes from the cohort, and what contradicts the cohort is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from fibrostage.cohort.measurements import is_worth_fusing, logged, seen_by, usual_columns
from fibrostage.cohort.pictures import Pictures
from fibrostage.cohort.store import TABLE, Cohort, Modality
from fibrostage.ground.errors import PlanError, WeightsError, nearest
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import source_of
from fibrostage.plan.commands import TRAIN, Reads, refuse_unread
from fibrostage.plan.file import apply_override
from fibrostage.plan.run_plan import Plan
from fibrostage.plan.split import ALL_MODALITIES


def plan_for(
    cohort: Cohort,
    data: Mapping[str, object],
    overrides: Sequence[str] = (),
    source: str = "plan",
    reads: Reads = TRAIN,
) -> Plan:
    """The validated plan of plan data; its staging and modalities are the cohort's unless the plan says them too.

    Raises `PlanError` for what cannot be followed on this cohort, and for overrides of what the command does not read.
    """
    refuse_unread(overrides, reads)
    content = dict(data)
    content["modality"] = modalities_of(cohort, content.get("modality"), content.get("network"), overrides)
    staging, own = cohort.staging, content.get("staging", {})
    if isinstance(own, dict) and own.get("name", staging.name) == staging.name:
        whole = {"name": staging.name, "classes": list(staging.classes), "cuts": list(staging.cuts)}
        content["staging"] = {**whole, **own}
    plan = requiring(cohort, Plan.parse(content, overrides, source))
    check_fit(cohort, plan)
    plan = with_source(only_what_somebody_has(cohort, plan))
    cohort = seen_by(cohort, plan)
    for name in plan.fused:
        if not len(cohort.images_of(name)):
            what = "value" if name not in plan.pictured else "image"
            raise PlanError(f"network.modalities: no patient of cohort {cohort.name!r} has a {name} {what}")
    return plan


def with_measured(cohort: Cohort, overrides: Sequence[str]) -> list[str]:
    """Overrides [key=value] for a cohort without a plan of its own: what its patients were measured for is fused with
    their pictures, where that is stiffness or of the blood, and nothing that is asked for speaks against it."""
    asked = {override.partition("=")[0].strip() for override in overrides}
    names = [modality.name for modality in cohort.modalities if len(cohort.images_of(modality.name))]
    speaks_against = asked & {"network.modalities", "network.name", "training.finetune"}
    if speaks_against or TABLE in names or not names or not is_worth_fusing(usual_columns(cohort)):
        return [*overrides]
    return [f"network.modalities={json.dumps([*names, TABLE])}", *overrides]


def chosen_of(network: object, overrides: Sequence[str]) -> Sequence[object]:
    """What network.modalities names in a plan's section and its overrides; nothing where neither says it."""
    data = {"network": dict(network) if isinstance(network, Mapping) else {}}
    for override in overrides:
        apply_override(data, override)
    chosen = data["network"].get("modalities") if isinstance(data["network"], dict) else None
    return chosen if isinstance(chosen, list | tuple) else ()


def modalities_of(cohort: Cohort, own: object, network: object, overrides: Sequence[str]) -> object:
    """The plan's modalities, the cohort's where it names none but tables; and, where network.modalities names a "table"
    that is none of them, one of the columns that are usually measured.

    Raises `PlanError` where such a table is named and nobody has been measured.
    """
    pictures: list[object] = [asdict(m) for m in cohort.modalities]
    if own is not None and not isinstance(own, list | tuple):
        return own  # which is no plan's, and is told so
    given = list(own or ())
    only_tables = bool(given) and all(isinstance(one, Mapping) and one.get("kind") == TABLE for one in given)
    result = [*pictures, *given] if own is None or only_tables else given
    names = {one.get("name") for one in result if isinstance(one, Mapping)}
    if TABLE in chosen_of(network, overrides) and TABLE not in names:
        columns = usual_columns(cohort)
        if not columns:
            raise PlanError(
                f"network.modalities names a table, and the patients of cohort {cohort.name!r} have no measured "
                'column; name them in a [[modality]] of kind = "table"'
            )
        result.append({"name": TABLE, "kind": TABLE, "columns": columns, "log": logged(cohort, columns)})
    return result


def requiring(cohort: Cohort, plan: Plan) -> Plan:
    """The plan, in which `split.require = "all"` is the names of the cohort's modalities."""
    if plan.split.require != ALL_MODALITIES:
        return plan
    return plan.model_copy(update={"split": plan.split.model_copy(update={"require": cohort.modality_names})})


def only_what_somebody_has(cohort: Cohort, plan: Plan) -> Plan:
    """The plan; where it does not say what is fused, without modalities that no patient has a picture of."""
    if plan.network.modalities is not None:
        return plan
    tables = {table.name for table in plan.tables}
    there = tuple(name for name in plan.fused if name in tables or len(cohort.images_of(name)))
    if not there or there == plan.fused:
        return plan
    return plan.model_copy(update={"network": plan.network.model_copy(update={"modalities": there})})


def with_source(plan: Plan) -> Plan:
    """The plan with what its weights' file is recorded in it; raises `PlanError` where it is not what was recorded."""
    before = plan.network.source
    try:
        now = source_of(BACKBONES[plan.network.backbone], plan.network.weights)
    except WeightsError:
        if before is None or Path(plan.network.weights).exists():
            raise
        now = None
    if before is not None and (now is None or now.sha256 != before.sha256):
        came = "is not there" if now is None else f"has SHA-256 {now.sha256[:16]}…"
        raise PlanError(
            f"network.weights = {plan.network.weights!r} {came}; the plan was made with {before.name}, "
            f"{before.sha256[:16]}…"
        )
    return plan.model_copy(update={"network": plan.network.model_copy(update={"source": now})})


def check_fit(cohort: Cohort, plan: Plan) -> None:
    """Raises `PlanError` where the plan speaks of other stages or otherwise stored pictures than the cohort's."""
    check_staging(cohort, plan)
    for name in plan.split.require:
        if name not in cohort.modality_names:
            raise PlanError(
                f"split.require names {name!r}{nearest(name, cohort.modality_names)}; cohort {cohort.name!r} has "
                f"{', '.join(cohort.modality_names)}"
            )
    for asked in plan.without_tables.modality:
        check_modality(cohort, Modality(asked.name, asked.kind, asked.size, asked.stored_channels, asked.fit))
    spec = BACKBONES[plan.network.backbone]
    for name in plan.pictured:
        size = cohort.modality(name).size
        if spec.exact and size != spec.size:
            raise PlanError(
                f"network.backbone = {spec.name!r} reads crops of {spec.size}×{spec.size} pixels, {name} of cohort "
                f"{cohort.name!r} is stored at {size}×{size}; take it in with size = {spec.size} and fit = 'click'"
            )


def check_staging(cohort: Cohort, plan: Plan) -> None:
    """Raises `PlanError` where the plan has other stages than the cohort."""
    staging = plan.staging.whole()
    if (staging.name, staging.classes) != (cohort.staging.name, cohort.staging.classes):
        raise PlanError(
            f"the plan stages {staging.name} {list(staging.classes)}, cohort {cohort.name!r} was taken in with "
            f"{cohort.staging.name} {list(cohort.staging.classes)}; take it in again with this plan"
        )


def check_modality(cohort: Pictures, wanted: Modality) -> None:
    """Raises `PlanError` where a cohort, or pictures in memory, lack a modality or store it otherwise."""
    names = cohort.modality_names
    if wanted.name not in names:
        raise PlanError(
            f"the plan's modality {wanted.name!r} is not in cohort {cohort.name!r}"
            f"{nearest(wanted.name, names)}; it has {', '.join(names)}"
        )
    stored = cohort.modality(wanted.name)
    if wanted != stored:
        raise PlanError(
            f"modality {wanted.name}: the plan wants {describe_modality(wanted)}, cohort {cohort.name!r} holds "
            f"{describe_modality(stored)}; take it in again with this plan"
        )


def describe_modality(modality: Modality) -> str:
    """How a modality is stored, in words."""
    return f"{modality.kind}, {modality.size} px, {modality.channels} channels, fit {modality.fit!r}"
