"""What lies under a folder, with figures, whatever state it is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from fibrostage.ground.errors import RunError
from fibrostage.results.found import results_table, results_under
from fibrostage.results.run_folder import RunFolder
from fibrostage.views.found import found_view
from tests.results.made import FIGURE, made_metrics


def test_runs_in_every_state_are_listed_by_path(tmp_path: Path) -> None:
    for name in ("deep/er/a", "b", "c", "d"):
        RunFolder(tmp_path / name).make()
        RunFolder(tmp_path / name).write_plan({})
    RunFolder(tmp_path / "deep/er/a").write_metrics(made_metrics(simulated=True))
    (tmp_path / "b" / "metrics.json").write_text("{")
    (tmp_path / "d" / "loop.json").write_text("{}")
    (tmp_path / "notes").mkdir()
    (tmp_path / "round").symlink_to(tmp_path)
    found = results_under(tmp_path)
    assert [one.path.name for one in found] == ["b", "c", "d", "a"]
    assert [one.state for one in found][1:] == ["stopped", "loop", "finished"]
    assert "damaged" in found[0].state or "cannot" in found[0].state or "not valid" in found[0].state
    last = found[-1]
    assert (last.n, last.accuracy, last.method) == (15, FIGURE, "LSTE")
    shown = found_view(found, tmp_path)
    assert shown.rows[3][0].text == "deep/er/a"
    assert shown.rows[3][0].beside == ("SIMULATED",)
    assert str(FIGURE) in [cell.text for cell in shown.rows[3]]
    table = results_table(found)
    assert table["accuracy_lo"].to_list() == [None, None, None, 0.7]
    assert table["n"].to_list() == [None, None, None, 15]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no folder"):
        results_under(tmp_path / "nowhere")
    assert results_table(results_under(tmp_path)).height == 0
