"""COVID-BLUES's tables → our two CSVs, once a patient and once a loop: six views of the lung, and measurements.

COVID-BLUES (Wiedemann et al., IEEE Journal of Biomedical and Health Informatics 2025) holds up to six ultrasound loops
a patient, one a point of the BLUE protocol (L1 … R3), a severity from 0 to 3 a loop that two experts agreed upon, and
clinical values of the admission. It says nothing about livers. `patients.csv` takes a patient's gravest loop for the
stage; `loops.csv` has a row a loop, under its own score, and names the patient in `duplicate_group`, so that loops of
one patient never lie on both sides of a split and count as one in an interval.

    python examples/blues/convert.py BLUES OUT
"""

import csv
import re
import sys
from pathlib import Path

# What is known of a patient at admission: theirs → ours. Diagnoses, the virus test and outcomes stay out.
VALUES = {
    "pat_age": "age", "pat_bmi": "bmi", "respiratory_rate": "respiratory_rate", "pulse": "pulse",
    "oxygen_saturation_without_ox": "spo2", "body_temperature": "temperature", "CRP": "crp", "LDH_find": "ldh",
    "leucocytes_find": "leucocytes", "lymphocytes": "lymphocytes", "trombocytes_find": "platelets",
    "hg_find": "haemoglobin",
}  # fmt: skip
SEXES = {"0.0": "female", "1.0": "male"}
MISSING = ("", "-99", "-99.0")
LOOP = re.compile(r"patient_(\d+)_([LR][123])(_2)?")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def measurements(row: dict[str, str]) -> list[str]:
    return [SEXES[row["pat_sex"]], *("" if row[name] in MISSING else row[name] for name in VALUES)]


def main(source: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    clinical = {row["patient_id"]: measurements(row) for row in rows_of(source / "clinical_variables.csv")}
    loops, pictures, loop_pictures, gravest = [], [], [], {}
    for row in rows_of(source / "severity.csv"):
        name, score = row["video_file"], str(int(float(row["Severity Score"])))
        found = LOOP.fullmatch(name)
        if found is None:
            sys.exit(f"severity.csv: {name!r} names no patient and point as patient_1_L1 does")
        patient, file = f"BLUES{int(found[1]):02d}", f"lus_videos/{name}.mp4"
        gravest[found[1]] = max(gravest.get(found[1], "0"), score)
        pictures.append([file, patient, found[2]])
        loops.append([name, score, patient])
        loop_pictures.append([file, name, "LUNG"])
    people = [[f"BLUES{int(key):02d}", gravest[key], *clinical[key]] for key in gravest]
    write(out / "patients.csv", ["patient_id", "stage", "sex", *VALUES.values()], people)
    write(out / "images.csv", ["file", "patient_id", "modality"], pictures)
    write(out / "loops.csv", ["patient_id", "stage", "duplicate_group"], loops)
    write(out / "loop_images.csv", ["file", "patient_id", "modality"], loop_pictures)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
