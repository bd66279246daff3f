"""Pairs of hashes that differ in few bits, found by an index instead of by comparing all: exact, and not quadratic.

A hash of 120 bits is cut into m parts. Of two hashes that differ in at most d = m·r + a bits, either one of the first
a + 1 parts differs in at most r, or one of the others in at most r − 1 (Norouzi, Punjani and Fleet, Fast search in
Hamming space with multi-index hashing, 2012, proposition 2). So for each part the hashes are sorted by it, and each
hash is compared with those alone whose part is one of the few that near.

The more alike the hashes are, the less that saves; a sample says beforehand what it would cost, and where comparing all
is cheaper, that is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.kernels import compiled

BITS = 120
WAYS = (5, 6, 8, 10, 12)  # parts that 120 bits can be cut into, of at most 24
SAMPLE = 200  # hashes that say how many each would be compared with
WORTH = 100_000  # hashes for which it is worth planning; below, a second or two is all there is to gain
AT_ONCE = 2**16  # pairs that the kernel hands out at a time
STEP, LOOK, SCANNED = 4.0, 8.0, 1.3  # nanoseconds, no less, of a part looked up, a hash compared there, one in a row


@dataclass(frozen=True)
class IndexPlan:
    """How pairs are found: by an index of so many `parts`, 0 for comparing all; `seconds` is what that should take."""

    parts: int
    seconds: float

    @property
    def way(self) -> str:
        return f"index of {self.parts} parts" if self.parts else "all pairs"


def radii(parts: int, distance: int) -> list[int]:
    """In how many bits each of the parts may differ; −1 where that part need not be looked at."""
    r, a = divmod(distance, parts)
    return [r if part <= a else r - 1 for part in range(parts)]


@cache
def masks(width: int, radius: int) -> NDArray[np.uint32]:
    """All changes of at most `radius` of `width` bits, as masks [n]; none where the radius is −1."""
    found = [sum(1 << bit for bit in bits) for count in range(radius + 1) for bits in combinations(range(width), count)]
    return np.array(found, dtype=np.uint32)


def parts_of(words: NDArray[np.uint64], parts: int) -> NDArray[np.uint32]:
    """The parts of hashes [N, 2] as numbers [parts, N] of 120 / parts bits each."""
    bits = np.unpackbits(words.view(np.uint8).reshape(len(words), 16), axis=1)[:, :BITS]
    width = BITS // parts
    weights = (1 << np.arange(width)).astype(np.uint32)
    own = [bits[:, part * width : (part + 1) * width].astype(np.uint32) @ weights for part in range(parts)]
    return np.ascontiguousarray(np.stack(own), dtype=np.uint32)


def plan_index(words: NDArray[np.uint64], distance: int) -> IndexPlan:
    """The cheapest way to find pairs of hashes [N, 2], by what a sample of them would be compared with."""
    count = len(words)
    best = IndexPlan(0, SCANNED * count * count / 2 * 1e-9)
    sample = np.random.default_rng(0).choice(count, min(SAMPLE, count), replace=False)
    for parts in WAYS:
        keys, width = parts_of(words, parts), BITS // parts
        steps, looks = 0, 0.0
        for part, radius in enumerate(radii(parts, distance)):
            near = masks(width, radius)
            steps += len(near)
            size = np.bincount(keys[part], minlength=1 << width)
            looks += sum(float(size[key ^ near].sum()) for key in keys[part][sample]) / len(sample)
        seconds = count * (STEP * steps + LOOK * looks) * 1e-9
        if seconds < best.seconds:
            best = IndexPlan(parts, seconds)
    return best


def indexed_pairs(
    words: NDArray[np.uint64], distance: int, parts: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yields the pairs (i, j), i < j, of hashes [N, 2] that differ in at most `distance` bits, as [P] and [P], each
    once, in no order."""
    keys, width = parts_of(words, parts), BITS // parts
    bounds = np.array(radii(parts, distance), dtype=np.int64)
    low, high = np.ascontiguousarray(words.T)
    pairs = np.empty((AT_ONCE, 2), dtype=np.int64)
    for part in range(parts):
        near = masks(width, int(bounds[part]))
        order = np.argsort(keys[part], kind="stable").astype(np.int64)
        begins = np.zeros((1 << width) + 1, dtype=np.int64)
        np.cumsum(np.bincount(keys[part], minlength=1 << width), out=begins[1:])
        row = 0
        while row < len(words):
            row, found, pairs = search(low, high, keys, part, near, order, begins, bounds, distance, row, pairs)
            if found:
                yield pairs[:found, 0].astype(np.intp), pairs[:found, 1].astype(np.intp)


@compiled()
def bits_set(word: np.uint64) -> np.uint64:
    """How many bits of a word are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled()
def search(
    low: NDArray[np.uint64],
    high: NDArray[np.uint64],
    keys: NDArray[np.uint32],
    part: int,
    near: NDArray[np.uint32],
    order: NDArray[np.int64],
    begins: NDArray[np.int64],
    bounds: NDArray[np.int64],
    distance: int,
    row: int,
    pairs: NDArray[np.int64],
) -> tuple[int, int, NDArray[np.int64]]:
    """Writes the pairs of the rows from `row` on to `pairs` [P, 2], as far as they fit; returns the row to go on from,
    how many pairs there are, and `pairs`, which grows where one row has more.

    Hashes are `low` and `high` [N], their parts `keys` [parts, N]; `near` are the changes of this part, `order` [N] the
    rows sorted by it, and rows of key k stand from `begins[k]` to `begins[k + 1]`; `bounds` [parts] are the radii.
    """
    found = 0
    for i in range(row, len(low)):
        before = found
        for mask in near:
            key = keys[part, i] ^ mask
            for at in range(begins[key], begins[key + 1]):
                j = order[at]
                if j <= i or bits_set(low[i] ^ low[j]) + bits_set(high[i] ^ high[j]) > distance:
                    continue
                again = False  # an earlier part has found it
                for other in range(part):
                    again |= np.int64(bits_set(np.uint64(keys[other, i] ^ keys[other, j]))) <= bounds[other]
                if again:
                    continue
                if found == len(pairs):
                    if before > 0:  # what is whole is handed out, and this row is done again
                        return i, before, pairs
                    pairs = np.concatenate((pairs, np.empty_like(pairs)))
                pairs[found, 0], pairs[found, 1] = i, j
                found += 1
    return len(low), found, pairs
