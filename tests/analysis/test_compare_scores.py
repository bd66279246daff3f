"""`compare` as a function: what it answers, and what it says of bad tables."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from fibrostage.analysis.compare_scores import ScoreQuestion, compare_scores
from fibrostage.analysis.conclusion import as_dict, conclusion
from fibrostage.ground.errors import FibrostageError, IntakeError
from fibrostage.report.drawing import words_of
from fibrostage.report.roc import scores_figure
from fibrostage.stats.auc import delong
from fibrostage.stats.multiplicity import holm
from fibrostage.views.comparison import comparison_views
from tests.conftest import write_rows

GOLDEN = Path(__file__).parents[1] / "golden"


def scores_csv(folder: Path, n: int = 60) -> Path:
    """Truth y, a good score a, a poor one b that row 3 lacks, and noise c; the last row has no truth."""
    rng = np.random.default_rng(0)
    rows: list[list[object]] = []
    for index in range(n):
        y = index % 2
        a, b, c = y + rng.normal(0, 0.5), y + rng.normal(0, 2.0), rng.normal()
        rows.append([f"P{index}", y, f"{a:.4f}", "NA" if index == 3 else f"{b:.4f}", f"{c:.4f}"])
    rows.append(["PX", "", "1", "1", "1"])
    return write_rows(folder / "s.csv", ["id", "y", "a", "b", "c"], rows)


def test_rows_that_lack_a_score_are_left_out_pair_by_pair(tmp_path: Path) -> None:
    made = compare_scores(scores_csv(tmp_path), ScoreQuestion("y", ("a", "b", "c")))
    content = as_dict(made)
    assert (content["n"], content["positives"], content["without_truth"]) == (60, 30, 1)
    assert content["missing"] == {"b": 1}
    assert {name: area["n"] for name, area in content["auc"].items()} == {"a": 60, "b": 59, "c": 60}
    assert {(pair["a"], pair["b"]): pair["n"] for pair in content["pairs"]} == {
        ("a", "b"): 59, ("a", "c"): 60, ("b", "c"): 59,
    }  # fmt: skip
    with open(tmp_path / "s.csv", encoding="utf-8") as file:
        table = [row for row in csv.DictReader(file) if row["y"] and row["b"] != "NA"]
    common = delong([int(row["y"]) for row in table], [[float(row[name]) for row in table] for name in "ab"])
    pair = content["pairs"][0]
    assert pair["difference"] == pytest.approx(common.values[0] - common.values[1])
    assert pair["p"] == pytest.approx(common.difference(0, 1).p)
    adjusted = holm([pair["p"] for pair in content["pairs"]])
    assert [pair["p_holm"] for pair in content["pairs"]] == pytest.approx(list(adjusted))
    for area in content["auc"].values():
        assert area["lo"] < area["value"] < area["hi"]
        assert area["hi"] - area["value"] <= 1.96 * area["se"] + 1e-3


def test_the_sentence_says_no_more_than_the_figures(tmp_path: Path) -> None:
    path = scores_csv(tmp_path)
    told = conclusion(compare_scores(path, ScoreQuestion("y", ("a", "c"))))
    assert told.startswith("a is better than c by 0.")
    assert "p < 0.001" in told
    unsure = conclusion(compare_scores(path, ScoreQuestion("y", ("b", "c"))))
    assert "cannot tell b from c" in unsure or "a lead only" in unsure
    assert not re.search(r"-\d", unsure), "numbers have a minus, which is no hyphen"
    assert re.search(r"−\d", unsure)
    assert "do not show that c does better than chance" in conclusion(compare_scores(path, ScoreQuestion("y", ("c",))))
    assert "better than chance" in conclusion(compare_scores(path, ScoreQuestion("y", ("a",))))


def test_a_lead_is_called_a_lead(shared_data: Path) -> None:
    path = shared_data.parent / "golden" / "aSAH.csv"
    told = conclusion(compare_scores(path, ScoreQuestion("y", ("s100b", "wfns", "ndka"))))
    assert "p = 0.027 alone and 0.054 among 3 comparisons: a lead only" in told


def test_lower_scores_are_turned_and_a_wrong_direction_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    write_rows(path, ["y", "platelets"], [[i % 2, 200 - 50 * (i % 2) + i % 7] for i in range(40)])
    wrong = compare_scores(path, ScoreQuestion("y", ("platelets",)))
    assert "--lower platelets" in wrong.caveats[0]
    right = compare_scores(path, ScoreQuestion("y", (), ("platelets",)))
    assert right.main.areas["platelets"].figure.value == pytest.approx(1.0)
    assert right.main.areas["platelets"].figure.lo is not None
    assert not right.caveats


def test_images_of_a_patient_are_noticed_and_clustered() -> None:
    path = GOLDEN / "clustered_840.csv"
    naive = compare_scores(path, ScoreQuestion("stage", ("score",), positive=("3", "4")))
    assert "840 rows are of 168 patients" in naive.caveats[0]
    assert "--cluster patient" in naive.caveats[0]
    made = compare_scores(path, ScoreQuestion("stage", ("score", "score2"), positive=("3", "4"), cluster="patient"))
    content = as_dict(made)
    assert content["clusters"] == 168
    assert content["auc"]["score"]["se"] == pytest.approx(0.0302910860929581, rel=1e-10)
    assert content["pairs"][0]["p"] == pytest.approx(5.85207870806848e-05, rel=1e-8)
    assert not made.caveats


def test_ordinal_gives_the_index_and_every_cut() -> None:
    made = compare_scores(GOLDEN / "ordinal_168.csv", ScoreQuestion("stage", ("test1", "test2"), ordinal=True))
    content = as_dict(made)
    assert content["n_by_stage"] == {"0": 41, "1": 51, "2": 31, "3": 27, "4": 18}
    assert content["obuchowski"]["test1"]["se"] == pytest.approx(0.00817710438767027, rel=1e-10)
    assert content["pairs"][0]["p"] == pytest.approx(0.00013410503745547, rel=1e-8)
    assert list(content["auc_at_cut"]) == ["1", "2", "3", "4"]
    assert content["auc_at_cut"]["4"]["test2"]["lo"] == pytest.approx(0.57520867131085, rel=1e-10)
    assert content["pairs_at_cut"]["3"][0]["p"] == pytest.approx(0.000172510727596667, rel=1e-8)
    said = " ".join(words_of(scores_figure(made)))
    assert "≥3" in said
    assert "0.874 [0.813–0.934], n = 168" in said, "a panel shows its own cut's area"


def test_words_need_an_order(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    rows = [[("mild", "severe", "none")[i % 3], i % 3 + i / 50] for i in range(30)]
    write_rows(path, ["grade", "x"], rows)
    with pytest.raises(FibrostageError, match="--classes A,B,C"):
        compare_scores(path, ScoreQuestion("grade", ("x",), ordinal=True))
    made = compare_scores(path, ScoreQuestion("grade", ("x",), ordinal=True, classes=("none", "mild", "severe")))
    assert list(made.counts) == ["none", "mild", "severe"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (ScoreQuestion("y", ()), "at least one --score"),
        (ScoreQuestion("y", ("a", "a")), "given twice"),
        (ScoreQuestion("why", ("a",)), "column 'why' is missing, did you mean"),
        (ScoreQuestion("y", ("A1",)), "column 'A1' is missing"),
        (ScoreQuestion("id", ("a",)), "Name the labels that are positive"),
        (ScoreQuestion("y", ("id",)), "must hold numbers"),
        (ScoreQuestion("y", ("a",), positive=("2",)), "does not occur in 'y'"),
        (ScoreQuestion("y", ("a",), positive=("1",), ordinal=True), "with --ordinal every stage counts"),
        (ScoreQuestion("y", ("a",), classes=("0", "1")), "--classes orders"),
        (ScoreQuestion("y", ("a",), ordinal=True, penalty="steep"), "'linear', 'unit'"),  # type: ignore[arg-type]
        (ScoreQuestion("y", ("a",), confidence=95), "between 0 and 1, got 95"),
    ],
)
def test_bad_questions(tmp_path: Path, question: ScoreQuestion, message: str) -> None:
    with pytest.raises(FibrostageError) as caught:
        compare_scores(scores_csv(tmp_path), question)
    assert message in str(caught.value)


def test_one_label_alone_is_said_and_not_an_area(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "s.csv", ["y", "a"], [[1, 0.1], [1, 0.2], [0, 0.4]])
    made = compare_scores(path, ScoreQuestion("y", ("a",)))
    assert "2 positives and 1 negatives" in conclusion(made)
    assert as_dict(made)["auc"]["a"]["value"] is None


def test_simulated_rows_say_so_in_the_answer_and_the_figure(tmp_path: Path) -> None:
    rows = [[i % 2, i % 2 + i / 99, "SIMULATED"] for i in range(20)]
    made = compare_scores(write_rows(tmp_path / "s.csv", ["y", "a", "origin"], rows), ScoreQuestion("y", ("a",)))
    assert as_dict(made)["simulated"]
    assert "SIMULATED" in words_of(scores_figure(made))


def test_noise_is_not_better_than_chance_on_any_scale(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [[f"F{i % 5}", rng.normal()] for i in range(200)]
    asked = ScoreQuestion("stage", ("a",), ordinal=True)
    made = compare_scores(write_rows(tmp_path / "s.csv", ["stage", "a"], rows), asked)
    assert as_dict(made)["obuchowski"]["a"]["chance"] == pytest.approx(0.75)
    assert "do not show that a does better than chance" in conclusion(made)
    perfect = [[f"F{i % 5}", i % 5 + i / 1000] for i in range(200)]
    made = compare_scores(write_rows(tmp_path / "p.csv", ["stage", "a"], perfect), asked)
    assert "without an interval nothing is said of chance" in conclusion(made)


def test_caveats_speak_of_what_was_given(tmp_path: Path) -> None:
    rows = [[f"P{i}", i % 2, i % 2 + i / 99] for i in range(20)] + [["", "", 1], ["", "", 2]]
    path = write_rows(tmp_path / "s.csv", ["patient", "y", "a"], rows)
    made = compare_scores(path, ScoreQuestion("y", (), ("a",)))
    assert made.caveats == ("'a' is higher in disease; if that is meant, give --score a instead of --lower",)
    with pytest.raises(FibrostageError, match="both --truth and a score"):
        compare_scores(path, ScoreQuestion("y", ("y",)))


def test_numbers_that_are_no_stages(tmp_path: Path) -> None:
    for labels, message in (
        ([1, "1.0", 2, "2.0"], "not different numbers"),
        (["nan", "-nan", 1, 2], "not different numbers"),
        ([i / 7 for i in range(40)], "a measurement and no stages"),
    ):
        path = write_rows(tmp_path / "s.csv", ["stage", "a"], [[label, i] for i, label in enumerate(labels * 3)])
        with pytest.raises(FibrostageError, match=message):
            compare_scores(path, ScoreQuestion("stage", ("a",), ordinal=True))


def test_the_stage_that_lacks_patients_is_named(tmp_path: Path) -> None:
    rows = [[1 + i % 3, i] for i in range(30)] + [[4, 99]]
    made = compare_scores(
        write_rows(tmp_path / "s.csv", ["stage", "a"], rows), ScoreQuestion("stage", ("a",), ordinal=True)
    )
    assert "stage 4 has 1" in conclusion(made)


def test_a_table_of_thousands_of_columns(tmp_path: Path) -> None:
    names = [f"radiomics_feature_with_a_long_name_{k:05d}" for k in range(6000)]
    rows = [[i % 2, i, *[0] * 6000] for i in range(6)]
    made = compare_scores(write_rows(tmp_path / "s.csv", ["y", "a", *names], rows), ScoreQuestion("y", ("a",)))
    assert made.n == 6


def test_odd_names_are_shown_as_they_are(tmp_path: Path) -> None:
    rows = [[("[red]", "[/b]")[i % 2], i % 2 + i / 50] for i in range(20)]
    path = write_rows(tmp_path / "s.csv", ["stage", "_a"], rows)
    made = compare_scores(path, ScoreQuestion("stage", ("_a",), ordinal=True, classes=("[red]", "[/b]")))
    assert len(list(comparison_views(made))) == 1
    assert any(words.startswith("_a 1.000") for words in words_of(scores_figure(made)))


def test_a_reference_is_compared_with_every_other_and_nobody_else_is(tmp_path: Path) -> None:
    path = scores_csv(tmp_path)
    every = {(p.a, p.b): p for p in compare_scores(path, ScoreQuestion("y", ("a", "b", "c"))).main.pairs}
    pairs = compare_scores(path, ScoreQuestion("y", ("a", "b", "c"), reference="b")).main.pairs
    assert [(pair.a, pair.b) for pair in pairs] == [("b", "a"), ("b", "c")]
    assert pairs[1].difference == every["b", "c"].difference
    assert pairs[0].difference.value == pytest.approx(-every["a", "b"].difference.value)
    stepped = holm([pair.difference.p for pair in pairs])  # over two tests, not three
    assert [pair.p_holm for pair in pairs] == pytest.approx(stepped.tolist())
    with pytest.raises(IntakeError, match=r"--reference 'bb', did you mean 'b'\? is no score of this comparison"):
        compare_scores(path, ScoreQuestion("y", ("a", "b"), reference="bb"))
