"""LiveFbr's first validation table (147 biopsied patients with fatty liver) as a P.csv for `fibrostage markers`.

    python examples/serum/convert.py livefbr_validation1.csv P.csv
    fibrostage markers P.csv --out M.csv

Maps columns and nothing else: S0–S4 stay as they are, albumin is in g/dL already, and the table's own FIB4 and NFS
come along as fib4_given and nfs_given to check against.
"""

import csv
import sys
from pathlib import Path

COLUMNS = {
    "FBID": "patient_id",
    "Fibrosis": "stage",
    "Age": "age",
    "ALT": "alt",
    "AST": "ast",
    "GGT": "ggt",
    "PLT": "platelets",
    "ALB": "albumin",
    "BMI": "bmi",
    "DM.IFG": "ifg_dm",
    "FIB4": "fib4_given",
    "NFS": "nfs_given",
}


def convert(source: Path, target: Path) -> int:
    """Writes P.csv; returns the number of patients."""
    with source.open(newline="", encoding="utf-8-sig") as file:
        rows = [{new: row[old].strip() for old, new in COLUMNS.items()} for row in csv.DictReader(file)]
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(COLUMNS.values()))
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    count = convert(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{count} patients in {sys.argv[2]}", file=sys.stderr)
