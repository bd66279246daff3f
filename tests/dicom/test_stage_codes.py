"""The private codes of stages."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

pytest.importorskip("highdicom", reason="highdicom is not installed: pip install fibrostage[dicom]")

from fibrostage.dicom.stage_report import save_dicom, stage_report
from fibrostage.ground.stage import ISHAK, METAVIR, SCHEUER, Staging
from fibrostage.results.staged import Staged
from tests.dicom.staged_exam import MODEL, exam, items_of, verified


@pytest.mark.parametrize("system", [METAVIR, SCHEUER, ISHAK])
def test_every_known_staging_and_each_of_its_cuts_has_codes(tmp_path: Path, system: Staging) -> None:
    """A code means one thing whatever the staging, and fits into its tag."""
    _, sources = exam(tmp_path)
    meanings: dict[str, set[str]] = {}
    for staging in (system, *(system.at(cut) for cut in system.classes[1:])):
        share = 1 / len(staging.classes)
        staged = Staged(
            "p", staging.classes[-1], dict.fromkeys(staging.classes, share), {}, MODEL, possible=staging.classes
        )
        report = stage_report(sources, staged, staging, "m")
        codes = [
            item for item in report.iterall() if item.keyword in ("ConceptNameCodeSequence", "ConceptCodeSequence")
        ]
        for code in chain.from_iterable(item.value for item in codes):
            assert len(code.CodeValue) <= 16
            assert len(code.CodeMeaning) <= 64
            if code.CodingSchemeDesignator == "99FIBROSTAGE":
                meanings.setdefault(code.CodeValue, set()).add(code.CodeMeaning)
        numbers = [value for kind, _, value in items_of(report) if kind == "NUM"]
        assert len(numbers) == (2 if len(staging.classes) == 2 else len(staging.classes) + len(staging.cuts))
        save_dicom(report, tmp_path / f"sr{len(staging.classes)}")
    assert all(len(meaning) == 1 for meaning in meanings.values())
    assert meanings[f"RULE-GE-{system.cuts[0]}"] == {
        f"Whether {system.name} {system.cuts[0]} or higher is ruled in or out"
    }
    for classes in (2, len(system.classes)):
        verified(tmp_path / f"sr{classes}")
