"""Whether one id is one person: what headers say of whose a file is, compared as keyed hashes.

An id alone is no identity: hospitals give the same number, and one person comes under two. Who differs under one id, or
agrees under two, is left to the user to tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from fibrostage.ground.lists import and_
from fibrostage.ground.words import bare
from fibrostage.intake.person import HashedPerson


def contradictions(people: Mapping[str, Iterable[tuple[HashedPerson, str]]]) -> Iterator[tuple[str, str, str, str]]:
    """(patient, two files, what differs) of every patient whose files are of different people; `people` are by patient
    (person, file)."""
    for patient, told in people.items():
        distinct: dict[HashedPerson, str] = {}
        for person, file in told:
            distinct.setdefault(person, file)
        for (a, first), (b, second) in combinations(distinct.items(), 2):
            found = a.differences(b)
            if found:
                yield patient, first, second, and_(found)
                break


def coincidences(
    people: Mapping[str, Sequence[tuple[HashedPerson, str]]], ids: Mapping[str, str]
) -> Iterator[tuple[list[str], str]]:
    """(patients, why) of all who may be one person: the same name and birth date, or ids that differ only by zeros in
    front, case or spelling and nothing that speaks against it. `ids` are the given ids by patient."""
    by_birth: dict[str, list[str]] = defaultdict(list)
    for patient, told in people.items():
        for birth in {person.birth for person, _ in told if person.birth}:
            by_birth[birth].append(patient)
    met: set[str] = set()
    for patients in by_birth.values():
        for first in sorted(patients):
            same = [first, *(other for other in sorted(patients) if other > first and agree(people, first, other))]
            if len(same) > 1 and not met.issuperset(same):
                met.update(same)
                yield same, "their files agree in name and birth date"
    alike: dict[str, list[str]] = defaultdict(list)
    for patient, given in ids.items():
        alike[bare(given)].append(patient)
    for patients in alike.values():
        if len(patients) > 1 and not met.issuperset(patients) and not differ(people, patients):
            yield sorted(patients), "their ids differ only by zeros in front, case or spelling"


def agree(people: Mapping[str, Sequence[tuple[HashedPerson, str]]], a: str, b: str) -> bool:
    return any(one.agrees(other) for one, _ in people[a] for other, _ in people[b])


def differ(people: Mapping[str, Sequence[tuple[HashedPerson, str]]], patients: Sequence[str]) -> bool:
    """Whether the files of any two of these patients are of different people."""
    told = [[person for person, _ in people.get(patient, ())] for patient in patients]
    return any(one.differences(other) for a, b in combinations(told, 2) for one in a for other in b)
