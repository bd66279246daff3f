"""The index finds the pairs that comparing all finds, each once, and is not taken where it would cost more."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fibrostage.bench.one_machine import random_words
from fibrostage.intake.build import hash_index, near_duplicates
from fibrostage.intake.build.hash_index import BITS, WAYS, indexed_pairs, plan_index
from fibrostage.intake.build.near_duplicates import DISTANCE, candidates, compared_pairs

Pairs = list[tuple[int, int]]


def hashes(count: int, families: int, flips: int, share: float = 0.5) -> NDArray[np.uint64]:
    """Hashes [count, 2] of so many families, whose members differ from its first in up to `flips` bits; `share` is that
    of bits which are set, so that far from a half all are alike."""
    rng = np.random.default_rng(0)
    bits = np.zeros((count, 128), dtype=bool)
    bits[:, :BITS] = (rng.random((families, BITS)) < share)[rng.integers(0, families, count)]
    for row in range(count):
        bits[row, rng.choice(BITS, rng.integers(0, flips + 1), replace=False)] ^= True
    return np.packbits(bits, axis=1).view(np.uint64)


def listed(found) -> Pairs:  # type: ignore[no-untyped-def]
    return sorted((int(i), int(j)) for first, second in found for i, j in zip(first, second, strict=True))


@pytest.mark.parametrize("parts", WAYS)
@pytest.mark.parametrize("distance", [3, DISTANCE])
def test_the_index_finds_what_comparing_all_finds(parts: int, distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_index, "AT_ONCE", 7)  # some rows have more pairs than fit
    words = hashes(300, 100, 20)
    expected = listed(compared_pairs(words, distance))
    assert expected
    assert listed(indexed_pairs(words, distance, parts)) == expected


def test_the_way_is_chosen_by_what_it_costs() -> None:
    apart, alike = random_words(40_000, 0), hashes(2_000, 3, 10, share=0.02)
    assert plan_index(apart, DISTANCE).parts > 0
    assert plan_index(alike, DISTANCE).parts == 0, "hashes of one kind share their parts"


def test_the_search_for_twins_takes_it_where_it_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = np.random.default_rng(0).integers(-40, 40, (400, 24, 24), dtype=np.int8)
    prints[200:] = prints[:200] + (np.arange(24) > 20).astype(np.int8)
    prints[5] = 0
    expected = listed(candidates(prints, DISTANCE))
    assert len(expected) == 199
    monkeypatch.setattr(near_duplicates, "WORTH", 0)
    monkeypatch.setattr(hash_index, "SCANNED", 1e6)
    assert listed(candidates(prints, DISTANCE)) == expected
