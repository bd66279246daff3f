"""Plays a clinic on SIMULATED patients, from no label to a stop, with nothing but the public commands and worklists.

    python examples/clinic/play.py SOURCE OTHERS FOLDER [--rounds 12] [--question 10] [--months 2]

SOURCE and OTHERS are folders of 'fibrostage phantom'. SOURCE's patients come to the clinic in as many parts as months;
nobody knows a stage. Each round a worklist is written, filled in by this script as a reader would, and answered. After
each fit the accuracy that the audits estimate stands beside the truth: the same model on OTHERS, patients who have
nothing to do with the loop. FOLDER gets curve.csv and curve.png.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt

WORTH_STOPPING = "stopping is reasonable"


def fibrostage(*words: object) -> str:
    """Runs a command and returns what it printed on stdout."""
    return subprocess.run(
        [sys.executable, "-m", "fibrostage.cli.app", *map(str, words)], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def intake(source: Path, patients: Path, images: Path, cohort: Path) -> Path:
    """Takes pictures in; simulated speckle now and then looks alike, which is no reason to stop."""
    fibrostage(
        "intake", source, "--patients", patients, "--images", images, "--plan", source / "plan.toml",
        "--group-near-duplicates", "--out", cohort,
    )  # fmt: skip
    return cohort


def months(source: Path, folder: Path, count: int) -> list[Path]:
    """The clinic's cohorts, a part of the patients each, with the stages taken out."""
    people, pictures, cohorts = rows_of(source / "patients.csv"), rows_of(source / "images.csv"), []
    for month in range(count):
        own = [row | {"stage": ""} for row in people[month::count]]
        ids = {row["patient_id"] for row in own}
        patients = write_rows(folder / f"patients-{month}.csv", own)
        images = write_rows(folder / f"images-{month}.csv", [row for row in pictures if row["patient_id"] in ids])
        cohorts.append(intake(source, patients, images, folder / f"month-{month}"))
    return cohorts


def truth_of(loop: Path, others: Path, known: dict[str, str], out: Path) -> float:
    """The share of patients who have nothing to do with the loop that its model stages rightly."""
    fibrostage("predict", loop, others, "--out", out)
    staged = rows_of(out)
    return sum(row["stage"] == known[row["patient_id"]] for row in staged) / len(staged)


def play(source: Path, others: Path, folder: Path, rounds: int, question: int, parts: int) -> list[dict[str, str]]:
    """Plays the clinic; returns a row a round."""
    folder.mkdir(parents=True)
    reader = {row["patient_id"]: row["stage"] for row in rows_of(source / "patients.csv")}
    elsewhere = {row["patient_id"]: row["stage"] for row in rows_of(others / "patients.csv")}
    cohorts = months(source, folder, parts)
    unseen = intake(others, others / "patients.csv", others / "images.csv", folder / "others")
    loop, curve = folder / "loop", []
    fibrostage(
        "loop", "new", cohorts[0], "--out", loop,
        "--set", f"active.initial={question}", "--set", f"active.query={question}",
    )  # fmt: skip
    for round_ in range(rounds):
        worklist = folder / f"worklist-{round_}.csv"
        if round_ and round_ % 3 == 0 and round_ // 3 < parts:
            fibrostage("loop", "add", loop, cohorts[round_ // 3])  # the next month's patients have come
        fibrostage("loop", "next", loop, "--worklist", worklist)
        asked = rows_of(worklist)
        if not asked:
            break
        write_rows(worklist, [row | {"stage": reader[row["patient_id"]]} for row in asked])
        fibrostage("loop", "answer", loop, worklist, "--by", "simulated reader")
        fibrostage("loop", "fit", loop)
        status = json.loads(fibrostage("loop", "status", loop, "--json"))
        truth = truth_of(loop, unseen, elsewhere, folder / f"staged-{round_}.csv")
        curve.append(row_of(status, truth))
        print(", ".join(f"{key} {value}" for key, value in curve[-1].items()))
        if WORTH_STOPPING in status["sentence"]:
            fibrostage("loop", "stop", loop, "--reason", status["sentence"], "--by", "lead")
            break
    return curve


def row_of(status: dict, truth: float) -> dict[str, str]:
    """A round: labels, and the model's accuracy by audits, by weighted answers, naively, and in truth."""
    row = {"labels": str(status["labels"]), "audits": str(status["n_audit"]), "truth": f"{truth:.3f}"}
    for which, figures in status["estimates"].items():
        for end in ("value", "lo", "hi"):
            value = figures["accuracy"][end]
            row[which if end == "value" else f"{which}_{end}"] = "" if value is None else f"{value:.3f}"
    return row


def draw(curve: list[dict[str, str]], path: Path) -> None:
    """The curve: what the audits say, with intervals, beside the truth."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    labels = [int(row["labels"]) for row in curve]
    audit = [
        (label, *(float(row[f"audit{end}"]) for end in ("", "_lo", "_hi")))
        for label, row in zip(labels, curve, strict=True)
        if row["audit"]
    ]
    x, value, lo, hi = zip(*audit, strict=True)
    axes.fill_between(x, lo, hi, alpha=0.2, label="its 95 % interval")
    axes.plot(x, value, marker="o", label="accuracy by the audits")
    naive = [(label, float(row["naive"])) for label, row in zip(labels, curve, strict=True) if row.get("naive")]
    if naive:
        axes.plot(*zip(*naive, strict=True), linestyle=":", marker=".", label="of what was asked for, unweighted")
    axes.plot(labels, [float(row["truth"]) for row in curve], color="black", label="truth: patients of elsewhere")
    axes.set(xlabel="labels", ylabel="accuracy", ylim=(0, 1), title="A clinic's loop · SIMULATED")
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("others", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--question", type=int, default=10)
    parser.add_argument("--months", type=int, default=2)
    given = parser.parse_args()
    curve = play(given.source, given.others, given.folder, given.rounds, given.question, given.months)
    write_rows(given.folder / "curve.csv", curve)
    draw(curve, given.folder / "curve.png")


if __name__ == "__main__":
    main()
