"""Public liver B-mode pictures with METAVIR stages (Joo et al.) → our two CSVs, one modality LUS.

The pictures carry no patient ids. Groups of near-duplicate pictures stand in for patients, which is the best
grouping there is and still lets one patient's different pictures fall on both sides of a split. A group that
holds two stages would be an error; there is none.

    python examples/liver_f0f4/convert.py LIVER/manifest.csv OUT
"""

import csv
import sys
from pathlib import Path


def main(manifest: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with manifest.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    group = {row["file"]: f"G{int(row['near_duplicate_group']):04d}" for row in rows}
    stages: dict[str, set[str]] = {}
    for row in rows:
        stages.setdefault(group[row["file"]], set()).add(row["stage"])
    mixed = {name for name, found in stages.items() if len(found) > 1}
    if mixed:
        sys.exit(f"groups with two stages: {sorted(mixed)}")
    with (out / "patients.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["patient_id", "stage"])
        writer.writerows([name, *found] for name, found in stages.items())
    with (out / "images.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", "modality"])
        writer.writerows([row["file"], group[row["file"]], "LUS"] for row in rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
