"""The commands that the documents print, and folders in which they can be run as they stand."""

from __future__ import annotations

import atexit
import csv
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from fibrostage.cli.app import app
from fibrostage.dicom.web import WebArchive
from fibrostage.ground.shards import RayShards, Work
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.take_in import Sources, take_in
from fibrostage.loop.answers import Answer, take
from fibrostage.loop.opened import open_loop
from fibrostage.networks.backbones import BACKBONES
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.recipes import RECIPES
from fibrostage.plan.run_plan import Plan
from fibrostage.report.pdf import pdf_of
from tests.conftest import write_rows
from tests.dicom.videos import coded

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("fibrostage", "python", "make", "pip", ".venv/bin")
MODALITIES = ("LSTE", "LUS")


def documents() -> list[Path]:
    """What people read; docs/commands.md is made from the commands themselves."""
    docs = [path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "decisions"]
    docs = [path for path in docs if path.name not in ("commands.md", "lab-notes.md")]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *docs]


def commands_of(document: Path) -> Iterator[list[str]]:
    """The commands of a document in their order, each as its words: lines of code blocks, and code within a sentence
    that names more than a command."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    for block, inline in re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", text, re.S):
        for line in (block or inline).splitlines():
            if not line.strip().startswith(TOOLS):
                continue
            words = shlex.split(line, comments=True)
            if block or len(words) > 2:
                yield words


def clinic(folder: Path) -> None:
    """A hospital's folder and CSVs under the names that documents use, simulated: SRC, ARCHIVE, plan.toml …"""
    shutil.copytree(one_clinic(), folder, dirs_exist_ok=True)


