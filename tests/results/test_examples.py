"""Who is shown as an example is settled by a rule, and what is kept of them comes back whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fibrostage.ground.errors import RunError
from fibrostage.results.examples import chosen_patients, read_examples, write_examples
from fibrostage.results.predictions import Scores
from tests.report.made import examples


def test_of_each_stage_the_surest_right_and_the_surest_wrong_are_shown() -> None:
    table = np.array([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.45, 0.55]])
    stages = np.array([0, 0, 0, 0, 0, 1])
    found = Scores(np.array(["b", "c", "a", "d", "e", "f"]), stages, table, table.argmax(axis=1))
    assert [(found.patients[one.row], one.right, one.of) for one in chosen_patients(found)] == [
        ("a", True, 3), ("d", False, 2), ("f", True, 1),
    ]  # fmt: skip


def test_examples_come_back_as_they_were_and_damage_is_said(tmp_path: Path) -> None:
    listed, arrays = tmp_path / "examples.json", tmp_path / "examples.npz"
    assert read_examples(listed, arrays) is None
    made = examples(simulated=True)
    write_examples(listed, arrays, made)
    back = read_examples(listed, arrays)
    assert back == made
    for one, other in zip(made.patients[0].pictures, back.patients[0].pictures, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert other.heat == pytest.approx(one.heat, abs=1e-2)
    arrays.write_bytes(b"")
    with pytest.raises(RunError, match="call explain --examples again"):
        read_examples(listed, arrays)
