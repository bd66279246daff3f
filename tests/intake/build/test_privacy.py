"""Nothing of a hospital's folder that names a person is found again: not in a cohort, its pictures, or a journal."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from fibrostage.cohort.describe import describe
from fibrostage.cohort.store import Cohort, open_cohort, verify_pixels
from fibrostage.ground.errors import IntakeError
from fibrostage.ground.progress import Advance
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.journal import Journal, folder_beside
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.privacy import Privacy, read_key
from fibrostage.intake.read.outcome import ReadingRules
from fibrostage.learn.predict_cohort import predict_cohort
from fibrostage.learn.train import train
from tests.conftest import write_rows
from tests.intake.build.leaks import burned, leaks, tiles_of
from tests.intake.build.people import (
    ELSEWHERE,
    KEY,
    LEFT_OUT,
    PANEL,
    PEOPLE,
    PLAN,
    WRONG,
    Hospital,
    folder_of,
    key_in,
    make_hospital,
    screen,
    write_screen,
)


@dataclass(frozen=True)
class Taken:
    hospital: Hospital
    cohort: Cohort
    link: Path
    said: list[str]


class Told:
    """Progress that keeps what is said, and stops reading after so many files."""

    def __init__(self, stop: int | None = None) -> None:
        self.said: list[str] = []
        self.stop = stop

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if label == "reading files" and done == self.stop:
                raise KeyboardInterrupt

        yield advance

    def say(self, line: str) -> None:
        self.said.append(line)


def sources(hospital: Hospital, listed: bool) -> Sources:
    return Sources(hospital.folder, hospital.patients, hospital.images if listed else None)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    folder = tmp_path_factory.mktemp("hospital") / "ZWINGLIUS and others"
    folder.mkdir()
    return make_hospital(folder)


@pytest.fixture(scope="module", params=[False, True], ids=["rules", "images.csv"])
def taken(request: pytest.FixtureRequest, hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    folder, told = tmp_path_factory.mktemp("taken"), Told()
    choices = Choices(skip_bad=True, link=folder / "link.csv", workers=1)
    with key_in(folder):
        cohort = take_in(sources(hospital, request.param), folder / "cohort", PLAN, progress=told, choices=choices)
    return Taken(hospital, cohort, folder / "link.csv", told.said)


def test_what_is_planted_is_there_to_be_found(hospital: Hospital) -> None:
    found = {line.rsplit(": ", 1)[1] for line in leaks(hospital.folder)}
    missing = {text for text in ELSEWHERE if text not in found}
    for person in (*PEOPLE, LEFT_OUT, WRONG):
        missing |= {text for text in (person.family, person.patient_id, person.born, person.day) if text not in found}
    assert not missing
    assert burned(screen(0))


def test_nothing_that_names_a_person_is_in_a_cohort(taken: Taken) -> None:
    assert len(taken.cohort.exclusions) >= 12
    assert len(taken.cohort.images) >= 19
    assert leaks(taken.cohort.path) == []
    verify_pixels(taken.cohort)


def test_what_was_burned_in_is_not_in_the_pictures_nor_in_the_contact_sheet(taken: Taken) -> None:
    for name in taken.cohort.modality_names:
        pixels = np.asarray(taken.cohort.pixels(name))
        assert len(pixels)
        assert not burned(pixels if pixels.shape[-1] == 3 else pixels.repeat(3, axis=-1))
    tiles = list(tiles_of(taken.cohort.path))
    assert sum(bool(tile.any()) for tile in tiles) >= len(taken.cohort.images)
    assert not any(burned(tile) for tile in tiles)


def test_what_is_accepted_unmasked_shows_that_the_search_would_find_it(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    write_screen(tmp_path / "source" / "a.dcm", PEOPLE[0], 91, regions=[])
    whole = PLAN.model_copy(update={"modality": (PLAN.modality[1].model_copy(update={"region": "given"}),), "rule": ()})
    plan = whole.model_copy(update={"rule": (PLAN.rule[1],)})
    with key_in(tmp_path):
        cohort = take_in(
            Sources(tmp_path / "source"), tmp_path / "c", plan, choices=Choices(accept_unmasked=True)
        )  # fmt: skip
    assert burned(np.asarray(cohort.pixels("B")).repeat(3, axis=-1))
    assert any(burned(tile) for tile in tiles_of(cohort.path))


@pytest.mark.parametrize("listed", [False, True], ids=["--accept-unmasked", "a region of images.csv"])
def test_the_contact_sheet_shows_no_more_than_is_stored(tmp_path: Path, listed: bool) -> None:
    (tmp_path / "source").mkdir()
    write_screen(tmp_path / "source" / "a.dcm", PEOPLE[0], 91, regions=[])
    Image.fromarray(screen(92)).save(tmp_path / "source" / "b.png")
    first = PEOPLE[0].patient_id
    row: list[object] = ["b.png", first, "B", *PANEL[1:5]]
    images = write_rows(
        tmp_path / "i.csv", ["file", "patient_id", "modality", "roi_x", "roi_y", "roi_w", "roi_h"], [row]
    )
    people = write_rows(tmp_path / "p.csv", ["patient_id", "stage"], [[first, "F1"]])
    source = Sources(tmp_path / "source", people, images if listed else None)
    with key_in(tmp_path) as key:
        choices = Choices(accept_unmasked=not listed, skip_bad=True, key=key)
        cohort = take_in(source, tmp_path / "cohort", PLAN, choices=choices)
    assert len(cohort.images) == 1
    assert not burned(np.asarray(cohort.pixels("B")).repeat(3, axis=-1))
    assert not any(burned(tile) for tile in tiles_of(cohort.path))


def test_columns_that_name_or_date_people_are_left_out_and_said_so(taken: Taken) -> None:
    assert {"name", "birth_date", "remarks"}.isdisjoint(taken.cohort.patients.columns)
    assert {"called", "sex", "age"} <= set(taken.cohort.patients.columns)
    for column in ("name", "birth_date", "remarks"):
        assert any(repr(column) in line for line in taken.said), column
    kinds = set(taken.cohort.exclusions["kind"])
    assert {"patient", "picture"} <= kinds
    assert "antiviral treatment" in taken.cohort.exclusions["reason"].to_list()


def test_pseudonyms_lead_back_through_the_link_alone(taken: Taken) -> None:
    assert stat.S_IMODE(taken.link.stat().st_mode) == 0o600
    with taken.link.open(encoding="utf-8", newline="") as file:
        rows = [(row["what"], row["written"], row["given"]) for row in csv.DictReader(file)]
    given = {written: name for what, written, name in rows if what == "patient"}
    pictured = set(taken.cohort.images["patient_id"])
    assert {given[name] for name in pictured} == {person.patient_id for person in PEOPLE}
    files = {written: name for what, written, name in rows if what == "file"}
    for patient, source in taken.cohort.images.select("patient_id", "source").iter_rows():
        assert (taken.hospital.folder / files[source]).is_file()
        person = next(person for person in PEOPLE if person.patient_id == given[patient])
        assert folder_of(person) in files[source]
    for row in taken.cohort.exclusions.filter(pl.col("patient_id").is_not_null()).iter_rows(named=True):
        assert row["patient_id"].startswith("P")
        assert len(row["patient_id"]) == 17


def test_days_between_two_exams_are_kept(taken: Taken) -> None:
    first = Privacy(bytes.fromhex(KEY)).patient(PEOPLE[0].patient_id)
    days = taken.cohort.images.filter(pl.col("patient_id") == first)["day"].drop_nulls()
    assert set(days) == {0, 45}  # 17 March to 1 May
    assert taken.cohort.images["day"].max() == 45


def test_the_same_key_gives_the_same_pseudonyms_and_another_one_others(hospital: Hospital, tmp_path: Path) -> None:
    small = tmp_path / "small"
    for person in PEOPLE[:2]:
        source = hospital.folder / folder_of(person) / f"{person.family}2"
        (small / folder_of(person)).mkdir(parents=True)
        (small / folder_of(person) / source.name).write_bytes(source.read_bytes())
    names = {}
    for run, key in {"a": KEY, "b": KEY, "c": "77" * 32}.items():
        with key_in(tmp_path, key):
            cohort = take_in(Sources(small), tmp_path / run, PLAN)
        names[run] = set(cohort.patient_ids) | set(cohort.images["source"])
    assert names["a"] == names["b"]
    assert names["a"].isdisjoint(names["c"])


def test_a_key_is_made_for_its_user_alone_and_never_inside_the_cohort(hospital: Hospital, tmp_path: Path) -> None:
    source = Sources(hospital.folder / folder_of(PEOPLE[0]))
    with key_in(tmp_path, "") as key:
        assert not key.exists()
        take_in(source, tmp_path / "cohort", PLAN, skip_bad=True)
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert len(read_key(key)) == 32
        made = key.read_text()
        take_in(source, tmp_path / "again", PLAN, skip_bad=True)
        assert key.read_text() == made
    with pytest.raises(IntakeError, match="must stay with you"):
        take_in(source, tmp_path / "c", PLAN, choices=Choices(key=tmp_path / "c" / "intake.key"))
    with key_in(tmp_path), pytest.raises(IntakeError, match="must stay with you"):
        take_in(source, tmp_path / "d", PLAN, choices=Choices(skip_bad=True, link=tmp_path / "d" / "link.csv"))
    assert not (tmp_path / "c").exists()
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("listed", [False, True], ids=["rules", "images.csv"])
def test_nothing_is_in_the_journal_of_a_stopped_intake_which_goes_on(
    hospital: Hospital, tmp_path: Path, listed: bool
) -> None:
    choices, source = Choices(skip_bad=True, workers=1), sources(hospital, listed)
    with key_in(tmp_path):
        with pytest.raises(KeyboardInterrupt):
            take_in(source, tmp_path / "cohort", PLAN, progress=Told(stop=14), choices=choices)
        folder = folder_beside(tmp_path / "cohort")
        assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, "keys"]
        assert (folder / "entries").stat().st_size > 100_000
        assert leaks(folder) == []
        assert not any(map(burned, shown_in(folder)))
        told = Told()
        cohort = take_in(source, tmp_path / "cohort", PLAN, progress=told, choices=choices)
        assert told.said[0].startswith("14 of ")
        fresh = take_in(source, tmp_path / "fresh", PLAN, choices=choices)
    assert cohort.fingerprint == fresh.fingerprint
    assert not folder.exists()


def shown_in(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """Every picture and thumbnail of a journal."""
    journal = Journal(folder, ReadingRules(PLAN, Privacy(bytes.fromhex(KEY))))
    assert len(journal.known) == 14
    shapes = {m.name: (m.size, m.size, m.stored_channels) for m in PLAN.modality}
    for code in journal.known:
        entry = journal.entry(code)
        for record, place in zip(entry.records, entry.places, strict=True):
            pixels = journal.pixels(place, shapes[record["modality"]])
            yield pixels if pixels.shape[-1] == 3 else pixels.repeat(3, axis=-1)
            yield np.asarray(Image.open(io.BytesIO(journal.thumb(place))))
    journal.close()


def test_the_terminal_may_name_files_and_people(hospital: Hospital, tmp_path: Path) -> None:
    with key_in(tmp_path), pytest.raises(IntakeError) as caught:
        take_in(sources(hospital, listed=False), tmp_path / "cohort", PLAN, choices=Choices(workers=1))
    text = str(caught.value)
    assert f"whole_{PEOPLE[1].family}.dcm: marks no regions and may have a name burned into its pixels" in text
    assert f"of patient {PEOPLE[1].patient_id!r} has the same pixels as" in text
    assert f"unknown stage '{WRONG.family}, {WRONG.given}'" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [".cohort.intake", "keys"]


@pytest.mark.parametrize("taken", [True], indirect=True, ids=["images.csv"])
def test_such_a_cohort_is_described_trained_on_and_predicted(taken: Taken, tmp_path: Path) -> None:
    cohort = open_cohort(taken.cohort.path)
    described = describe(cohort).as_dict()
    assert described
    train(cohort, PLAN, tmp_path / "run")
    table = predict_cohort(tmp_path / "run", cohort, tmp_path / "predicted.csv").table()
    assert set(table["patient_id"]) <= set(cohort.patient_ids)
    (tmp_path / "described.json").write_text(json.dumps(described, default=str))
    assert leaks(tmp_path) == []
