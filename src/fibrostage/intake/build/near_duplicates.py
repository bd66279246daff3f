"""Pictures that are nearly the same: saved again, brightened, cropped by a few per cent, scaled.

Twins under two patients' names leak from training into testing. Fans of one scanner look alike at a glance, so a
picture is known by its `fingerprint` and not by its grey levels: what stands out from its surroundings, each place by
its own contrast, and where the picture is dark nothing. Outline, gain and the fall of brightness with depth thereby
drop out. Two looks: pairs whose perceptual hashes (signs of the fingerprint's 120 lowest cosines) differ in few bits,
and of these the ones whose fingerprints correlate once the second is moved and scaled a little onto the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fibrostage.intake.find.fingerprint import SIDE

LOW = 11  # cosines a side, of which the first says nothing
DISTANCE = 24  # bits of 120
ALIKE = 0.9  # correlation
HOPELESS = (0.68, 0.85, 0.85)  # correlation before each step of moving; the twins of the measurements had more
MOST = 1.2  # cells that a border may be moved
BATCH = 4096  # pairs that wait for a second look
CACHED = 512  # pairs whose fingerprints fit a processor's cache


def perceptual_hash(prints: NDArray[np.int8]) -> NDArray[np.uint64]:
    """Returns 120 bits of each fingerprint [N, 24, 24], as two words [N, 2]."""
    words = np.empty((len(prints), 2), dtype=np.uint64)
    for start in range(0, len(prints), BATCH):
        cosines = dctn(prints[start : start + BATCH].astype(np.float32), axes=(1, 2))[:, :LOW, :LOW]
        bits = cosines.reshape(len(cosines), -1)[:, 1:] > 0
        padded = np.zeros((len(bits), 128), dtype=bool)
        padded[:, : bits.shape[1]] = bits
        words[start : start + BATCH] = np.packbits(padded, axis=1).view(np.uint64)
    return words


def near_twins(prints: NDArray[np.int8], distance: int = DISTANCE, alike: float = ALIKE) -> NDArray[np.intp]:
    """Returns the pairs (i, j), i < j, of fingerprints [N, 24, 24] that are twins [P, 2]: at most `distance` bits apart
    and correlated by at least `alike`. Memory does not grow with N²."""
    found = []
    for first, second in candidates(prints, distance):
        same = likeness(prints[first], prints[second]) >= alike
        found.append(np.stack([first[same], second[same]], axis=1))
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.intp)


def candidates(prints: NDArray[np.int8], distance: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yields pairs (i, j), i < j, of fingerprints [N, 24, 24] whose hashes differ in at most `distance` bits, as [P]
    and [P], about BATCH at a time; blank pictures pair with none."""
    shown = np.flatnonzero(prints.any(axis=(1, 2)))
    low, high = np.ascontiguousarray(perceptual_hash(prints[shown]).T)
    first: list[NDArray[np.intp]] = []
    second: list[NDArray[np.intp]] = []
    waiting = 0
    for row in range(len(shown) - 1):
        bits = set_bits(low[row] ^ low[row + 1 :])
        bits += set_bits(high[row] ^ high[row + 1 :])
        near = np.flatnonzero(bits <= distance)
        if len(near):
            first.append(np.full(len(near), shown[row]))
            second.append(shown[row + 1 + near])
            waiting += len(near)
        if waiting >= BATCH or (waiting and row == len(shown) - 2):
            yield np.concatenate(first), np.concatenate(second)
            first, second, waiting = [], [], 0


def set_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Counts the set bits in each of `words` [N]; returns [N] uint8."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count(words)
    return np.asarray(bits_of_half_words()[words.view(np.uint16).reshape(-1, 4)].sum(axis=1), dtype=np.uint8)


@lru_cache(maxsize=1)
def bits_of_half_words() -> NDArray[np.uint8]:
    """Returns how many bits are set in each 16-bit number [65536], for numpy 1, which cannot count bits."""
    return np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)


def likeness(a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.float32]:
    """Returns the best correlation [P] of fingerprints `a` and `b` [P, 24, 24], each of `b` moved and scaled a
    little."""
    result = np.empty(len(a), dtype=np.float32)
    for start in range(0, len(a), CACHED):
        part = slice(start, start + CACHED)
        result[part] = fitted(a[part].astype(np.float32), b[part].astype(np.float32))
    return result


