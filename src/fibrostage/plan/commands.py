"""What each command reads of a plan. What it does not read is refused by name, and is no part of a run's identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fibrostage.ground.errors import PlanError
from fibrostage.ground.files import Json
from fibrostage.plan.intake import TABLE, ModalityPlan
from fibrostage.plan.run_plan import Plan
from fibrostage.plan.training import CHOSEN

STORED = ("name", "kind", "size", "channels", "fit")  # of a modality, as a cohort holds it
OF_TABLES = ("columns", "log")


@dataclass(frozen=True)
class Reads:
    """The sections of a plan that a command reads, and the keys of its modalities; those that are `kept` tell
    how a run is watched or what is done with its model later, and are no part of its identity."""

    command: str
    sections: tuple[str, ...]
    modality: tuple[str, ...] = STORED
    kept: tuple[str, ...] = ()


INTAKE = Reads(
    "intake",
    (
        "cohort",
        "staging",
        "modality",
        "rule",
        "stiffness",
        "reliability",
        "mask",
        "dicom",
        "raster",
        "cine",
        "privacy",
        "quality",
        "units",
        "table",
    ),
    tuple(ModalityPlan.model_fields),
)  # fmt: skip
FIT = ("seed", "staging", "modality", "split", "network", "training", "evaluation")
TRAIN = Reads("train", (*FIT, "calibration", "decision"), kept=("cost", "tracking"))  # of the exam made next
ACTIVE = Reads("active", (*FIT, "active", "oracle", "cost", "stopping"), kept=("tracking",))
LOOP = Reads("loop", (*FIT, "active", "cost", "stopping", "loop"))
MARKERS = Reads("markers", ("staging", "units", "table"))
READERS = (INTAKE, TRAIN, ACTIVE, LOOP)

FROZEN = ("frozen_batch", "frozen_lr", "frozen_l2", "mirror", "components")  # of a head on cached features
WHOLE = (  # of a trained backbone
    "batch", "cover", "together", "optimiser", "momentum", "schedule", "backbone_lr", "head_lr", "weight_decay",
    "augment", "average",
)  # fmt: skip
ADDED_LATER: dict[tuple[str, str], Json] = {  # keys that do not count where they say what was always done
    ("calibration", "heavier"): [],
    ("cost", "exams"): {},
    ("decision", "npv"): 0.9,
    ("decision", "ppv"): 0.9,
    ("decision", "false_alarms"): 0.01,
    ("network", "pooling"): "pairs",
    ("split", "require"): [],
    ("training", "blocks"): None,
    ("training", "candidates"): 64,
    ("training", "cover"): "pictures",
    ("training", "optimiser"): "adamw",
    ("training", "schedule"): "one_cycle",
}
SCHEME = {"holdout": ("test",), "kfold": ("folds", "repeats"), "column": ("column",)}  # keys of each split.scheme


def idle_keys(plan: Plan) -> dict[str, str]:
    """Keys that another key's value leaves unread, "section.key", and that other key."""
    tune, scheme = plan.training.finetune, plan.split.scheme
    idle = WHOLE if tune == "head" else FROZEN
    found = {f"training.{key}": f'training.finetune = "{tune}"' for key in idle}
    if plan.training.optimiser != "sgd":
        found["training.momentum"] = f'training.optimiser = "{plan.training.optimiser}"'
    if plan.training.cover == "candidates":
        found["training.together"] = 'training.cover = "candidates"'
    if tune != "last":
        found |= dict.fromkeys(("training.boundary", "training.blocks"), f'training.finetune = "{tune}"')
    if tune != "head" or plan.training.frozen_l2 != CHOSEN:
        why = f"training.{'frozen_l2' if tune == 'head' else 'finetune'} as it is"
        found |= {"calibration.penalties": why, "calibration.heavier": why}
    others = (key for name, keys in SCHEME.items() if name != scheme for key in keys)
    return found | {f"split.{key}": f'split.scheme = "{scheme}"' for key in others}


def refuse_unread(overrides: Iterable[str], reads: Reads, plan: Plan | None = None) -> None:
    """Raises `PlanError` for a `--set` (or a key, "section.key") that the command does not read.

    With a `plan`, keys that its other values leave unread are refused too.
    """
    for override in overrides:
        key = override.partition("=")[0].strip()
        section, _, rest = key.partition(".")
        if section in Plan.model_fields and section not in (*reads.sections, *reads.kept):
            readers = [other.command for other in READERS if section in (*other.sections, *other.kept)]
            raise PlanError(
                f"{key}: {reads.command} does not read [{section}] of a plan, {' and '.join(readers)} "
                f"{'does' if len(readers) == 1 else 'do'}"
            )
        idle = {} if plan is None else idle_keys(plan)
        if rest and key in idle:
            raise PlanError(f"{key} is not read with {idle[key]}")


def unread_sections(data: Mapping[str, object], reads: Reads) -> tuple[str, ...]:
    """Sections of a plan's file that are for other commands."""
    read = (*reads.sections, *reads.kept)
    return tuple(name for name in data if name in Plan.model_fields and name not in read)


def content_read(plan: Plan, reads: Reads) -> dict[str, Json]:
    """What a command reads of a plan, as JSON: what two runs must share to be the same run.

    Trained weights count by what they are and not by where they lie.
    """
    data = {name: value for name, value in plan.model_dump(mode="json").items() if name in reads.sections}
    data["modality"] = [modality_read(row, reads) for row in data["modality"]]
    for key in idle_keys(plan):
        section, _, name = key.partition(".")
        if section in data:
            del data[section][name]
    for (section, name), usual in ADDED_LATER.items():
        if section in data and name in data[section] and data[section][name] == usual:
            del data[section][name]
    if "calibration" not in reads.sections and plan.training.frozen_l2 == CHOSEN and "frozen_l2" in data["training"]:
        data["training"]["frozen_l2"] = plan.training.penalty
    if "network" in data and plan.network.source is not None:
        data["network"]["weights"] = data["network"].pop("source")["sha256"]
    return data


def modality_read(row: Mapping[str, Json], reads: Reads) -> dict[str, Json]:
    """What a command reads of a modality; what only tables have is no part of a picture's."""
    keys = (*STORED, *OF_TABLES) if row["kind"] == TABLE else [key for key in reads.modality if key not in OF_TABLES]
    return {key: row[key] for key in keys}


def digest(plan: Plan, reads: Reads) -> str:
    """What names exactly this plan for a command: SHA-256 of what it reads."""
    return hashlib.sha256(json.dumps(content_read(plan, reads), sort_keys=True).encode()).hexdigest()
