"""Damaged ledgers, and events and labels that go out and come back."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from fibrostage.active.query_units import query_unit
from fibrostage.campaign.carried_labels import carry
from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.learn.task import make_task
from fibrostage.ledger.export import export
from fibrostage.ledger.ledger import FILE, read_events
from fibrostage.ledger.restore import restore_events
from fibrostage.ledger.state import replay
from fibrostage.plan.run_plan import Plan

QUICK = ("training.epochs=2", "active.rounds=3", "active.passes=3")


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "truncated":
        content = content[: len(content) * 2 // 3]
    elif how == "overwritten":
        content[:] = b"this is no database " * (len(content) // 20)
    elif how == "zeroed":
        at = len(content) // 2
        content[at : at + 4096] = bytes(4096)
    path.write_bytes(content)


@pytest.fixture(scope="module")
def finished(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.conftest import plan_data

    out = tmp_path_factory.mktemp("finished") / "run"
    run_active(cohort, Plan.parse(plan_data(), QUICK), out)
    for name in (f"{FILE}-wal", f"{FILE}-shm"):
        assert not (out / name).exists(), "a closed ledger is one file"
    return out


@pytest.mark.parametrize("how", ["truncated", "overwritten", "zeroed", "edited"])
def test_a_damaged_ledger_is_said_to_be_and_its_labels_are_carried_over(
    finished: Path, cohort: Cohort, tmp_path: Path, how: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    before = read_events(run)
    if how == "edited":
        with sqlite3.connect(run / FILE) as database:
            database.execute("UPDATE fibrostage_events SET stage = 4 WHERE seq = 9")
    else:
        damage(run / FILE, how)
    plan = Plan.load(run / "plan.json")
    with pytest.raises(RunError, match="ledger"):
        run_active(cohort, plan, run, resume=True)
    if how == "overwritten":
        with pytest.raises(RunError, match="nothing can be read"):
            export(run, tmp_path / "e.jsonl")
        return
    count, sound = export(run, tmp_path / "e.jsonl")
    assert not sound
    saved = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert 3 <= count == len(saved) < len(before)
    assert [line["digest"] for line in saved] == [event.digest for event in before[:count]]
    restore_events(tmp_path / "e.jsonl", run)
    assert (run / f"{FILE}.damaged").is_file()
    assert read_events(run) == before[:count]
    # the round's weights are those of the run's end, so it is the labels that go on, in a new run
    export(run, tmp_path / "labels.csv")
    task = make_task(cohort, plan)
    units = query_unit("candidate", task.space)
    brought = carry(tmp_path / "labels.csv", units, cohort.patient_ids, plan.staging.resolve().classes)
    curve = run_active(cohort, plan, tmp_path / "again", carried=lambda units: brought)
    assert curve["items"][0] == len(brought.items) == len(replay(before[:count]).labels)
    first = replay(read_events(tmp_path / "again"))
    assert {i: s for i, s in first.labels.items() if first.label_rounds[i] == 0} == replay(before[:count]).labels


def test_events_go_out_and_come_back_bit_for_bit(finished: Path, cohort: Cohort, tmp_path: Path) -> None:
    count, sound = export(finished, tmp_path / "e.jsonl")
    assert sound
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with pytest.raises(RunError, match="is sound and has events"):
        restore_events(tmp_path / "e.jsonl", run)
    for path in run.glob("ledger*"):
        path.unlink()
    assert restore_events(tmp_path / "e.jsonl", run) == count
    assert read_events(run) == read_events(finished)
    again = run_active(cohort, Plan.load(run / "plan.json"), run, resume=True)
    assert again.equals(pl.read_parquet(finished / "curve.parquet"))


def test_bad_imports_and_exports(finished: Path, cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"\.jsonl \(every event\) or \.csv"):
        export(finished, tmp_path / "e.txt")
    export(finished, tmp_path / "e.jsonl")
    with pytest.raises(RunError, match="exists"):
        export(finished, tmp_path / "e.jsonl")
    with pytest.raises(RunError, match="holds no ledger"):
        read_events(tmp_path)
    lines = (tmp_path / "e.jsonl").read_text().splitlines()
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for content, message in (
        ("", "holds no events"),
        ("{not json", "line 1 is not an event"),
        ("\n".join([*lines[:4], lines[4].replace('"round": 0', '"round": 1')]), "line 5 is not as it was exported"),
    ):
        (tmp_path / "bad.jsonl").write_text(content)
        with pytest.raises(RunError, match=message):
            restore_events(tmp_path / "bad.jsonl", run)
    export(finished, tmp_path / "l.csv")
    text = (tmp_path / "l.csv").read_text()
    row = text.splitlines()[1]
    patient = row.split(",")[2]
    units = query_unit("candidate", make_task(cohort, Plan.load(run / "plan.json")).space)
    classes = ("F0", "F1", "F2", "F3", "F4")
    for content, message in (
        (text.replace("patient_id", "patient"), "column 'patient_id' is missing"),
        (text.replace(row, row.replace(patient, "P999")), "another cohort's labels"),
        (text.replace(row, row.replace("candidate,", "patient,", 1)), "a label of a patient; this run asks"),
        (text.replace(row, row.replace("labelled,F", "labelled,S")), "stage 'S"),
        (text.replace(row, "candidate,99999" + row[row.index(",", 10) :]), "item '99999'; items run from 0 to"),
        (text + row + "\n", "an item occurs twice"),
        (text.splitlines()[0], "has a header and no rows"),
    ):
        (tmp_path / "bad.csv").write_text(content)
        with pytest.raises(PlanError, match=message):
            carry(tmp_path / "bad.csv", units, cohort.patient_ids, classes)


def test_labels_saved_by_a_spreadsheet_are_read(finished: Path, cohort: Cohort, tmp_path: Path) -> None:
    """With semicolons, a line that announces them, and what nobody sees."""
    export(finished, tmp_path / "l.csv")
    units = query_unit("candidate", make_task(cohort, Plan.load(finished / "plan.json")).space)
    classes = ("F0", "F1", "F2", "F3", "F4")
    text = (tmp_path / "l.csv").read_text()
    (tmp_path / "s.csv").write_text("\ufeffsep=;\n" + text.replace(",", ";").replace("labelled", "labelled\u200b"))
    found, same = (carry(tmp_path / name, units, cohort.patient_ids, classes) for name in ("l.csv", "s.csv"))
    assert found.items.tolist() == same.items.tolist()
    assert found.stages.tolist() == same.stages.tolist()
