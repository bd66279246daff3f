"""A comparison kept in a folder is the same comparison on its page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from fibrostage.analysis.compare_scores import ScoreQuestion, compare_scores
from fibrostage.ground.errors import RunError
from fibrostage.report.compared import read_comparison, write_comparison
from fibrostage.report.forms import write_forms
from tests.conftest import write_rows


def table_in(folder: Path) -> Path:
    """Sixty pictures of thirty patients with two scores, one of them missing here and there."""
    rng, rows = np.random.default_rng(0), []
    for k in range(60):
        ill = k // 2 % 2
        rows.append(
            [f"P{k // 2}", ill, f"{rng.normal() + ill:.3f}", "NA" if k == 7 else f"{rng.normal() - ill:.3f}", "x"]
        )
    path = folder / "S.csv"
    write_rows(path, ["patient_id", "y", "A", "B", "secret"], rows)
    return path


@pytest.mark.parametrize("cluster", [None, "patient_id"])
def test_the_page_says_what_the_comparison_says(cluster: str | None, tmp_path: Path) -> None:
    path = table_in(tmp_path)
    made = compare_scores(path, ScoreQuestion("y", ("A",), ("B",), cluster=cluster))
    write_comparison(made, path, "utf-8", tmp_path / "out")
    back = read_comparison(tmp_path / "out").made
    assert (back.main, back.missing, back.caveats) == (made.main, made.missing, made.caveats)
    assert "secret" not in (tmp_path / "out" / "scores.csv").read_text(encoding="utf-8"), "only what was asked for"
    told = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    page, tables = write_forms(tmp_path / "out", None, ["html", "tables"])
    text = re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))
    assert told["conclusion"] in " ".join(text.split())
    assert "A and B against y · 60 rows" in text
    assert ("Read this first" in text) == (cluster is None)
    assert not (tmp_path / "out" / "report" / "methods.md").exists(), "no plan, so no methods"
    assert len(list(tables.glob("figures-*.csv"))) == 2
    with pytest.raises(RunError, match="exists; choose another --out"):
        write_comparison(made, path, "utf-8", tmp_path / "out")


def test_a_damaged_comparison_is_refused(tmp_path: Path) -> None:
    path = table_in(tmp_path)
    write_comparison(compare_scores(path, ScoreQuestion("y", ("A",))), path, "utf-8", tmp_path / "out")
    (tmp_path / "out" / "scores.csv").write_text("y\n1\n", encoding="utf-8")
    with pytest.raises(RunError, match="call compare --out again"):
        write_forms(tmp_path / "out", None, ["html"])
    (tmp_path / "out" / "comparison.json").write_text('{"question": 3}', encoding="utf-8")
    with pytest.raises(RunError, match=r"comparison\.json does not hold the question"):
        write_forms(tmp_path / "out", None, ["html"])
