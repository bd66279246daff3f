"""Why an answer is not to be trusted, in words: what is missing, poor, unlike the training pictures, or at odds with
itself. Each reason is a clause that a page, a table or a structured report can list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fibrostage.cohort.store import Cohort
from fibrostage.cohort.tables import GOOD
from fibrostage.ground.lists import first_of
from fibrostage.learn.model import Model
from fibrostage.results.staged import Staged

NAMED = 3  # devices of training, or values, that a reason lists


def reasons_of(model: Model, cohort: Cohort, staged: Staged) -> tuple[str, ...]:
    """Every reason against what a model says of a patient of a cohort; empty where none is known."""
    return (
        *missing(model, staged),
        *unmeasured(model, cohort, staged),
        *unlike(staged),
        *by_other_devices(model, cohort, staged),
        *poor(cohort, staged),
        *contradicting(model, cohort, staged),
        *known_already(staged),
        *untold(staged),
    )


def missing(model: Model, staged: Staged) -> Iterator[str]:
    """Modalities of the model that the patient lacks."""
    for name in model.plan.fused:
        if not staged.pictures.get(name):
            yield f"no {name} picture" if name in model.plan.pictured else f"no measurement ({name})"


def unmeasured(model: Model, cohort: Cohort, staged: Staged) -> Iterator[str]:
    """Values that were not measured in a patient who has others of the same table."""
    for table in model.plan.tables:
        rows = rows_of(staged, table.name)
        if not rows or table.name not in cohort.measurements:
            continue
        known = (~np.isnan(cohort.measurements[table.name][rows])).sum(axis=0)
        lacking = [name for name, count in zip(table.columns, known.tolist(), strict=True) if not count]
        if lacking:
            yield f"no value of {first_of(lacking, NAMED)} ({table.name})"


def unlike(staged: Staged) -> Iterator[str]:
    """Pictures that lie far from those of training, or show nothing."""
    for name, far in staged.far.items():
        if far:
            yield f"{far} of {counted(staged.pictures[name], name)} unlike those of training"


def by_other_devices(model: Model, cohort: Cohort, staged: Staged) -> Iterator[str]:
    """Devices that made none of the training pictures, where these say by which they were made."""
    for name, own in devices_of_training(model).items():
        devices = cohort.images_of(name)["device"].to_list() if own and name in cohort.modality_names else []
        strangers = Counter(devices[row] for row in rows_of(staged, name) if devices) if devices else Counter()
        for device, count in strangers.items():
            if device and device not in own:
                listed = ", ".join(sorted(own)[:NAMED]) + (" …" if len(own) > NAMED else "")
                yield f"{counted(count, name)} by {device}, a device that training did not see ({listed})"


def devices_of_training(model: Model) -> dict[str, set[str]]:
    """By modality the devices that any member's training pictures were made by."""
    return {name: {each for one in model.known for each in one.devices.get(name, ())} for name in model.plan.fused}


def poor(cohort: Cohort, staged: Staged) -> Iterator[str]:
    """Pictures that intake judged poor."""
    for name in staged.pictures:
        if name not in cohort.modality_names:
            continue
        judged = cohort.images_of(name)["quality"].to_list()
        own = [judged[row] for row in rows_of(staged, name)]
        bad = [each for each in own if each is not None and each != GOOD]
        if bad:
            kinds = ", ".join(dict.fromkeys(bad))
            yield f"{len(bad)} of {counted(len(own), name)} poor ({kinds})"


def contradicting(model: Model, cohort: Cohort, staged: Staged) -> Iterator[str]:
    """Stiffness readings of a modality that lie too far apart to be believed (`reliability` of the plan)."""
    rule = model.plan.reliability
    for name in staged.pictures:
        if name not in cohort.modality_names:
            continue
        told = cohort.images_of(name)["kpa"].to_list()
        kpa = [each for row in rows_of(staged, name) if (each := told[row]) is not None]
        if len(kpa) < max(2, rule.pictures):
            continue
        low, median, high = np.percentile(kpa, [25, 50, 75])
        if median > 0 and (high - low) / median > rule.iqr:
            yield (
                f"{name} readings contradict each other: {min(kpa):.1f}–{max(kpa):.1f} kPa, IQR/median "
                f"{(high - low) / median:.0%}"
            )


def known_already(staged: Staged) -> Iterator[str]:
    """A patient whom the model learned from."""
    if staged.trained_on:
        yield "the model was trained on this patient and knows the stage"


def untold(staged: Staged) -> Iterator[str]:
    """A model that never learned how often it is wrong."""
    if not staged.possible:
        yield "the model never learned how often it is wrong (fewer than 30 training patients, or no calibration)"


def rows_of(staged: Staged, modality: str) -> Sequence[int]:
    """The rows of the patient's pictures within a modality."""
    return [one.row for one in staged.seen if one.modality == modality]


def counted(count: int, modality: str) -> str:
    """A number of pictures in words."""
    return f"{count} {modality} picture{'' if count == 1 else 's'}"


def out_of_scope(staged: Staged) -> str | None:
    """Why a patient is not staged at all: no picture is like those of training; None where one is."""
    total, far = sum(staged.pictures.values()), sum(staged.far.values())
    if not total or far < total:
        return None
    told: Mapping[str, int] = {name: count for name, count in staged.pictures.items() if count}
    whole = " and ".join(counted(count, name) for name, count in told.items())
    return f"out of scope: {whole}, none of them like those that the model was trained on"
