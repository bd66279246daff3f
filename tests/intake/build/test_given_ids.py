"""From pseudonyms back to the ids that people know."""

from __future__ import annotations

from pathlib import Path

import pytest

from fibrostage.ground.errors import IntakeError
from fibrostage.intake.given_ids import ids_from_key, ids_from_link
from fibrostage.intake.privacy import Privacy, read_key


def test_by_the_link_and_by_the_key(tmp_path: Path) -> None:
    key = tmp_path / "intake.key"
    pseudonym = Privacy(read_key(key)).patient("MRN 7")
    (tmp_path / "P.csv").write_text("patient_id,stage\nMRN 7,F2\n")
    assert ids_from_key(key, tmp_path / "P.csv") == {pseudonym: "MRN 7"}
    (tmp_path / "L.csv").write_text(f"what,written,given\npatient,{pseudonym},MRN 7\nfile,F00,a.png\n")
    assert ids_from_link(tmp_path / "L.csv") == {pseudonym: "MRN 7"}


def test_what_is_no_link_and_no_key(tmp_path: Path) -> None:
    (tmp_path / "P.csv").write_text("patient_id,stage\nA,F2\n")
    with pytest.raises(IntakeError, match="column 'what' is missing"):
        ids_from_link(tmp_path / "P.csv")
    with pytest.raises(IntakeError, match="none.key"):
        ids_from_key(tmp_path / "none.key", tmp_path / "P.csv")