def fitted(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the best correlation [P] of `a` and `b` [P, 24, 24] in up to three steps of Gauss and Newton over how far
    to read `b` (sideways, down, scale); pairs that are hopeless take no further step."""
    best = correlation(a, b)
    shift = np.zeros((len(a), 3), dtype=np.float32)
    moved = b.copy()
    for hopeless in HOPELESS:
        going = np.flatnonzero((best >= hopeless) & (best < 0.999))
        if not len(going):
            break
        further = np.clip(step(moved[going], a[going]), -MOST / 2, MOST / 2)
        shift[going] = np.clip(shift[going] + further, -MOST, MOST)
        moved[going] = warped(b[going], shift[going])
        best[going] = np.maximum(best[going], correlation(moved[going], a[going]))
    return best


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns Pearson's correlation [P] of `a` and `b` [P, 24, 24] over the inner cells, which a move of one cell does
    not take out of the picture."""
    x, y = (centred(cells[:, 1:-1, 1:-1].reshape(len(cells), -1)) for cells in (a, b))
    product = np.einsum("pc,pc->p", x, y)
    scale = np.sqrt(np.einsum("pc,pc->p", x, x) * np.einsum("pc,pc->p", y, y))
    return np.asarray(product / np.maximum(scale, 1e-6), dtype=np.float32)


def centred(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Takes from each row of `cells` [P, cells] its mean; returns [P, cells]."""
    return np.asarray(cells - cells.mean(axis=1, keepdims=True), dtype=np.float32)


def step(moving: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns how far (in cells: sideways, down, and outwards at the border) to read `moving` to meet `target` [P, 3];
    both are fingerprints [P, 24, 24]."""
    count, outwards = len(moving), np.linspace(-1, 1, SIDE, dtype=np.float32)
    down, sideways = (np.asarray(slope, dtype=np.float32) for slope in np.gradient(moving, axis=(1, 2)))
    spread = sideways * outwards[None, None, :] + down * outwards[None, :, None]
    columns = [moving, sideways, down, spread]
    X = np.stack([centred(part[:, 1:-1, 1:-1].reshape(count, -1)) for part in columns], axis=1)  # [P, 4, cells]
    y = centred(target[:, 1:-1, 1:-1].reshape(count, -1))
    normal = X @ X.transpose(0, 2, 1) + np.eye(4, dtype=np.float32)
    weights = np.linalg.solve(normal, X @ y[:, :, None])[:, :, 0]
    gain = np.where(np.abs(weights[:, :1]) < 0.1, 0.1, weights[:, :1])
    return np.asarray(weights[:, 1:] / gain, dtype=np.float32)


def warped(prints: NDArray[np.float32], shift: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns fingerprints [P, 24, 24] read between their cells, at each cell's place + `shift` [P, 3] in cells:
    sideways, down, and outwards at the border."""
    pair = np.arange(len(prints))[:, None, None]
    x, right = places(shift[:, 0], shift[:, 2])
    y, lower = places(shift[:, 1], shift[:, 2])
    x, y, right, lower = x[:, None, :], y[:, :, None], right[:, None, :], lower[:, :, None]
    upper_row = prints[pair, y, x] * (1 - right) + prints[pair, y, x + 1] * right
    lower_row = prints[pair, y + 1, x] * (1 - right) + prints[pair, y + 1, x + 1] * right
    return np.asarray(upper_row * (1 - lower) + lower_row * lower, dtype=np.float32)


def places(move: NDArray[np.float32], scale: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Returns the cell to read along one axis, and the share of the one after it, both [P, 24]; `move` and `scale` [P]
    are how far to read off each cell, everywhere and outwards at the border."""
    outwards = np.linspace(-1, 1, SIDE, dtype=np.float32)
    at = np.clip(np.arange(SIDE) + move[:, None] + scale[:, None] * outwards, 0, SIDE - 1.001)
    cell = at.astype(np.intp)
    return cell, np.asarray(at - cell, dtype=np.float32)


def groups(pairs: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Returns the group of each of `n` pictures or patients [n]: those joined by `pairs` [P, 2], directly or through
    others, numbered by first member."""
    ones = np.ones(len(pairs), dtype=np.int8)
    _, labels = connected_components(coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n)), directed=False)
    return np.asarray(labels, dtype=np.intp)
