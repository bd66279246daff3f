"""What is shown of a patient adds up to what was said of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError
from fibrostage.learn.examples import explain_patients, most_telling
from fibrostage.learn.heat_maps import HeatMaps
from fibrostage.learn.model import open_model
from fibrostage.report.forms import write_report
from fibrostage.results.run_folder import RunFolder


def test_every_modality_is_shown_then_what_adds_most() -> None:
    pictures = [("A", 0, 0.1), ("A", 1, -0.9), ("A", 2, 0.5), ("B", 0, 0.01), ("B", 1, 0.4), ("C", 0, 0.0)]
    assert most_telling(pictures) == [("A", 1, -0.9), ("A", 2, 0.5), ("B", 1, 0.4), ("C", 0, 0.0)]
    assert most_telling(pictures, 1) == [("A", 1, -0.9)]
    assert most_telling([]) == []


def test_shares_are_those_of_the_network_that_had_not_seen_the_patient(
    cohort: Cohort, pictures_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeatMaps, "of_picture", lambda *_: np.ones((4, 4), dtype=np.float32))  # told elsewhere, slowly
    run = tmp_path / "run"
    shutil.copytree(pictures_run, run)
    assert "explain run COHORT --examples" in write_report(run).read_text(encoding="utf-8")
    made = explain_patients(run, cohort)
    tested = set(RunFolder(run).read_predictions().filter(split="test")["patient_id"])
    assert made.n == len(tested)
    assert {one.patient_id for one in made.patients} <= tested
    staged = {one.patient_id: one for one in open_model(run, of_folds=True).stage(cohort)}
    for one in made.patients:
        told = staged[one.patient_id]
        assert one.shares == pytest.approx({name: told.shares[name] for name in one.shares}, abs=1e-5)
        assert one.counts == told.pictures
        for picture in one.pictures:
            assert any(
                abs(seen.share - picture.share) < 1e-5 for seen in told.seen if seen.modality == picture.modality
            )
    page = write_report(run).read_text(encoding="utf-8")
    assert "holds pictures of patients" in page
    assert page.count("the surest of") >= len(made.patients)
    assert not any(one.patient_id in page.split('id="examples"')[1].split("</section>")[0] for one in made.patients)


def test_another_cohorts_patients_are_no_examples(crops: Cohort, pictures_run: Path) -> None:
    with pytest.raises(RunError, match="predict --report --heat"):
        explain_patients(pictures_run, crops)
