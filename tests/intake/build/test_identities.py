"""One id is one person, or the user says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fibrostage.ground.errors import IntakeError
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.identities import coincidences, contradictions
from fibrostage.intake.person import HashedPerson
from fibrostage.intake.privacy import Privacy
from tests.conftest import write_rows
from tests.intake.build.bad_files import KEY, PLAN, dry, edit, take, write

DOE = HashedPerson(frozenset({"doe", "jane"}), "b1", "f", "here")
PSEUDONYM = Privacy(KEY).patient


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (HashedPerson(frozenset({"roe", "rita"}), "b1", "f", "here"), "name"),
        (HashedPerson(frozenset({"doe", "jane"}), "b2", "f", "here"), "birth date"),
        (HashedPerson(frozenset({"doe", "jane"}), "b1", "m", "there"), "sex and issuer of the id"),
        (HashedPerson(frozenset({"doe"}), "", "", ""), None),
        (HashedPerson(), None),
    ],
)
def test_what_differs_under_one_id(other: HashedPerson, what: str | None) -> None:
    found = list(contradictions({"P1": [(DOE, "a.dcm"), (DOE, "b.dcm"), (other, "c.dcm")]}))
    assert found == ([] if what is None else [("P1", "a.dcm", "c.dcm", what)])


def test_one_person_under_several_ids() -> None:
    people = {"P1": [(DOE, "a")], "P2": [(DOE, "b")], "P3": [(HashedPerson(frozenset({"doe"}), "b2"), "c")]}
    assert list(coincidences(people, {})) == [(["P1", "P2"], "their files agree in name and birth date")]
    twins = {"P1": [(DOE, "a")], "P2": [(HashedPerson(frozenset({"doe", "jim"}), "b1", "m"), "b")]}
    assert list(coincidences(twins, {})) == []


def test_ids_that_differ_by_zeros_or_case_alone() -> None:
    ids = {"P1": "2001", "P2": "02001", "P3": "a7", "P4": "A7", "P5": "20010"}
    why = "their ids differ only by zeros in front, case or spelling"
    assert list(coincidences({}, ids)) == [(["P1", "P2"], why), (["P3", "P4"], why)]
    told = {"P1": [(DOE, "a")], "P2": [(HashedPerson(frozenset({"roe"}), "b2"), "b")]}
    assert list(coincidences(told, {"P1": "2001", "P2": "02001"})) == []


def two_under_one_id(place: Path, **values: Any) -> None:
    edit(write(place / "source" / "other.dcm", patient="ID-1"), **values)


def test_two_people_under_one_id_stop_the_intake(place: Path) -> None:
    two_under_one_id(place, PatientName="ROE^Rita", PatientBirthDate="19820301")
    assert dry(place) == 1
    with pytest.raises(IntakeError) as caught:
        take(place)
    text = str(caught.value)
    assert text.startswith("1 problem, nothing was written")
    assert f"{PSEUDONYM('ID-1')}: " in text
    assert "differ in name and birth date, and may be two people under one id" in text
    assert "Rita" not in text
    left = take(place, skip_bad=True)
    assert PSEUDONYM("ID-1") not in left.patients["patient_id"].to_list()
    assert "patient" in left.exclusions["kind"].to_list()


def test_the_user_may_accept_an_identity(place: Path) -> None:
    two_under_one_id(place, PatientName="ROE^Rita", PatientBirthDate="19820301")
    assert PSEUDONYM("ID-1") in take(place, accept_identity=True).patients["patient_id"].to_list()


def test_one_person_under_two_ids_stops_the_intake(place: Path) -> None:
    for patient in ("2001", "02001"):
        path = write(place / "source" / f"{patient}.dcm", patient=patient)
        edit(path, PatientName="ROE^Rita", PatientBirthDate="19820301")
    people = write_rows(place / "p.csv", ["patient_id", "stage"], [["2001", "F2"], ["02001", "F1"]])
    (place / "source" / "ID-1-0.dcm").unlink(missing_ok=True)
    assert dry(place, sources=Sources(place / "source", people)) == 3  # and two strangers
    with pytest.raises(IntakeError, match="may be one person: their files agree in name and birth date"):
        take(place, PLAN, sources=Sources(place / "source", people))


def test_placeholders_of_deidentified_files_say_nothing(place: Path) -> None:
    for path in (place / "source").rglob("*.dcm"):
        edit(path, PatientName="Anonymous", PatientBirthDate="19000101")
    take(place)
