"""Candidate arithmetic against the literal Cartesian product, and against the paper's Table 1."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fibrostage.cohort.candidates import ABSENT, CandidateSpace
from fibrostage.ground.errors import CohortError, PlanError

COUNTS = st.integers(1, 4).flatmap(
    lambda m: st.lists(st.lists(st.integers(0, 4), min_size=m, max_size=m), min_size=1, max_size=6)
)


def literal(space: CandidateSpace) -> list[tuple[int, ...]]:
    """(patient, image rows …) of every candidate, by building the product."""
    result = []
    for patient, counts in enumerate(space.counts.tolist()):
        if sum(counts) == 0:
            continue
        choices = []
        for column, count in enumerate(counts):
            first = int(space.counts[:patient, column].sum())
            rows = list(range(first, first + count))
            choices.append(rows or ([ABSENT] if space.keep_incomplete else []))
        result += [(patient, *rows) for rows in itertools.product(*choices)]
    return result


def space_from(counts: list[list[int]], keep: bool) -> CandidateSpace:
    names = tuple(f"m{k}" for k in range(len(counts[0])))
    return CandidateSpace(names, np.array(counts, dtype=np.int64), keep)


@given(COUNTS, st.booleans())
def test_the_arithmetic_is_the_literal_product(counts: list[list[int]], keep: bool) -> None:
    space = space_from(counts, keep)
    expected = literal(space)
    assert space.total == len(expected)
    ids = np.arange(space.total)
    decoded = np.column_stack([space.patient_of(ids), space.decode(ids)])
    assert [tuple(row) for row in decoded.tolist()] == expected
    assert space.encode(decoded[:, 0], decoded[:, 1:]).tolist() == ids.tolist()
    assert [len(space.ids_of(p)) for p in range(len(counts))] == space.per_patient.tolist()


@given(COUNTS, st.integers(1, 10), st.integers(0, 99))
def test_a_draw_shows_every_image(counts: list[list[int]], most: int, seed: int) -> None:
    space = space_from(counts, True)
    patients = np.arange(len(counts))
    ids = space.draw(patients, most, np.random.default_rng(seed))
    assert len(np.unique(ids)) == len(ids)
    limit = np.maximum(most, space.counts.max(axis=1))
    assert (np.bincount(space.patient_of(ids), minlength=len(counts)) <= limit).all()
    rows = space.decode(ids)
    for column in range(len(space.modalities)):
        for patient in patients:
            if space.counts[patient, column]:
                shown = rows[space.patient_of(ids) == patient, column]
                assert len(np.unique(shown)) == space.counts[patient, column]


# MMFN paper, Table 1: patients and images by stage; images are dealt out as evenly as they go.
PATIENTS = (41, 51, 31, 27, 18)
LSTE = (185, 235, 142, 132, 84)
LUS = (933, 1095, 604, 515, 425)


def dealt(totals: tuple[int, ...]) -> list[int]:
    counts = []
    for patients, images in zip(PATIENTS, totals, strict=True):
        counts += [images // patients + (k < images % patients) for k in range(patients)]
    return counts


def test_table_1_of_the_paper_comes_out_by_arithmetic() -> None:
    lste, lus = np.array(dealt(LSTE)), np.array(dealt(LUS))
    space = CandidateSpace(("LSTE", "LUS"), np.stack([lste, lus], axis=1))
    stages = np.repeat(np.arange(5), PATIENTS)
    assert (int(lste.sum()), int(lus.sum()), len(stages)) == (778, 3572, 168)
    by_stage = np.bincount(stages, weights=space.per_patient).astype(int)
    assert space.total == int((lste * lus).sum()) == by_stage.sum()
    # Evenly dealt, pairs are near the paper's 16,592; the product over all patients would be 2,779,016.
    assert abs(space.total - 16592) / 16592 < 0.02
    for ours, paper in zip(by_stage, (4195, 5077, 2818, 2509, 1993), strict=True):
        assert abs(ours - paper) / paper < 0.03


def test_the_papers_own_pairs_are_within_patient() -> None:
    """F4: 84 LSTE and 332 LSTE×SSTE pairs of 18 patients; 1993 LSTE×LUS pairs cannot be 84 × 425."""
    f4 = CandidateSpace(("LSTE", "LUS"), np.array([[5, 25]] * 12 + [[4, 21]] * 5 + [[4, 20]]))
    assert f4.counts.sum(axis=0).tolist() == [84, 425]
    assert f4.total == 12 * 125 + 5 * 84 + 80 == 2000
    assert f4.total < 84 * 425


def test_ids_are_64_bit_and_more_is_refused() -> None:
    big = CandidateSpace(("a", "b", "c"), np.full((4, 3), 10**6, dtype=np.int64))
    assert big.total == 4 * 10**18
    last = big.decode([big.total - 1])
    assert last.tolist() == [[4 * 10**6 - 1] * 3]
    with pytest.raises(CohortError, match="64 bits"):
        CandidateSpace(("a", "b", "c"), np.full((40, 3), 10**6, dtype=np.int64))


def test_what_does_not_exist_is_refused() -> None:
    space = space_from([[2, 1], [1, 0]], True)
    with pytest.raises(CohortError, match="candidate 3 does not exist; ids run from 0 to 2"):
        space.decode([3])
    with pytest.raises(CohortError, match="not of patient row 1"):
        space.encode([1], [[0, ABSENT]])
    with pytest.raises(PlanError, match="different names"):
        CandidateSpace(("a", "a"), np.ones((1, 2), dtype=np.int64))
