"""A clinic without a server: every step of a loop by command, as a person types it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fibrostage.cli.app import app
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import FibrostageError
from tests.conftest import Cut
from tests.loop import SMALL

SETS = [part for override in (*SMALL, "active.initial=3", "active.query=3") for part in ("--set", override)]


def run(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, (SystemExit, FibrostageError)):
        raise result.exception
    return result


def said(*words: object) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.output


def answer_all(worklist: Path, cohort: Cohort) -> None:
    truth = dict(zip(cohort.patient_ids, cohort.patients["stage"], strict=True))
    rows = list(csv.DictReader(worklist.open()))
    with worklist.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"stage": truth[row["patient_id"]]} for row in rows)


def test_from_the_first_question_to_a_model(cut: Cut, cohort: Cohort, tmp_path: Path) -> None:
    clinic, loop = cut("clinic", range(12), known=(0, 1, 2, 3)), tmp_path / "loop"
    assert "8 patients to ask about, 4 with a stage" in said("loop", "new", clinic.path, "--out", loop, *SETS)
    assert "why" in said("loop", "next", loop)
    sheet = said("loop", "next", loop, "--worklist", tmp_path / "w.csv", "--sheet", tmp_path / "sheet")
    assert "fill in 'stage'" in sheet
    answer_all(tmp_path / "w.csv", cohort)
    assert "3 answers to what was asked" in said("loop", "answer", loop, tmp_path / "w.csv", "--by", "Dr A")
    asked = json.loads(said("loop", "next", loop, "--json", "--quiet"))
    assert asked["round"] == 1
    assert set(asked["items"][0]) == {"item", "patient_id", "images", "score", "probabilities", "why", "cost"}
    said("loop", "fit", loop)
    stands = json.loads(said("loop", "status", loop, "--json", "--quiet"))
    assert (stands["labels"], stands["rounds"], stands["known"]) == (3, 2, 4)
    assert "the model of round 1" in said("loop", "status", loop)
    later = cut("later", range(12, 16))
    assert "4 new patients, 20 new pictures" in said("loop", "add", loop, later.path)
    assert "lies in" in said("loop", "add", loop, later.path)
    (tmp_path / "b.csv").write_text("patient_id,stage,comment\nP013,F4,biopsy\nP012,unsure,\n")
    assert "2 to what was not; 1 unsure" in said("loop", "answer", loop, tmp_path / "b.csv", "--by", "surgery")
    assert "P013: F3 stands" in said("loop", "settle", loop, "P013", "F3", "--by", "lead")
    assert "1 answers to P013 withdrawn" in said("loop", "withdraw", loop, "P013", "--reason", "mixed up")
    assert "4 answers in" in said("loop", "export", loop, "--out", tmp_path / "out.csv")
    assert "4 readings in" in said("loop", "export", loop, "--out", tmp_path / "r.csv", "--readings")
    assert "0 boxes in" in said("loop", "export", loop, "--out", tmp_path / "boxes.csv", "--boxes")
    assert "exists; choose another" in str(
        run("loop", "export", loop, "--out", tmp_path / "r.csv", "--readings").exception
    )
    assert "Krippendorff" in said("readers", tmp_path / "r.csv")
    assert "in dispute" in said("ledger", "show", loop) or "labelled" in said("ledger", "show", loop)
    assert "fibrostage predict" in said("loop", "stop", loop, "--reason", "enough", "--by", "lead")
    assert "the loop has ended: enough" in said("loop", "next", loop)
    assert "16 patients staged" in said("predict", loop, cut("all", range(16)).path, "--out", tmp_path / "p.csv")


def test_what_goes_wrong_is_one_line(cut: Cut, tmp_path: Path) -> None:
    clinic, loop = cut("clinic", range(8), known=(0, 1)), tmp_path / "loop"
    said("loop", "new", clinic.path, "--out", loop, *SETS)
    for words, message in (
        (("next", tmp_path / "nowhere"), "is no loop"),
        (("answer", loop, tmp_path / "none.csv"), "cannot read the answers"),
        (("add", loop, tmp_path / "none"), "is not a cohort"),
        (("fit", loop), "has asked for nothing yet"),
        (("withdraw", loop, "P1", "--reason", "x"), "has no answer to withdraw"),
        (("new", clinic.path, "--out", loop), "is not empty"),
        (("new", clinic.path, "--out", tmp_path / "b", "--set", "loop.audit=1.5"), "loop.audit"),
        (("new", clinic.path, "--out", tmp_path / "b", "--set", "loop.audits=0.2"), "audit"),
    ):
        result = run("loop", *words)
        assert result.exit_code != 0, words
        assert message in str(result.exception) + result.output, words


@pytest.mark.parametrize(
    "command", ["new", "next", "answer", "fit", "status", "add", "settle", "withdraw", "export", "stop"]
)
def test_every_command_helps(command: str) -> None:
    assert "LOOP" in said("loop", command, "--help")
