"""Whether there are patients enough for what is said of them, in words that stand before the figures."""

from __future__ import annotations

from fibrostage.ground.lists import or_
from fibrostage.results.metrics import Metrics

LEAST = 20  # patients; fewer say nothing about probabilities, and a curve of theirs is of chance
FEWEST = 5  # of them positive, and negative

MORE = "'fibrostage precision' says how many it takes"
ONCE = 'test every patient once with split.scheme = "kfold"; '


def too_few(metrics: Metrics) -> list[str]:
    """What a run's test patients cannot say: stages that nobody has, cuts with nearly everybody on one side."""
    counts, n = metrics.n_by_stage, metrics.n_patients
    found = []
    absent = [name for name in metrics.classes if counts[name] == 0]
    if absent:
        found.append(f"no test patient is {or_(absent)}: nothing here tells how they would be staged")
    staging = metrics.staging("")
    sides = {cut: sum(counts[name] for name in metrics.classes[staging.threshold(cut) :]) for cut in staging.cuts}
    few = [
        f"{staging.cut_name(cut)} ({min(above, n - above)} of {n} on the smaller side)"
        for cut, above in sides.items()
        if min(above, n - above) < FEWEST
    ]
    advice = MORE if metrics.split.scheme != "holdout" else ONCE + MORE
    if n < LEAST:
        found.append(f"{n} test patients are too few: their figures are mostly chance; {advice}")
    elif few:
        found.append(f"too few test patients at {', '.join(few)}: an AUC there is mostly chance; {advice}")
    return found


def enough(positives: int, n: int) -> bool:
    """Whether `n` patients, so many of them positive, show anything that can be drawn."""
    return n >= LEAST and min(positives, n - positives) >= FEWEST


def shortage(positives: int, n: int) -> str:
    """Why something is not drawn, and what it takes."""
    return f"{n} patients, {positives} positive: at least {LEAST}, and {FEWEST} of each, are needed"
