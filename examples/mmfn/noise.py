"""Share of queried candidates with a bad picture, by strategy and round, from a study and the phantom's truth.

python noise.py STUDY TRUTH_IMAGES.csv
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from fibrostage.cohort.pictures import space_of
from fibrostage.cohort.store import open_cohort
from fibrostage.ground.files import read_json
from fibrostage.ledger.ledger import read_events
from fibrostage.ledger.state import replay
from fibrostage.plan.run_plan import Plan
from fibrostage.stats.resampled import resampled_mean


def main(study: Path, truth_file: Path) -> None:
    content = read_json(study / "study.json")
    cohort = open_cohort(Path(content["cohort"]))
    truth = pl.read_csv(truth_file)
    kind = dict(zip(truth["file"], truth["bad"].fill_null(""), strict=True))
    rows, reference = [], {}
    for name in content["runs"]:
        plan = Plan.load(study / "runs" / name / "plan.json")
        space = space_of(cohort, plan.fused, plan.network.missing == "keep")
        bad = [np.array([kind[file] != "" for file in cohort.images_of(m)["source"]]) for m in plan.fused]
        events = replay(read_events(study / "runs" / name))

        def share(items: np.ndarray, space=space, bad=bad) -> float:
            decoded = space.decode(items)
            return float(np.any([bad[m][decoded[:, m]] & (decoded[:, m] >= 0) for m in range(len(bad))], axis=0).mean())

        for query in events.issued[1:]:
            rows.append((plan.active.strategy, plan.seed, query.round, share(np.array(query.items))))
        reference[plan.seed] = share(np.arange(space.total))
    table = pl.DataFrame(rows, schema=["strategy", "seed", "round", "bad"], orient="row")
    print(f"SIMULATED. Of all candidates, {np.mean(list(reference.values())):.1%} have a bad picture.")
    for (strategy,), part in table.group_by("strategy", maintain_order=True):
        by_round = part.group_by("round").agg(pl.col("bad").mean()).sort("round")["bad"]
        per_seed = part.group_by("seed", maintain_order=True).agg(pl.col("bad").mean())["bad"].to_list()
        mean, _ = resampled_mean(per_seed, 0.25)
        rounds = " ".join(f"{value:.1%}" for value in by_round)
        interval = "" if mean.lo is None or mean.hi is None else f" [{mean.lo:.1%}–{mean.hi:.1%}]"
        print(f"{strategy:18} {mean.value:.1%}{interval}   by round: {rounds}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
