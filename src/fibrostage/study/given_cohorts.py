"""Cohorts that a study's file leaves to be given: those some networks see, and those of runs that lend weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fibrostage.ground.errors import PlanError, nearest
from fibrostage.study.study_plan import SOURCE, Grid, StudyPlan


def with_cohorts(study: StudyPlan, folders: Mapping[str, str]) -> tuple[StudyPlan, list[str]]:
    """The study with folders by the network or source that sees them, and the networks that are left out of it because
    a folder is still missing.

    Raises `PlanError` for a name that is neither a network's with a cohort of its own nor a source's, and where no
    network is left.
    """
    names = [*study.cohorts, *study.source]
    for name in folders:
        if name not in names:
            raise PlanError(f"--cohort {name!r}{nearest(name, names)}: the study's are {', '.join(names) or 'none'}")
    cohorts = {name: folders.get(name, path) for name, path in study.cohorts.items()}
    source = {
        name: one.model_copy(update={"cohort": folders.get(name, one.cohort)}) for name, one in study.source.items()
    }
    missing = {name for name, path in cohorts.items() if not path}
    missing |= {SOURCE + name for name, one in source.items() if not one.cohort}
    left, out = left_of(study.grids, missing)
    if not left:
        raise PlanError(f"no network is left without {', '.join(sorted(missing))}; give --cohort NAME=FOLDER")
    given = {
        "grid": left[0],
        "also": tuple(left[1:]),
        "cohorts": {name: path for name, path in cohorts.items() if path},
        "source": {name: one for name, one in source.items() if one.cohort},
    }
    return study.model_copy(update=given), out


def left_of(grids: Sequence[Grid], missing: set[str]) -> tuple[list[Grid], list[str]]:
    """The grids without the networks that lack a cohort, and their names; a grid of no other networks goes."""
    left, out = [], []
    for grid in grids:
        kept = {name: part for name, part in grid.networks.items() if not lacks(name, part, missing)}
        out += [name for name in grid.networks if name not in kept]
        if kept or not grid.networks:
            left.append(grid.model_copy(update={"networks": kept}))
    return left, list(dict.fromkeys(out))


def lacks(network: str, part: Mapping[str, Any], missing: set[str]) -> bool:
    """Whether a network sees a cohort that is missing, or takes its weights from a run on one."""
    return network in missing or part.get("network", {}).get("weights") in missing
