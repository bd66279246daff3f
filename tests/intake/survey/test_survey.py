"""What is in a folder is told without a plan, and the draft takes in what a plan written by hand takes in."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fibrostage import SIMULATED
from fibrostage.cli.app import app
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.privacy import VARIABLE
from fibrostage.intake.survey.survey import Surveyed, survey
from fibrostage.phantom.dicom_exams import SCANNERS
from fibrostage.phantom.layouts import LAYOUTS
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.run_plan import Plan
from fibrostage.report.survey_page import write_survey
from tests.intake.hospital import put, table

CHOICES = Choices(skip_bad=True, allow_duplicates=True)
SHAPE = Recipe(10, pictures=1, missing=0.0, format="dicom")


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("5a" * 32)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "key"))


def by_hand(path: Path) -> Plan:
    """The phantom's own plan without its quality floors, which are a judgement of nobody's files but its own."""
    text = (path / "plan.toml").read_text(encoding="utf-8")
    return Plan.parse({name: value for name, value in tomllib.loads(text).items() if name != "quality"})


def told_scales(plan: str) -> str:
    """The draft once its owner wrote what those colour bars mean whose numbers were not read, and took the # away."""
    for name, scanner in SCANNERS.items():
        layout = LAYOUTS[name]
        for block in re.findall(r"# \[\[stiffness\]\].*?\n\n|# \[\[stiffness\]\].*?\Z", plan, re.DOTALL):
            (device,) = re.findall(r'device = "(.*?)"', block)
            if re.search(device.replace("\\\\", "\\"), f"{scanner.manufacturer} {scanner.model}"):
                meant = block.replace("# ", "", 1).replace("\n# ", "\n")
                meant = re.sub(r"scale = [\d.]+", f"scale = {layout.scale:g}", meant)
                plan = plan.replace(block, meant.replace('unit = "kPa"', f'unit = "{layout.unit}"'))
    return plan


def taken(sources: Sources, plan: Plan, out: Path) -> Cohort:
    named = plan.model_copy(update={"cohort": plan.cohort.model_copy(update={"name": "one"})})
    return take_in(sources, out, named, choices=CHOICES)


def test_the_draft_makes_the_cohort_of_the_plan_written_by_hand_of_every_scanner(tmp_path: Path) -> None:
    hospital = tmp_path / "hospital"
    write_phantom(hospital, SHAPE)
    sources = Sources(hospital, hospital / "patients.csv")
    found = survey(sources)
    assert set(found.as_dict(named=False)["devices"]) >= {"Polar Five", "Glass Ultrasound G1"}  # type: ignore[arg-type]
    assert len({look.device for look in found.looks}) == len(SCANNERS)
    read = {one["device"]: (one["scale"], one["unit"]) for one in tomllib.loads(found.plan)["stiffness"]}
    for name, scanner in SCANNERS.items():
        meant = LAYOUTS[name].scale, LAYOUTS[name].unit
        assert read.get(f"^{scanner.manufacturer} {scanner.model}$", meant) == meant
    assert len(read) >= 6
    assert re.search(r"scale = \S+  # (UNSURE: )?read at \d+ of \d+ bars, confidence 0\.\d\d or more", found.plan)
    draft = taken(sources, Plan.parse(tomllib.loads(told_scales(found.plan))), tmp_path / "draft")
    hand = taken(sources, by_hand(hospital), tmp_path / "hand")
    assert hand.images["kpa"].count() > 5
    assert draft.fingerprint == hand.fingerprint
    assert found.taken == dict(hand.images.group_by("modality").len().iter_rows())
    assert "# [[mask]]" in found.plan  # of the scanner that marks no regions; behind a #, until somebody looked


