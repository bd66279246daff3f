"""What each modality adds is told of common patients, between methods that differ in nothing else."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from fibrostage.analysis.judged import KeptRun
from fibrostage.analysis.modalities_added import AVERAGE, Seen, modalities_added, nested
from fibrostage.ground.stage import METAVIR
from fibrostage.results.predictions import scores_of
from fibrostage.stats.auc import auc, delong
from fibrostage.stats.macro import macro_auc
from tests.report.made import predictions


def seen(*names: str, alike: str = "") -> dict[str, Seen]:
    return {f"{name}{alike}": Seen(frozenset(name.split("+")), alike) for name in names}


def test_pairs_differ_in_nothing_else_and_have_none_between() -> None:
    methods = seen("A", "B", "A+B", "A+B+T") | seen("A", "A+B", alike=" resnet50")
    assert nested(methods) == [
        ("A+B", "A"), ("A+B", "B"), ("A+B+T", "A+B"), ("A+B resnet50", "A resnet50")
    ]  # fmt: skip
    assert nested(methods, within="A+B") == [("A+B", "A"), ("A+B", "B")]
    assert nested(seen("A+B", "C")) == []


def test_differences_are_paired_on_the_patients_of_both() -> None:
    whole, rest = predictions(80, 0), predictions(80, 1).filter(pl.col("patient_id") != "P7")
    runs = [KeptRun("A+B", 0, None, whole), KeptRun("A", 0, None, rest)]
    found = modalities_added(runs, seen("A+B", "A"), METAVIR, 0.95)
    assert [one.cut for one in found] == [*METAVIR.cuts, AVERAGE]
    assert all(one.n == 79 and one.added == ("B",) for one in found)
    both = whole.filter(pl.col("patient_id") != "P7")
    positive, score = scores_of(both, METAVIR).at_cut(METAVIR, "F3")
    _, other = scores_of(rest, METAVIR).at_cut(METAVIR, "F3")
    at_f3, average = found[1], found[-1]
    assert at_f3.difference.value == pytest.approx(auc(positive, score) - auc(positive, other))
    assert at_f3.difference.p == delong(positive, np.stack([score, other])).difference(0, 1).p
    assert at_f3.p_holm == at_f3.difference.p, "one pair at a cut"
    own = [scores_of(table, METAVIR) for table in (both, rest)]
    assert average.difference.value == pytest.approx(
        macro_auc(own[0].stages, own[0].probabilities) - macro_auc(own[1].stages, own[1].probabilities)
    )


def test_too_few_patients_have_no_difference_but_a_reason() -> None:
    runs = [KeptRun("A+B", 0, None, predictions(15, 0)), KeptRun("A", 0, None, predictions(15, 1))]
    found = modalities_added(runs, seen("A+B", "A"), METAVIR, 0.95)
    assert all(one.difference.p is None and one.difference.why for one in found)
    assert "at least 20" in found[0].difference.why
    assert "a stage has 3 of the 4 patients" in found[-1].difference.why
