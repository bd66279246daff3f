"""Ids that lost their zeros on the way to a table are noticed, though the pictures' ids are known as hashes alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from tests.intake.hospital import PLAN, plan_with, put, table


def test_zeros_between_a_table_and_dicom_are_named_and_filled(tmp_path: Path, key: Path) -> None:
    for number, who in enumerate(("0000042", "0000043")):
        put(tmp_path / "src", f"{number}.dcm", who, number)
    sources = Sources(tmp_path / "src", table(tmp_path, [["42", "F1"], ["43", "F2"]]))
    with pytest.raises(IntakeError) as caught:
        take_in(sources, tmp_path / "cohort", PLAN)
    assert "the table has '42' and the pictures '0000042'" in str(caught.value)
    assert "id_digits" in str(caught.value)
    cohort = take_in(sources, tmp_path / "cohort", plan_with(table={"id_digits": 7}))
    assert cohort.patients["stage"].sort().to_list() == ["F1", "F2"]
    assert len(cohort.images) == 2