def test_the_draft_of_listed_pictures_makes_the_cohort_of_the_plan_written_by_hand(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    write_phantom(folder, replace(SHAPE, patients=6, format="png"))
    sources = Sources(folder, folder / "patients.csv", folder / "images.csv")
    found = survey(sources)
    draft = taken(sources, Plan.parse(tomllib.loads(found.plan)), tmp_path / "draft")
    assert draft.fingerprint == taken(sources, by_hand(folder), tmp_path / "hand").fingerprint


def hospital(folder: Path) -> Sources:
    """Two people's exams, with a name in what a series is called, a copy, and a file that breaks off."""
    for number, who in enumerate(("00123456", "00654321")):
        for k in range(3):
            seed = 10 * number + k
            put(folder / "src", f"{who}/E{k}.dcm", who, seed, kpa=8.0, series_description="Liver SWE invented")
            put(folder / "src", f"{who}/B{k}.dcm", who, seed + 5, series_description="Abdomen (B)")
    data = (folder / "src" / "00123456" / "B0.dcm").read_bytes()
    (folder / "src" / "copy.dcm").write_bytes(data)
    (folder / "src" / "cut.dcm").write_bytes(data[: len(data) // 2])
    (folder / "src" / "note.bin").write_bytes(b"nothing")
    return Sources(folder / "src", table(folder, [["123456", 2], ["654321", "F4"]]))


def test_what_is_here_is_told_and_one_bad_file_among_good_ones_is_named(tmp_path: Path) -> None:
    found = survey(hospital(tmp_path))
    facts = found.as_dict(named=True)
    assert {name: facts[name] for name in ("files", "patients", "studies", "duplicates", "dates")} == {
        "files": 15, "patients": 2, "studies": 2, "duplicates": 1, "dates": ["2021-03-17", "2021-03-17"],
    }  # fmt: skip
    refused = dict(found.refused)
    assert set(refused) == {"cut.dcm", "note.bin"}
    assert "holds 0" in refused["cut.dcm"] or "breaks off" in refused["cut.dcm"]
    assert found.taken == {"LSTE": 6, "LUS": 7}
    plan = tomllib.loads(found.plan)
    assert [rule["series"] for rule in plan["rule"]] == ["^Abdomen \\(B\\)$", "^Liver SWE .*$"] or [
        rule["series"] for rule in plan["rule"]
    ] == ["^Liver SWE .*$", "^Abdomen \\(B\\)$"]
    assert plan["table"] == {"stages": {"2": "F2"}, "id_digits": 8}
    assert plan["staging"]["name"] == "METAVIR"


def test_nothing_that_leaves_the_survey_names_anybody(tmp_path: Path) -> None:
    found = survey(hospital(tmp_path))
    write_survey(found, tmp_path / "S")
    for name in ("index.html", "survey.json", "plan.toml"):
        text = re.sub(r'data:image/png;base64,[^"]+', "", (tmp_path / "S" / name).read_text(encoding="utf-8"))
        for word in ("invented", "00123456", "123456", "654321", "20210317", "2021-03-17", "cut.dcm", "1960"):
            assert word.casefold() not in text.casefold(), (name, word)
    assert json.loads((tmp_path / "S" / "survey.json").read_text())["dates"] == ["2021", "2021"]
    assert all(sample.pixels.shape[0] == 224 for sample in found.samples)


def test_folders_without_anything_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(IntakeError, match="no file that may hold a picture"):
        survey(Sources(tmp_path / "empty"))
    (tmp_path / "junk").mkdir()
    for name in ("a.bin", "b.dat"):
        (tmp_path / "junk" / name).write_bytes(b"nothing")
    with pytest.raises(IntakeError, match=r"2 files, and none of them.*\n  2 × not a readable PNG"):
        survey(Sources(tmp_path / "junk"))


def test_the_command_writes_a_page_and_a_draft_and_intake_without_a_plan_points_there(tmp_path: Path) -> None:
    source = hospital(tmp_path)
    words = ["survey", str(source.folder), "--patients", str(source.patients), "--out", str(tmp_path / "S"), "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["plan"] == (tmp_path / "S" / "plan.toml").read_text(encoding="utf-8")
    assert SIMULATED in facts["plan"]
    page = (tmp_path / "S" / "index.html").read_text(encoding="utf-8")
    assert page.count("<img") == 6
    again = CliRunner().invoke(app, words)
    assert "exists; choose another --out" in str(again.exception)
    pointed = CliRunner().invoke(app, ["intake", str(source.folder)])
    assert f"fibrostage survey {source.folder} --out SURVEY" in str(pointed.exception)


def test_a_survey_without_a_table_has_nobody_staged(tmp_path: Path) -> None:
    source = hospital(tmp_path)
    found: Surveyed = survey(Sources(source.folder))
    assert "nobody has a stage" in found.plan
    cohort = take_in(Sources(source.folder), tmp_path / "c", Plan.parse(tomllib.loads(found.plan)), choices=CHOICES)
    assert len(cohort.images) == 12  # the copy is kept once
