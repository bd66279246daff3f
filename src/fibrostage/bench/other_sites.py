"""New patients of a hospital that training did not have: is it told by the pictures, is it told by the device's name,
and do the sets of possible stages still hold the true one?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fibrostage.bench.said import ALARMS, USUAL, SaidOfPatients, joined, part_of, said_of
from fibrostage.bench.tables import Cells, FigureTable
from fibrostage.cohort.store import Cohort
from fibrostage.learn.model import Model
from fibrostage.learn.reasons import by_other_devices
from fibrostage.stats.clustered import clustered_share
from fibrostage.stats.estimate import Estimate

Fit = Callable[[str, NDArray[np.int64]], Model]


@dataclass(frozen=True)
class OtherSites:
    """What was said of each site's new patients, by models of the other sites and of all; and of how many of them the
    device was told to be one that training did not see, by cohort."""

    without: dict[str, list[SaidOfPatients]] = field(default_factory=dict)
    with_all: dict[str, list[SaidOfPatients]] = field(default_factory=dict)
    by_name: dict[str, list[NDArray[np.bool_]]] = field(default_factory=dict)
    trained: dict[str, list[int]] = field(default_factory=dict)

    def ask(self, cohort: Cohort, new: Cohort, of_all: SaidOfPatients, fit: Fit) -> None:
        """Fits a cohort's patients without each site in turn, and asks of its new patients; `of_all` is what the model
        of every site said of all new ones, in their order."""
        at, new_at = cohort.patients["site"].to_numpy(), new.patients["site"].to_numpy()
        for site in sorted(set(new_at.tolist())):
            rows, rest = np.flatnonzero(new_at == site), np.flatnonzero(at != site)
            if not len(rest) or not set(at.tolist()) - {site}:
                continue
            model = fit(f"without-{site}", rest)
            self.without.setdefault(site, []).append(said_of(model, new, new.stages, rows))
            self.with_all.setdefault(site, []).append(part_of(of_all, rows))
            staged = [one for one in model.stage(new) if new_at[new.patient_ids.index(one.patient_id)] == site]
            told = [any(by_other_devices(model, new, one)) for one in staged]
            self.by_name.setdefault(site, []).append(np.array(told, dtype=bool))
            self.trained.setdefault(site, []).append(len(rest))


def sites_tables(sites: OtherSites) -> tuple[FigureTable, FigureTable]:
    """A row a site: how many of its pictures are told by models that trained without it, beside those with it; and how
    often both are right."""
    flags: list[Cells] = []
    answers: list[Cells] = []
    usual, more = ALARMS
    for site, each in sites.without.items():
        said, beside = joined(each, clustered=True), joined(sites.with_all[site], clustered=True)
        named = np.concatenate(sites.by_name[site])
        by_name = clustered_share(named, np.ones(len(named)), said.cluster)
        flags.append(
            (
                site, f"{np.mean(sites.trained[site]):.0f}", int(said.pictures.sum()),
                *(clustered_share(said.far[one], said.pictures, said.cluster) for one in (usual, more)),
                *(clustered_share(beside.far[one], beside.pictures, beside.cluster) for one in (usual, more)),
                by_name,
            )
        )  # fmt: skip
        answers.append((site, len(each), len(said), covered(said), covered(beside), right(said), right(beside)))
    asked = [f"told far at {one:.0%}" for one in (usual, more)]
    flagged = (
        "site", "trained without it", "pictures of it", *asked, *(f"{one}, trained with it" for one in asked),
        "told by the device's name",
    )  # fmt: skip
    answered = (
        "site", "models", "new patients of it", f"set at {USUAL:.0%} holds the stage", "trained with it",
        "called right", "called right, trained with it",
    )  # fmt: skip
    title = "New patients of a site that training did not have"
    return (
        FigureTable("sites", f"{title}: are they told?", flagged, tuple(flags)),
        FigureTable("at_sites", f"{title}: are the answers right?", answered, tuple(answers)),
    )


def covered(said: SaidOfPatients) -> Estimate:
    """How often the set holds the true stage."""
    held = said.possible[USUAL][np.arange(len(said)), said.truth]
    return clustered_share(held, np.ones(len(said)), said.cluster)


def right(said: SaidOfPatients) -> Estimate:
    """How often the stage called is the true one."""
    return clustered_share(said.called == said.truth, np.ones(len(said)), said.cluster)
