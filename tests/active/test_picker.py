"""Picking within quotas against the literal, greedy walk over everything."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fibrostage.active.top_items import UNLIMITED, WithinQuotas, run_positions, turns


def literal(
    ids: list[int], scores: list[float], guesses: list[int], owners: list[int], k: int, q: list[int], s: int,
    had: list[int] | None,
) -> list[int]:  # fmt: skip
    """Walks all items in order of preference and takes whom the quotas still allow.

    In turn, an item's turn counts those of its patient that could be taken before it.
    """
    order = sorted(range(len(ids)), key=lambda i: (-scores[i], ids[i]))
    better: dict[tuple[int, int], int] = {}
    possible = []
    for i in order:
        key = (owners[i], guesses[i])
        if better.get(key, 0) < min(q[owners[i]], s, k):
            possible.append(i)
        better[key] = better.get(key, 0) + 1
    order = possible
    if had is not None:
        seen: dict[int, int] = {}
        turn = {}
        for i in order:
            turn[i] = had[owners[i]] + seen.get(owners[i], 0)
            seen[owners[i]] = seen.get(owners[i], 0) + 1
        order.sort(key=lambda i: turn[i])
    given_patients: dict[int, int] = {}
    given_stages: dict[int, int] = {}
    chosen = []
    for i in order:
        if len(chosen) < k and given_patients.get(owners[i], 0) < q[owners[i]] and given_stages.get(guesses[i], 0) < s:
            chosen.append(ids[i])
            given_patients[owners[i]] = given_patients.get(owners[i], 0) + 1
            given_stages[guesses[i]] = given_stages.get(guesses[i], 0) + 1
    return chosen


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6),
    st.integers(0, 10_000),
    st.integers(1, 12),
    st.sampled_from([1, 2, 3, UNLIMITED]),
    st.sampled_from([1, 2, 4, UNLIMITED]),
    st.booleans(),
    st.integers(1, 9),
)
def test_quotas_are_the_greedy_walk(
    sizes: list[int], seed: int, k: int, per_patient: int, per_stage: int, in_turn: bool, block: int
) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    n = int(offsets[-1])
    if not n:
        return
    ids = np.arange(n)
    scores, guesses = rng.integers(0, 4, n).astype(float), rng.integers(0, 3, n)
    owners = np.searchsorted(offsets, ids, side="right") - 1
    had = rng.integers(0, 3, len(sizes)) if in_turn else None
    limits = np.full(len(sizes), per_patient)
    picker = WithinQuotas(k, offsets, limits, per_stage, had)
    for start in range(0, n, block):
        part = slice(start, start + block)
        picker.add(ids[part], scores[part], guesses[part])
    found, their_scores = picker.picked()
    expected = literal(
        ids.tolist(), scores.tolist(), guesses.tolist(), owners.tolist(), k, limits.tolist(), per_stage,
        None if had is None else had.tolist(),
    )  # fmt: skip
    assert found.tolist() == expected
    assert their_scores.tolist() == scores[found].tolist()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8), st.integers(0, 60))
def test_dealing_in_turn_fills_up_from_those_asked_least(patients: list[tuple[int, int]], count: int) -> None:
    left, had = (np.array(column) for column in zip(*patients, strict=True))
    dealt = turns(left, had, count)
    assert (dealt <= left).all()
    assert dealt.sum() >= min(count, left.sum())
    level = (had + dealt)[dealt > 0].max(initial=0)
    assert (had + dealt >= level)[dealt < left].all(), "nobody waits while another is asked more often"
    assert dealt.sum() - (had + dealt == level)[dealt > 0].sum() < max(count, 1)


def test_positions_in_runs() -> None:
    assert run_positions(np.array([3, 3, 5, 5, 5, 3])).tolist() == [0, 1, 0, 1, 2, 0]
    assert run_positions(np.array([], dtype=np.int64)).tolist() == []
