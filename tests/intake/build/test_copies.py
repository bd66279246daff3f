"""The same picture under two ids: refused, left out, or its patients kept on one side of every split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fibrostage.cohort.splits import GROUP, make_folds
from fibrostage.ground.errors import IntakeError, PlanError
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import look_at, take_in
from fibrostage.plan.split import SplitPlan
from tests.intake.hospital import PLAN, put, table

pytestmark = pytest.mark.usefixtures("key")


def copied(folder: Path, pairs: int = 1, exact: bool = False) -> Path:
    """Six patients with two pictures each; the first pictures of A0 lie under A1's name too, saved as JPEG."""
    for number in range(6):
        for k in range(2):
            put(folder, f"A{number}/{k}.dcm", f"A{number}", 10 * number + k)
    for k in range(pairs):
        syntax = "explicit" if exact else "jpeg"
        put(folder, f"A1/copy{k}.dcm", "A1", k, syntax=syntax, number=99 - k)
    return folder


def six(folder: Path) -> Path:
    """Their stages, and a fold that parts A0 from A1."""
    return table(folder, [[f"A{k}", f"F{k // 2}", k % 2, k // 2] for k in range(6)], "fold", "centre")


def test_a_copy_under_another_id_is_an_error_that_names_both(tmp_path: Path) -> None:
    source = Sources(copied(tmp_path / "source"), six(tmp_path))
    rows, _ = look_at(source, PLAN, Choices())
    assert sum(bool(row["refused"]) for row in rows) == 1, "a dry run finds it too"
    with pytest.raises(IntakeError) as caught:
        take_in(source, tmp_path / "cohort", PLAN)
    text = str(caught.value)
    assert text.startswith("1 problem")
    assert "'A1'" in text
    assert "'A0'" in text
    assert "A1/copy0.dcm" in text
    assert "A0/0.dcm" in text
    assert "--allow-duplicates" in text
    assert "--group-near-duplicates" in text
    assert not (tmp_path / "cohort").exists()
    cohort = take_in(source, tmp_path / "cohort", PLAN, choices=Choices(allow_duplicates=True))
    assert len(cohort.images) == 13
    assert any("1 pairs of nearly the same picture" in caveat for caveat in cohort.caveats)
    left = take_in(source, tmp_path / "left", PLAN, choices=Choices(skip_bad=True))
    assert len(left.images) == 12
    assert left.exclusions["reason"].str.contains("nearly the same").any()


def test_every_copy_that_is_left_out_is_recorded(tmp_path: Path) -> None:
    source = Sources(copied(tmp_path / "source", pairs=2), six(tmp_path))
    cohort = take_in(source, tmp_path / "cohort", PLAN, choices=Choices(skip_bad=True))
    assert len(cohort.images) == 12
    assert len(cohort.exclusions) == 2


def test_patients_who_share_pictures_lie_on_one_side_of_every_split(tmp_path: Path) -> None:
    source = Sources(copied(tmp_path / "source"), six(tmp_path))
    cohort = take_in(source, tmp_path / "cohort", PLAN, choices=Choices(group_near_duplicates=True))
    assert sorted(cohort.patients[GROUP].drop_nulls()) == ["G1", "G1"]
    assert len(cohort.images) == 13
    assert "2 patients share nearly the same pictures; splits keep them together" in cohort.caveats
    pair = set(np.flatnonzero(cohort.patients[GROUP].is_not_null().to_numpy()).tolist())
    usable = np.ones(6, dtype=bool)
    for seed in range(8):
        for scheme in ("holdout", "kfold"):
            for fold in make_folds(cohort, SplitPlan(scheme=scheme, test=0.34, folds=3), seed, usable):
                assert len(pair & set(fold.test.tolist())) in (0, 2)
                assert sorted([*fold.train.tolist(), *fold.test.tolist()]) == list(range(6))
    for fold in make_folds(cohort, SplitPlan(scheme="column", column="centre"), 0, usable):
        assert len(pair & set(fold.test.tolist())) in (0, 2)
    with pytest.raises(PlanError, match="parts patients who share pictures"):
        make_folds(cohort, SplitPlan(scheme="column", column="fold"), 0, usable)


def test_exact_copies_are_grouped_too(tmp_path: Path) -> None:
    source = Sources(copied(tmp_path / "source", exact=True), six(tmp_path))
    cohort = take_in(source, tmp_path / "cohort", PLAN, choices=Choices(group_near_duplicates=True))
    assert sorted(cohort.patients[GROUP].drop_nulls()) == ["G1", "G1"]


@pytest.mark.parametrize("exact", [False, True])
def test_twins_within_a_group_of_the_users_own_are_expected_and_those_beyond_it_are_told(
    tmp_path: Path, exact: bool
) -> None:
    named = [[f"A{k}", f"F{k // 2}", "Ann" if k < 2 else None] for k in range(6)]
    source = Sources(copied(tmp_path / "source", exact=exact), table(tmp_path, named, GROUP))
    cohort = take_in(source, tmp_path / "cohort", PLAN)
    assert len(cohort.images) == 13
    assert not any("same picture" in caveat for caveat in cohort.caveats)
    assert cohort.patients[GROUP].drop_nulls().to_list() == ["Ann", "Ann"]
    apart = [[f"A{k}", f"F{k // 2}", "Ann" if k in (1, 2) else None] for k in range(6)]
    others = Sources(source.folders[0], table(tmp_path, apart, GROUP))
    with pytest.raises(IntakeError, match="same"):
        take_in(others, tmp_path / "refused", PLAN)
    joined = take_in(others, tmp_path / "joined", PLAN, choices=Choices(group_near_duplicates=True))
    assert joined.patients[GROUP].drop_nulls().to_list() == ["Ann", "Ann", "Ann"]
    assert "2 patients share nearly the same pictures; splits keep them together" in joined.caveats
