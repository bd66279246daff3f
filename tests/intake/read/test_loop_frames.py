"""Which frames of made loops become pictures."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.ndimage import shift

from fibrostage.ground.errors import UnreadableImageError
from fibrostage.intake.read.loop_frames import ChosenFrames, change, choose, thumbnail
from fibrostage.phantom.bmode import Scan, bmode
from fibrostage.plan.intake import CinePlan

RATE = 20.0
TISSUE = bmode(Scan(0.0, 0.0), np.random.default_rng(3)).astype(np.float32)
OTHER = bmode(Scan(1.0, 0.0), np.random.default_rng(4)).astype(np.float32)


def noisy(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(picture + rng.normal(0, 8, picture.shape) * (picture > 0), 0, 255).astype(np.uint8)


def at(place: float, rng: np.random.Generator) -> np.ndarray:
    return noisy(shift(TISSUE, (0.3 * place, place), order=1), rng)


def in_air(rng: np.random.Generator) -> np.ndarray:
    """Near-black with ringing at the top."""
    depth = np.arange(TISSUE.shape[0], dtype=np.float32)[:, None]
    ringing = 230 * np.exp(-depth / 14) * (0.7 + 0.3 * np.cos(depth / 3))
    return np.clip(ringing + rng.normal(3, 3, TISSUE.shape), 0, 255).astype(np.uint8)


def loop(pictures: list[np.ndarray]) -> Iterator[tuple[int, float | None, np.ndarray]]:
    return ((index, index / RATE, pixels) for index, pixels in enumerate(pictures))


def indices(chosen: ChosenFrames) -> list[int]:
    return [picked.index for picked in chosen.frames]


@pytest.fixture(scope="module")
def sweep() -> list[np.ndarray]:
    """120 frames: slow, a fast pan (40–51), slow, the probe off (80–91), slow."""
    rng = np.random.default_rng(0)
    place, pictures = 0.0, []
    for index in range(120):
        place += 9.0 if 40 <= index < 52 else 0.8
        pictures.append(in_air(rng) if 80 <= index < 92 else at(place % 100, rng))
    return pictures


@pytest.mark.parametrize("total", [120, None, 60, 500])
def test_a_sweep_gives_still_frames_on_the_skin(sweep: list[np.ndarray], total: int | None) -> None:
    chosen = choose(loop(sweep), total, CinePlan(frames=20))
    found = indices(chosen)
    assert found == sorted(set(found))
    assert not any(40 <= index < 52 or 80 <= index < 92 for index in found)
    assert len(found) <= 20
    if total != 500:  # announced too long, a stretch is too long too
        assert len(found) >= 12
    assert chosen.seen == 120
    assert chosen.probe_off == 12
    assert chosen.moving >= 12
    assert all(np.array_equal(picked.pixels, sweep[picked.index]) for picked in chosen.frames)
    assert all(picked.seconds == picked.index / RATE for picked in chosen.frames)


def test_each_equal_stretch_gives_its_stillest_frame() -> None:
    rng = np.random.default_rng(1)
    places = np.cumsum([0.5 if index % 10 in (6, 7) else 1.6 for index in range(40)])
    chosen = choose(loop([at(place, rng) for place in places]), 40, CinePlan(frames=4))
    assert indices(chosen) == [6, 16, 26, 36]


def test_an_unknown_length_still_covers_the_loop_evenly() -> None:
    rng = np.random.default_rng(2)
    pictures = [at(2.0 * (index % 50), rng) for index in range(150)]
    found = np.array(indices(choose(loop(pictures), None, CinePlan(frames=10))))
    assert len(found) == 10
    assert np.diff(found).max() <= 40
    assert found[0] < 30
    assert found[-1] >= 120


@pytest.mark.parametrize("total", [None, 0, 1, 30, 99])
def test_an_unmoving_loop_gives_one_frame(total: int | None) -> None:
    rng = np.random.default_rng(5)
    same = choose(loop([noisy(TISSUE, rng)] * 30), total, CinePlan())
    assert (len(same.frames), same.near_identical, same.moving, same.probe_off) == (1, 29, 0, 0)
    fresh_noise = choose(loop([noisy(TISSUE, rng) for _ in range(30)]), total, CinePlan())
    assert len(fresh_noise.frames) == 1
    assert fresh_noise.near_identical >= 25  # the others are in the first stretch and less still


@pytest.mark.parametrize("total", [None, 3])
def test_loops_of_a_few_frames(total: int | None) -> None:
    rng = np.random.default_rng(6)
    a, b, c = (at(place, rng) for place in (0, 1.5, 3))
    assert indices(choose(loop([a]), total, CinePlan())) == [0]
    assert indices(choose(loop([a, b]), total, CinePlan())) == [0, 1]
    assert indices(choose(loop([a, b, c]), total, CinePlan())) == [0, 1, 2]
    assert indices(choose(loop([a, a, c]), total, CinePlan())) == [0, 2]
    assert len(choose(loop([a, b, c]), total, CinePlan(frames=1)).frames) == 1
    assert choose(loop([]), total, CinePlan()) == ChosenFrames([], 0, 0, 0, 0)


def test_a_loop_without_a_usable_frame_gives_none_or_its_stillest_and_says_why() -> None:
    rng = np.random.default_rng(7)
    flat = np.full((80, 100, 3), 128, dtype=np.uint8)
    assert choose(loop([flat] * 9), 9, CinePlan()) == ChosenFrames([], 9, 0, 0, 9)
    assert choose(loop([0 * flat] * 9), None, CinePlan()) == ChosenFrames([], 9, 0, 0, 9)
    assert choose(loop([in_air(rng) for _ in range(9)]), 9, CinePlan()).probe_off == 9
    jumps = [noisy(OTHER if index % 2 else TISSUE, rng) for index in range(9)]
    stillest = choose(loop(jumps), 9, CinePlan())
    assert (len(stillest.frames), stillest.moving, stillest.all_moving) == (1, 8, True)


def test_a_frame_recorded_twice_is_no_still_frame() -> None:
    rng = np.random.default_rng(8)
    pan = [at(9.0 * index, rng) for index in range(12)]
    chosen = choose(loop([pixels for pixels in pan for _ in range(3)]), 36, CinePlan())
    assert (len(chosen.frames), chosen.moving, chosen.near_identical, chosen.all_moving) == (1, 11, 24, True)


def test_a_step_is_seconds_between_frames_and_needs_times() -> None:
    rng = np.random.default_rng(9)
    pictures = [at(1.5 * index, rng) for index in range(60)]
    chosen = choose(loop(pictures), 60, CinePlan(step=0.5))
    assert [int(picked.seconds / 0.5) for picked in chosen.frames if picked.seconds is not None] == list(range(6))
    assert len(choose(loop(pictures), 60, CinePlan(frames=4, step=0.5)).frames) == 4
    with pytest.raises(UnreadableImageError, match="no times"):
        choose(((0, None, pixels) for pixels in pictures), 60, CinePlan(step=0.5))


def test_change_knows_no_gain() -> None:
    plain = thumbnail(TISSUE.astype(np.uint8))
    louder = thumbnail(np.clip(1.15 * TISSUE + 8, 0, 255).astype(np.uint8))
    assert change(plain, plain) == pytest.approx(0, abs=1e-3)
    assert change(plain, louder) < 0.05
    assert change(plain, thumbnail(OTHER.astype(np.uint8))) > 0.5
    flat = np.full_like(plain, 100)
    assert change(flat, flat + 20) == 0
    assert change(flat, plain) == 1


@pytest.mark.parametrize("total", [400, None])
def test_memory_holds_the_chosen_frames_only(total: int | None) -> None:
    rng = np.random.default_rng(10)
    pictures = [at(2.0 * index, rng) for index in range(20)]
    tracemalloc.start()
    chosen = choose(((index, None, pictures[index % 20]) for index in range(400)), total, CinePlan(frames=5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 3 <= len(chosen.frames) <= 5
    assert peak < 9 * TISSUE.size + 2_000_000
