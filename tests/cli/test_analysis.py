"""markers, compare, precision and bench as people and scripts run them."""

import csv
import json
from pathlib import Path

from tests.conftest import write_rows
from tests.forked import run

GOLDEN = Path(__file__).parents[1] / "golden"


def test_compare_prints_json_alone_and_draws(tmp_path: Path) -> None:
    plot = tmp_path / "roc.svg"
    arguments = ("compare", GOLDEN / "clustered_840.csv", "--truth", "stage", "--positive", "3", "--positive", "4")
    scores = ("--score", "score", "--score", "score2", "--cluster", "patient")
    done = run(*arguments, *scores, "--json", "--plot", plot)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert set(content) >= {"n", "positives", "auc", "pairs"}
    assert set(content["auc"]["score"]) >= {"value", "lo", "hi", "se"}
    assert set(content["pairs"][0]) >= {"a", "b", "difference", "lo", "hi", "z", "p"}
    assert plot.read_text(encoding="utf-8").startswith("<?xml")
    shown = run(*arguments, *scores)
    assert "840 rows of 168 patients, 225 positive" in shown.stdout
    assert "score is better than score2 by 0.164" in shown.stdout
    unclustered = run(*arguments, "--score", "score")
    assert "--cluster patient" in unclustered.stderr


def test_markers_writes_a_table_and_tells_what_it_refused(tmp_path: Path) -> None:
    header = ["patient_id", "stage", "ast", "platelets", "origin", "[odd]"]
    platelets = [90_000 if i == 7 else 200 - i for i in range(40)]
    rows = [[f"P{i}", f"F{i % 5}", 40 + 10 * (i % 5) + i, platelets[i], "SIMULATED", "x"] for i in range(40)]
    patients, target = write_rows(tmp_path / "P.csv", header, rows), tmp_path / "M.csv"
    done = run("markers", patients, "--out", target)
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    assert "row 9: patient 'P7': platelets = 90000" in done.stderr
    with target.open(encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert list(written[0])[:8] == [*header, "apri", "fib4"]
    assert written[7]["apri"] == ""
    assert float(written[0]["apri"]) > 0
    content = json.loads(run("markers", patients, "--json").stdout)
    assert content["markers"]["apri"]["n"] == 39
    assert content["refused"][0]["patient_id"] == "P7"
    listed = run("markers", "--list")
    assert "age [years]" in listed.stdout
    assert json.loads(run("markers", "--list", "--json").stdout)["fib4"]["example"]["value"] == 5.0


def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    cases = [
        (("markers",), "needs a P.csv"),
        (("markers", tmp_path / "none.csv"), "no file"),
        (("markers", empty), "is empty"),
        (("compare", empty, "--truth", "y", "--score", "a"), "is empty"),
        (("compare", GOLDEN / "ordinal_168.csv", "--truth", "stage", "--score", "test1"), "--positive"),
        (("compare", GOLDEN / "ordinal_168.csv", "--truth", "stage", "--score", "test1", "--ordinal",
          "--plot", "roc.gif"), "must end in .svg, .pdf or .png"),
        (("precision", "5", "--prevalence", "0.1"), "two of each"),
    ]  # fmt: skip
    for arguments, message in cases:
        done = run(*arguments)
        assert done.returncode == 1, arguments
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not done.stdout


def test_precision_shows_what_34_patients_can() -> None:
    content = json.loads(run("precision", "34", "--json").stdout)
    assert (round(content["accuracy"]["lo"], 2), round(content["accuracy"]["hi"], 2)) == (0.54, 0.83)
    assert content["n_for_width"] > 300
    assert "34 patients" in run("precision", "34").stdout
