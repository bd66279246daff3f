"""BUS-BRA's published table → our two CSVs: two views a patient as modalities LEFT and RIGHT.

BUS-BRA (Gómez-Flores et al., Medical Physics 2023) holds breast B-mode pictures, most patients with two views of
one lesion (the halves of a dual screen). It exercises the machinery on real ultrasound and says nothing about
liver or elastography. A picture whose Side is "single" is the patient's only view and goes in as LEFT: these
patients have one view and are kept. crops.csv has every picture as the one modality BREAST, with a click on the centre
of the lesion: the DLRE paper's kind of source task (examples/dlre).

    python examples/busbra/convert.py BUSBRA/bus_data.csv OUT
"""

import csv
import json
import sys
from pathlib import Path

MODALITY = {"left": "LEFT", "single": "LEFT", "right": "RIGHT"}


def main(table: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    patients: dict[str, dict[str, str]] = {}
    for row in rows:  # two views of one lesion may be read differently: the graver assessment counts
        known = patients.setdefault(row["Case"], dict(row))
        known["BIRADS"] = max(known["BIRADS"], row["BIRADS"])
    for label, column in (("pathology", "Pathology"), ("birads", "BIRADS")):
        with (out / f"patients_{label}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["patient_id", "stage", "fold", "device"])
            for case, row in patients.items():
                writer.writerow([f"BUS{int(case):04d}", row[column], row["Fold5"], row["Device"]])
    with (out / "images.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", "modality"])
        for row in rows:
            patient = f"BUS{int(row['Case']):04d}"
            writer.writerow([f"Images/{row['ID']}.png", patient, MODALITY[row["Side"]]])
    with (out / "crops.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", "modality", "click_x", "click_y"])
        for row in rows:
            x, y, width, height = json.loads(row["BBOX"])
            centre = min(x + width // 2, int(row["Width"]) - 1), min(y + height // 2, int(row["Height"]) - 1)
            writer.writerow([f"Images/{row['ID']}.png", f"BUS{int(row['Case']):04d}", "BREAST", *centre])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