@cache
def one_clinic() -> Path:
    """The clinic that every document's is a copy of."""
    folder = Path(tempfile.mkdtemp(prefix="fibrostage-clinic-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_clinic(folder)
    return folder


def make_clinic(folder: Path) -> None:
    """Simulates the clinic."""
    shape = Recipe(24, modalities=MODALITIES, pictures=1)
    write_phantom(folder / "SRC", shape)
    write_phantom(folder / "ARCHIVE", replace(shape, patients=5, format="dicom"))
    people = list(csv.DictReader((folder / "SRC" / "patients.csv").open(encoding="utf-8")))
    blank = [row | {"stage": ""} if number in (5, 15) else row for number, row in enumerate(people)]
    write_rows(folder / "patients.csv", list(people[0]), [list(row.values()) for row in blank])
    both = [list(csv.DictReader((folder / src / "patients.csv").open(encoding="utf-8"))) for src in ("SRC", "ARCHIVE")]
    known = [row for rows in both for row in rows]
    write_rows(folder / "P.csv", list(known[0]), [[row.get(name, "") for name in known[0]] for row in known])
    for name in ("images.csv", "I.csv"):
        shutil.copy(folder / "SRC" / "images.csv", folder / name)
    plan = (folder / "ARCHIVE" / "plan.toml").read_text(encoding="utf-8")
    (folder / "plan.toml").write_text(plan + "\n[training]\nepochs = 2\n", encoding="utf-8")
    rows: list[list[object]] = [[k % 2, k % 2 + (k * 7 % 5) / 3, (k * 3 % 11) / 9] for k in range(40)]
    write_rows(folder / "S.csv", ["y", "A", "B"], rows)


def pull_archive(archive: WebArchive, query: str, folder: Path, *_: object) -> None:
    """Stands in for an archive over DICOMweb (tests/intake has a real one): it has what ARCHIVE has."""
    shutil.copytree("ARCHIVE", folder, dirs_exist_ok=True)


def sheets_once() -> Callable[[str], bytes]:
    """Stands in for setting patients' pages as PDF, which takes a second each (tests/deploy has them): the first is
    set, and the others are like it."""
    made: list[bytes] = []

    def like_the_first(html: str) -> bytes:
        made.extend([] if made else [pdf_of(html)])
        return made[0]

    return like_the_first


def in_this_process(
    _engine: RayShards, work: Work[Any, Any], items: Sequence[Any], *_: object, **_named: object
) -> Iterator[Any]:
    """What a cluster would do of a command's work, item by item."""
    for item in items:
        yield from work([item])


def cohort_of(folder: Path, name: str) -> None:
    """The clinic's cohort, as 'intake' makes it."""
    sources = Sources(folder / "SRC", folder / "patients.csv", folder / "images.csv")
    take_in(sources, folder / name, Plan.load(folder / "plan.toml"), Choices())


def other_hospital(folder: Path) -> None:
    """OTHER_COHORT: patients who are nobody's of COHORT."""
    source = folder / "ELSEWHERE"
    write_phantom(source, Recipe(12, 9, modalities=MODALITIES, pictures=1))
    sources = Sources(source, source / "patients.csv", source / "images.csv")
    take_in(sources, folder / "OTHER_COHORT", Plan.load(folder / "plan.toml"), Choices())


def clinic_of_a_loop(folder: Path) -> None:
    """COHORT of patients P000 …, few of whom have a stage, and the exams of another month in MAY."""
    for source, letter, seed, known in (("JAN", "P", 0, 6), ("MAY", "M", 9, 2)):
        write_phantom(folder / source, Recipe(18, seed, modalities=MODALITIES, pictures=1))
        for table in ("patients.csv", "images.csv"):
            text = (folder / source / table).read_text(encoding="utf-8")
            rows = list(csv.DictReader(re.sub(r"(?<=[\n,])SIM0(?=\d{3},)", letter, text).splitlines()))
            if table == "patients.csv":
                rows = [row if number < known else row | {"stage": ""} for number, row in enumerate(rows)]
            write_rows(folder / f"{source}_{table}", list(rows[0]), [list(row.values()) for row in rows])
    (folder / "plan.toml").write_text(
        (folder / "JAN" / "plan.toml").read_text(encoding="utf-8") + "\n[training]\nepochs = 2\n", encoding="utf-8"
    )
    sources = Sources(folder / "JAN", folder / "JAN_patients.csv", folder / "JAN_images.csv")
    take_in(sources, folder / "COHORT", Plan.load(folder / "plan.toml"), Choices())
    for month in ("JAN", "MAY"):
        shutil.move(folder / f"{month}_patients.csv", folder / f"{month.lower()}.csv")
        shutil.move(folder / f"{month}_images.csv", folder / f"{month.lower()}_images.csv")
    shutil.copytree(folder / "COHORT", folder / "OTHER_COHORT")


def sites_and_months(folder: Path) -> None:
    """FEBRUARY, exams that came later than those of ARCHIVE, and LYON, which does not say its site, and of whose
    patients one withdrew."""
    write_phantom(folder / "FEBRUARY", Recipe(7, 9, modalities=MODALITIES, pictures=1, format="dicom"))
    write_phantom(folder / "LYON", Recipe(8, 11, modalities=MODALITIES, pictures=1))
    people = list(csv.DictReader((folder / "LYON" / "patients.csv").open(encoding="utf-8")))
    own = [name for name in people[0] if name != "site"]
    write_rows(folder / "LYON" / "patients.csv", own, [[row[name] for name in own] for row in people])
    write_rows(folder / "withdrawn.csv", ["patient_id"], [[people[3]["patient_id"]]])


def draw_a_box(folder: Path) -> None:
    """A reader of the loop in `folder` who has said nothing yet says a stage, and draws a box anew on an elastogram:
    what somebody says again is told once."""
    with open_loop(folder) as loop:
        one = loop.setting.cohort.images_of("LSTE").row(7, named=True)
        box = {"boxes": {one["sha256"]: [60, 70, 90, 80]}}
        take(loop, [Answer("F2", patient_id=one["patient_id"])], "Dr Second", box)


def fill_in(worklist: Path) -> None:
    """Answers a worklist as somebody would, and tells of P017 too."""
    rows = list(csv.DictReader(worklist.open(encoding="utf-8")))
    filled = [row | {"stage": f"F{number % 5}"} for number, row in enumerate(rows)]
    if not any(row["patient_id"] == "P017" for row in rows):
        filled.append(dict.fromkeys(rows[0], "") | {"patient_id": "P017", "stage": "F3"})
    write_rows(worklist, list(rows[0]), [list(row.values()) for row in filled])


def examples(folder: Path) -> None:
    """Our examples, their grids cut to two strategies, one seed and one fold, and their training to an epoch."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    for path in (folder / "examples").rglob("*.toml"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"^seeds = \[(\d+).*?\]", r"seeds = [\1]", text, flags=re.M)
        text = re.sub(r"^folds = \[(\d+).*?\]", r"folds = [\1]", text, flags=re.M)
        text = re.sub(r"^strategies = \[\s*\"(?:[^\]])*\]", 'strategies = ["random", "esd"]', text, flags=re.M)
        text = re.sub(r"^shares = \[.*?\]", "shares = [0.3, 1.0]", text, flags=re.M | re.S)
        text = re.sub(r"^epochs = \d+", "epochs = 1", text, flags=re.M)
        text = re.sub(r"^(plan\.network\.name = .*)", r"\1\nplan.training.epochs = 1", text, flags=re.M)
        if "[grid]" in text and "[plan.training]" not in text:
            text += "\n[plan.training]\nepochs = 1\n"
        path.write_text(text, encoding="utf-8")


def elastograms_only(folder: Path) -> None:
    """I.csv with the elastograms alone, as a study of crops needs it."""
    rows = list(csv.reader((folder / "I.csv").open(encoding="utf-8")))
    at = rows[0].index("modality")
    write_rows(folder / "I.csv", rows[0], [list(row) for row in rows[1:] if row[at] == "LSTE"])


def crops_cohorts(folder: Path) -> None:
    """examples/dlre/cohort and lesions, as docs/dlre.md makes them."""
    dlre = folder / "examples" / "dlre"
    elastograms_only(folder)
    sources = Sources(folder / "SRC", folder / "P.csv", folder / "I.csv")
    take_in(sources, dlre / "cohort", Plan.load(dlre / "elastograms.toml"), Choices())
    breast_set(folder)
    convert, table = folder / "examples/busbra/convert.py", folder / "BUSBRA/bus_data.csv"
    subprocess.run([sys.executable, convert, table, folder / "CSVS"], check=True)
    lesions = Sources(folder / "BUSBRA", folder / "CSVS/patients_pathology.csv", folder / "CSVS/crops.csv")
    take_in(lesions, dlre / "lesions", Plan.load(dlre / "lesions.toml"), Choices(accept_unmasked=True))


def cohorts_of_the_papers(folder: Path) -> None:
    """COHORT with the four modalities of the MMFN paper; CROPS and LESIONS of 250×250 pixels, as the DLRE network reads
    them."""
    crops_cohorts(folder)
    for made, name in (("cohort", "CROPS"), ("lesions", "LESIONS")):
        shutil.move(folder / "examples" / "dlre" / made, folder / name)
    source = folder / "FOUR"
    write_phantom(source, Recipe(20, pictures=1, missing=0.0))
    sources = Sources(source, source / "patients.csv", source / "images.csv")
    take_in(sources, folder / "COHORT", Plan.load(source / "plan.toml"), Choices())


def cut_recipes(patch: pytest.MonkeyPatch) -> None:
    """The papers' studies with one seed and a round, the first modalities of each grid, an epoch of training."""
    for name in ("paper-mmfn-small", "paper-dlre"):
        data = RECIPES[name].data
        for grid in (data["grid"], *data.get("also", ())):
            patch.setitem(grid, "seeds", [0])
            patch.setitem(grid, "modalities", grid["modalities"][:1])
        patch.setitem(data["plan"]["training"], "epochs", 1)
        if "active" in data["plan"]:
            patch.setitem(data["plan"]["active"], "rounds", 1)
        for source in data.get("source", {}).values():
            patch.setitem(source["plan"]["training"], "epochs", 1)


def command_here(command: Sequence[object], **_: object) -> subprocess.CompletedProcess[str]:
    """Stands in for `subprocess.run` where a script calls a command: the command is run in this process."""
    assert list(command[:3]) == [sys.executable, "-m", "fibrostage.cli.app"], command
    done = CliRunner().invoke(app, [str(word) for word in command[3:]], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return subprocess.CompletedProcess(list(command), done.exit_code, done.stdout)


def script(words: list[str], patch: pytest.MonkeyPatch) -> None:
    """Runs a Python script with its arguments in this process, the commands that it calls too."""
    with patch.context() as own:
        own.setattr(sys, "argv", words)
        own.setattr(subprocess, "run", command_here)
        runpy.run_path(words[0], run_name="__main__")


def study_file(folder: Path) -> None:
    """STUDY.toml: a grid of two runs on COHORT."""
    (folder / "STUDY.toml").write_text(
        'name = "two strategies"\ncohort = "COHORT"\n[grid]\nmodalities = [["LSTE", "LUS"]]\n'
        'strategies = ["random", "esd"]\nseeds = [0]\n[plan.active]\nrounds = 1\n[plan.training]\nepochs = 2\n',
        encoding="utf-8",
    )


def breast_set(folder: Path) -> None:
    """BUSBRA: a made-up set with the published one's table and layout."""
    rng = np.random.default_rng(0)
    (folder / "BUSBRA" / "Images").mkdir(parents=True)
    rows: list[list[object]] = []
    for case in range(1, 21):
        malignant = case % 2
        for side in ("left", "right") if case % 5 else ("single",):
            name = f"bus_{case:04d}-{side[0]}"
            pixels = np.kron(rng.integers(20, 200, (6, 8, 1)), np.ones((50, 40, 3))).astype(np.uint8)
            pixels[100:180, 120:200] = 20 + 60 * malignant + rng.integers(0, 25)
            Image.fromarray(pixels).save(folder / "BUSBRA" / "Images" / f"{name}.png")
            pathology = "malignant" if malignant else "benign"
            rows.append([name, case, pathology, 2 + case % 4, side, case % 5 + 1, "maker", 320, 300, "[120,100,80,80]"])
    header = ["ID", "Case", "Pathology", "BIRADS", "Side", "Fold5", "Device", "Width", "Height", "BBOX"]
    write_rows(folder / "BUSBRA" / "bus_data.csv", header, rows)


def resnet50_file(folder: Path) -> None:
    """WEIGHTS/resnet50.pth: the shapes and names of the published file, its numbers drawn."""
    (folder / "WEIGHTS").mkdir()
    torch.save(BACKBONES["resnet50"].build().state_dict(), folder / "WEIGHTS" / "resnet50.pth")


def liver_set(folder: Path) -> None:
    """LIVER: a made-up set with the public one's manifest."""
    rng = np.random.default_rng(0)
    (folder / "LIVER" / "images").mkdir(parents=True)
    with (folder / "LIVER" / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "stage", "near_duplicate_group"])
        for k in range(20):
            pixels = np.kron(rng.integers(0, 60, (5, 6)) + 30 * (k % 5), np.ones((40, 40))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "LIVER" / "images" / f"{k:03d}.png")
            writer.writerow([f"images/{k:03d}.png", f"F{k % 5}", k])


def lung_set(folder: Path) -> None:
    """BLUES: a made-up set with the published one's tables and layout, some loops of a handful of frames."""
    rng = np.random.default_rng(0)
    videos = folder / "BLUES" / "lus_videos"
    videos.mkdir(parents=True)
    values = ("pat_sex", "pat_age", "pat_bmi", "respiratory_rate", "pulse", "oxygen_saturation_without_ox",
              "body_temperature", "CRP", "LDH_find", "leucocytes_find", "lymphocytes", "trombocytes_find",
              "hg_find")  # fmt: skip
    people: list[list[object]] = []
    loops: list[list[object]] = []
    for number in range(1, 17):
        points = ("L1", "L2", "L3", "R1", "R2", "R3", "R3_2")[: 5 if number % 5 == 0 else 7]
        people.append(
            [number, f"{number % 2}.0", 40.0 + number, -99, *(20 + number + k for k in range(len(values) - 3))]
        )
        for at, point in enumerate(points):
            name = f"patient_{number}_{point}"
            loops.append([name, f"{max(0, number % 4 - at // 3)}.0"])
            tissue = np.kron(rng.integers(20, 200, (8, 8)), np.ones((8, 8)))
            frames = [tissue + rng.normal(0, 12, tissue.shape) for _ in range(2)]
            shown = [np.clip(frame, 0, 255).astype(np.uint8) for frame in frames]
            (videos / f"{name}.mp4").write_bytes(coded(shown, "libx264", "mp4"))
    write_rows(folder / "BLUES" / "clinical_variables.csv", ["patient_id", *values], people)
    write_rows(folder / "BLUES" / "severity.csv", ["video_file", "Severity Score"], loops)
