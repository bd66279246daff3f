"""A cohort grows: who and what joins, under which key, and the old one stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fibrostage.cohort.store import Cohort, open_cohort, verify_pixels
from fibrostage.ground.errors import CohortError, IntakeError
from fibrostage.intake.build import grow as growing
from fibrostage.intake.build import take_in as taking
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.grow import before_of, grow
from fibrostage.intake.build.journal import folder_beside
from fibrostage.intake.build.take_in import look_at, take_in
from tests.conftest import write_rows
from tests.intake.build.test_merge import held, tree
from tests.intake.hospital import MODALITIES, PLAN, plan_with, put, table

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture
def old(tmp_path: Path) -> Cohort:
    """Two patients, one of them without a stage, with an elastogram and a B-mode picture each."""
    source = tmp_path / "january"
    for number, patient in enumerate(("A1", "A2")):
        put(source, f"{patient}e", patient, 10 * number + 1, 12.0 + 5 * number)
        put(source, f"{patient}b", patient, 10 * number + 2)
    return take_in(Sources(source, table(source, [["A1", "F1"], ["A2", ""]])), tmp_path / "old", PLAN)


def later(tmp_path: Path, rows: list[list[object]]) -> Sources:
    """Another exam of the first patient a year later, one that was there before, and a patient who is new."""
    source = tmp_path / "february"
    put(source, "A1c", "A1", 31, study_date="20220401")
    put(source, "A1b", "A1", 2)
    put(source, "A3b", "A3", 33)
    return Sources(source, table(source, rows))


def test_new_exams_join_and_the_old_cohort_stays(tmp_path: Path, old: Cohort) -> None:
    before = tree(old.path)
    grown = grow(old.path, later(tmp_path, [["A2", "F4"], ["A3", "F2"]]), tmp_path / "new")
    assert tree(old.path) == before
    assert (grown.patients, grown.pictures, grown.again) == (1, 2, 1)
    made = grown.cohort
    verify_pixels(made)
    assert made.patient_ids[:2] == old.patient_ids
    assert sorted(made.patients["stage"].to_list()) == ["F1", "F2", "F4"], "a stage that was not known is now"
    assert held(old) < held(made)
    first = old.images.select("image_id", "patient_id", "sha256").rows()
    assert set(first) < set(made.images.select("image_id", "patient_id", "sha256").rows()), (
        "old pictures keep their ids"
    )
    assert made.images["image_id"].is_unique().all()
    assert (old.path / "pixels" / "B.npy").stat().st_ino == (made.path / "pixels" / "B.npy").stat().st_ino
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    assert (made.path / "contact_sheet").is_dir()


def test_days_are_not_counted_from_two_first_exams(tmp_path: Path, old: Cohort) -> None:
    made = grow(old.path, later(tmp_path, [["A3", "F2"]]), tmp_path / "new").cohort
    known = set(old.images["sha256"])
    again = made.images.filter(
        ~made.images["sha256"].is_in(sorted(known)) & made.images["patient_id"].is_in(old.patient_ids)
    )
    assert again["day"].to_list() == [None]
    assert made.images.filter(made.images["sha256"].is_in(sorted(known)))["day"].null_count() == 0


def test_a_grown_cohort_grows_on_and_is_what_one_intake_gives(tmp_path: Path, old: Cohort) -> None:
    second = grow(old.path, later(tmp_path, [["A3", "F2"]]), tmp_path / "second").cohort
    source = tmp_path / "march"
    put(source, "A1d", "A1", 41)
    put(source, "A4", "A4", 42, 20.0)
    third = grow(second.path, Sources(source, table(source, [["A4", "F0"]])), tmp_path / "third").cohort
    verify_pixels(third)
    everything = Sources(tmp_path / "january", None, None, more=(tmp_path / "february", source))
    at_once = take_in(everything, tmp_path / "once", PLAN)
    assert held(third) == held(at_once)


def test_another_key_is_refused_before_a_file_is_read(
    tmp_path: Path, old: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fibrostage.intake.build.take_in.read_all", None)
    (tmp_path / "other").write_text("77" * 32)
    sources = later(tmp_path, [["A3", "F2"]])
    with pytest.raises(IntakeError, match=r"are hashed with another key, .* name the cohort's own key with --key"):
        grow(old.path, sources, tmp_path / "new", choices=Choices(key=tmp_path / "other"))
    with pytest.raises(IntakeError, match="cannot read or make the key"):
        grow(old.path, sources, tmp_path / "new", choices=Choices(key=tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "new").exists()


def test_another_stage_or_plan_is_refused_and_what_was_read_is_kept(
    tmp_path: Path, old: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = later(tmp_path, [["A1", "F3"], ["A3", "F2"]])
    with pytest.raises(CohortError, match=r"1 patients have two stages: P.* F3 in the new exams.*\. What was read is"):
        grow(old.path, sources, tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr(taking, "read_all", lambda jobs, *_, **__: iter([]) if not jobs else pytest.fail("reads again"))
        table(sources.folder, [["A1", "F1"], ["A3", "F2"]])
        assert grow(old.path, sources, tmp_path / "new").patients == 1


def test_another_plan_is_refused_and_only_what_was_read_is_left(tmp_path: Path, old: Cohort) -> None:
    other = plan_with(modality=[MODALITIES[0], {**MODALITIES[1], "size": 32}])
    with pytest.raises(CohortError, match="the new exams stores B otherwise than"):
        grow(old.path, later(tmp_path, [["A3", "F2"]]), tmp_path / "new", other)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [folder_beside(tmp_path / ".new.newcomer").name, "february", "january", "key", "old"]


def test_one_that_is_killed_at_the_end_leaves_the_old_one_and_can_be_called_again(
    tmp_path: Path, old: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, before = later(tmp_path, [["A3", "F2"]]), tree(old.path)
    with monkeypatch.context() as patch:
        patch.setattr(growing, "write_merged", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(growing.shutil, "rmtree", lambda *_, **__: None)  # as where the process is gone
        with pytest.raises(KeyboardInterrupt):
            grow(old.path, sources, tmp_path / "new")
    assert tree(old.path) == before
    assert (tmp_path / ".new.newcomer").is_dir()
    grow(old.path, sources, tmp_path / "new")
    assert open_cohort(tmp_path / "new").patients.height == 3
    assert not (tmp_path / ".new.newcomer").exists()


def test_a_dry_run_knows_the_patients_who_are_there(tmp_path: Path, old: Cohort) -> None:
    sources = later(tmp_path, [["A3", "F2"]])
    rows, problems = look_at(sources, PLAN, Choices(workers=1, before=before_of(old)))
    assert not len(problems)
    assert [row["refused"] for row in rows] == [None] * 3
    rows, _ = look_at(sources, PLAN, Choices(workers=1))
    assert sum("not among the patients" in str(row["refused"]) for row in rows) == 1


def test_a_new_id_that_is_nearly_an_old_one_stops_it(tmp_path: Path) -> None:
    def exam(name: str, patient: str, seed: int) -> Sources:
        source = tmp_path / name
        shape = (120, 160)
        pixels = np.random.default_rng(seed).integers(80, 120, shape, dtype=np.uint8)
        source.mkdir()
        Image.fromarray(pixels).save(source / "a.png")
        write_rows(source / "i.csv", ["file", "patient_id", "modality"], [["a.png", patient, "B"]])
        return Sources(source, table(source, [[patient, "F1"]]), source / "i.csv")

    one = {"name": "B", "kind": "bmode", "size": 64, "region": "given"}
    plan = plan_with(modality=[one], rule=[{"modality": "B"}])
    looked = Choices(accept_unmasked=True)
    old = take_in(exam("january", "a007", 1), tmp_path / "old", plan, choices=looked)
    late = exam("february", "A007", 2)
    with pytest.raises(IntakeError, match="A007 and a007 may be one person: their ids differ only by"):
        grow(old.path, late, tmp_path / "new", choices=looked)
    accepted = Choices(accept_unmasked=True, accept_identity=True)
    assert grow(old.path, late, tmp_path / "new", choices=accepted).patients == 1
