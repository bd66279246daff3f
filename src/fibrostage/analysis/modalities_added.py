"""What each modality adds: what is said with it beside what is said without it, of the same test patients.

Two questions are answered by one comparison. Of one network, modalities are withheld from it (`by_modality.parquet`):
how much of its answer rests on them. Of several networks, those are paired that see the same but for something more:
what a network learns with it that another cannot know. Differences of AUCs are paired, by DeLong; that of the average
AUC by its own influence values; p is adjusted after Holm within a cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fibrostage.analysis.few_patients import enough, shortage
from fibrostage.analysis.judged import KeptRun
from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.stage import Staging
from fibrostage.results.predictions import Scores, scores_of
from fibrostage.stats.auc import auc_or_why, delong
from fibrostage.stats.concordance import Difference
from fibrostage.stats.estimate import Estimate, undefined
from fibrostage.stats.macro import macro_auc, macro_difference
from fibrostage.stats.multiplicity import holm

AVERAGE = ""  # in the place of a cut: the average one-vs-rest AUC


@dataclass(frozen=True)
class Seen:
    """What a method sees: its modalities, and what else tells it from others (a strategy, a backbone): only those that
    are `alike` in the rest are compared."""

    modalities: frozenset[str]
    alike: str = ""


@dataclass(frozen=True)
class Added:
    """What some modalities add at a cut (`AVERAGE`: over all stages) to what is said without them, of `n` patients, of
    whom `positives` are at or above the cut. `whole` and `rest` are the methods' names."""

    added: tuple[str, ...]
    whole: str
    rest: str
    cut: str
    n: int
    positives: int | None
    with_it: Estimate
    without: Estimate
    difference: Difference
    p_holm: float | None = None


def nested(seen: Mapping[str, Seen], within: str | None = None) -> list[tuple[str, str]]:
    """Pairs of methods, one that sees more and one that sees the same but for it, with none in between; only those of
    the method `within`, where it is given."""
    pairs = []
    for whole, own in seen.items():
        less = [name for name, other in seen.items() if other.alike == own.alike and other.modalities < own.modalities]
        for rest in less:
            between = any(seen[rest].modalities < seen[name].modalities for name in less)
            if not between and within in (None, whole):
                pairs.append((whole, rest))
    return pairs


def modalities_added(
    runs: Sequence[KeptRun], seen: Mapping[str, Seen], staging: Staging, confidence: float, within: str | None = None
) -> list[Added]:
    """Every nested pair of the runs' methods at each cut that both speak to, and on average where both tell all
    stages."""
    found: list[Added] = []
    told = {
        (run.method, run.task): (run.tells(staging), scores_of(run.predictions, run.tells(staging))) for run in runs
    }
    for whole, rest in nested({name: seen[name] for name, _ in told if name in seen}, within):
        for task in dict.fromkeys(task for name, task in told if name == whole):
            if (rest, task) not in told:
                continue
            own, first = told[whole, task]
            _, second = told[rest, task]
            added = tuple(sorted(seen[whole].modalities - seen[rest].modalities))
            pair = Pairing(added, whole, rest, *on_common(first, second), confidence)
            found += [pair.at(own, cut, task or cut) for cut in own.cuts]
            if task is None and len(own.classes) > 2:
                found.append(pair.on_average())
    return adjusted(found)


def on_common(first: Scores, second: Scores) -> tuple[Scores, Scores]:
    """Two methods' scores of the patients of both, in one order."""
    _, mine, their = np.intersect1d(first.patients, second.patients, return_indices=True)
    return rows_of(first, mine), rows_of(second, their)


def rows_of(scores: Scores, rows: NDArray[np.int64]) -> Scores:
    """Some rows [m] of scores [n]."""
    return Scores(scores.patients[rows], scores.stages[rows], scores.probabilities[rows], scores.called[rows])


@dataclass(frozen=True)
class Pairing:
    """Two methods' scores of the same patients [n], in one order."""

    added: tuple[str, ...]
    whole: str
    rest: str
    first: Scores
    second: Scores
    confidence: float

    def at(self, staging: Staging, cut: str, named: str) -> Added:
        """The difference of the AUCs at a cut of what the methods tell, which the report names `named`."""
        positive, score = self.first.at_cut(staging, cut)
        _, other = self.second.at_cut(staging, cut)
        n, positives = len(positive), int(positive.sum())
        with_it, without = (auc_or_why(positive, each, self.confidence) for each in (score, other))
        if enough(positives, n):
            difference = delong(positive, np.stack([score, other])).difference(0, 1, self.confidence)
        else:
            difference = without_test(shortage(positives, n))
        return Added(self.added, self.whole, self.rest, named, n, positives, with_it, without, difference)

    def on_average(self) -> Added:
        """The difference of the average one-vs-rest AUCs."""
        stages, tables = self.first.stages, (self.first.probabilities, self.second.probabilities)
        try:
            with_it, without = (Estimate(macro_auc(stages, table), None, None) for table in tables)
            difference = macro_difference(stages, *tables, self.confidence)
        except StatisticsError as error:
            with_it = without = undefined(str(error))
            difference = without_test(str(error))
        return Added(self.added, self.whole, self.rest, AVERAGE, len(stages), None, with_it, without, difference)


def without_test(why: str) -> Difference:
    """No difference, and why."""
    return Difference(None, None, None, None, None, None, why=why)


def adjusted(found: Sequence[Added]) -> list[Added]:
    """With Holm's p over what was tested at each cut."""
    told = list(found)
    for cut in dict.fromkeys(one.cut for one in found):
        rows = [k for k, one in enumerate(found) if one.cut == cut and one.difference.p is not None]
        stepped = holm([p for k in rows if (p := found[k].difference.p) is not None]).tolist()
        for k, p in zip(rows, stepped, strict=True):
            told[k] = replace(found[k], p_holm=p)
    return told
