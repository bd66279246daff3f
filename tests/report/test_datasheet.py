"""A datasheet holds what the cohort's files say, leaves the rest to its authors, and names nobody."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fibrostage import RESEARCH_USE
from fibrostage.cli.app import app
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError
from fibrostage.report.datasheet import datasheet


def test_it_counts_what_is_there_and_says_what_is_to_be_written(cohort: Cohort) -> None:
    text = datasheet(cohort)
    assert f"# Datasheet of {cohort.name}\n" in text
    assert RESEARCH_USE in text
    assert f"{len(cohort.patients)} patients came" in text
    assert re.search(rf"\| patients \| {len(cohort.patients)} \|", text)
    assert text.count("To write: ") == 5
    assert ("SIMULATED" in text) == cohort.simulated
    for patient in cohort.patient_ids:
        assert not re.search(rf"\b{patient}\b", text), "no patient stands in it"
    for head in re.findall(r"\|[ -|]*---\|\n(.*)", text):
        assert head.startswith("|"), "a table's rows follow its head"
    for line in text.splitlines():
        if line.startswith("| LSTE | elastogram |"):
            size = cohort.modality("LSTE").size
            assert f"| {size} × {size} × 3 |" in line


def test_the_command_writes_a_new_file_alone(cohort: Cohort, tmp_path: Path) -> None:
    sheet, line = tmp_path / "sheet.md", ["describe", str(cohort.path), "--datasheet"]
    done = CliRunner().invoke(app, [*line, str(sheet)])
    assert done.exit_code == 0, done.output
    assert sheet.read_text(encoding="utf-8") == datasheet(cohort)
    again = CliRunner().invoke(app, [*line, str(sheet)])
    with pytest.raises(RunError, match="exists"):
        raise again.exception or AssertionError
