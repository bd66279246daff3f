"""AUC at each cut of runs on the same rows, with the patient as the cluster, and each run against the first.

For runs of loops.toml it is needed: their tables take loops for independent, which loops of one patient are not.

    python examples/blues/compare.py CSVS/loops.csv RUN [RUN …]
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

from fibrostage.ground.stage import Staging
from fibrostage.results.predictions import Scores, scores_of
from fibrostage.stats.auc import delong


def scores(run: Path) -> tuple[Staging, Scores]:
    classes = tuple(json.loads((run / "plan.json").read_text(encoding="utf-8"))["staging"]["classes"])
    staging = Staging("lung severity", classes, classes[1:])
    return staging, scores_of(pl.read_parquet(run / "predictions.parquet"), staging)


def main(table: Path, runs: list[Path]) -> None:
    with table.open(encoding="utf-8") as file:
        owner = {row["patient_id"]: row.get("duplicate_group") or row["patient_id"] for row in csv.DictReader(file)}
    staging, first = scores(runs[0])
    each = [first, *(scores(run)[1] for run in runs[1:])]
    shared = sorted(set.intersection(*(set(one.patients.tolist()) for one in each)))
    rows = [[one.patients.tolist().index(name) for name in shared] for one in each]
    clusters = np.array([owner[name] for name in shared])
    print(f"{len(shared)} rows of {len(set(clusters))} patients")
    for cut in staging.cuts:
        positive = first.at_cut(staging, cut)[0][rows[0]]
        said = np.stack([one.at_cut(staging, cut)[1][own] for one, own in zip(each, rows, strict=True)])
        found = delong(positive, said, clusters)
        for at, run in enumerate(runs):
            line = f"≥{cut} ({int(positive.sum())} of {len(shared)}): {run.name} {found.interval(at)}"
            apart = found.difference(at, 0) if at else None
            if apart is not None and apart.value is not None and apart.lo is not None and apart.hi is not None:
                line += f", {apart.value:+.3f} [{apart.lo:+.3f}, {apart.hi:+.3f}] against {runs[0].name}"
            print(line)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
