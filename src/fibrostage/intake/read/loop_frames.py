"""Which frames of a loop become pictures: the stillest of each stretch, on the skin, unlike the one before.

Frames come one by one and only the chosen ones stay in memory. They are compared as small grey thumbnails, by
`change`: 0 where they are alike but for gain, 1 where they have nothing in common; a move by 1 % of the width is
about 0.35. The loop is cut into equal stretches; where its length is unknown, or was announced wrongly, the two
shortest neighbours become one whenever there is one too many, so the whole loop stays covered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage.ground.errors import UnreadableImageError
from fibrostage.intake.find.quality import DARK
from fibrostage.plan.intake import CinePlan

CELLS = 48  # of a thumbnail, a side
REPEAT = 0.03  # a recorder faster than its scanner writes a frame twice: nearer than this is no new frame
VARIES = 0.1  # of its brightness, from one cell to the next sideways: tissue does, a probe's ringing in air does not

Part = tuple[slice, slice]
Thumbnail = NDArray[np.float32]  # [CELLS, CELLS]


@dataclass(frozen=True)
class Picked:
    """A frame that becomes a picture: its index and seconds in the loop, and its pixels [H, W] or [H, W, 3]."""

    index: int
    seconds: float | None
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class ChosenFrames:
    """The chosen frames in time order, of how many, and why others were not; the rest were less still."""

    frames: list[Picked]
    seen: int
    near_identical: int
    moving: int
    probe_off: int
    all_moving: bool = False  # none is still, and the stillest was chosen


@dataclass
class LoopFrame:
    picked: Picked
    thumbnail: Thumbnail
    motion: float = 0.0


@dataclass
class Stretch:
    """Frames `first` to `last` of the loop, and the stillest usable one of them."""

    number: int
    first: int
    last: int
    best: LoopFrame | None = None


def choose(
    frames: Iterable[tuple[int, float | None, NDArray[np.uint8]]],
    total: int | None,
    rules: CinePlan,
    tissue: Part = (slice(None), slice(None)),
) -> ChosenFrames:
    """Picks from frames (index, seconds, pixels [H, W] or [H, W, 3]); only their `tissue` is compared.

    `total` is how many frames there are, if known.

    Raises `UnreadableImageError` where `step` is given and the frames carry no times.
    """
    picker = FramePicker(rules, total, tissue)
    for index, seconds, pixels in frames:
        picker.see(Picked(index, seconds, np.array(pixels)))
    return picker.finish()


@dataclass
class FramePicker:
    """What is known in the middle of a loop; holds at most `rules.frames` + 4 frames."""

    rules: CinePlan
    total: int | None
    part: Part
    stretches: list[Stretch] = field(default_factory=list)
    stillest: LoopFrame | None = None  # of those that move too much
    waiting: LoopFrame | None = None  # its motion is known when the next frame has come
    start: float | None = None
    seen: int = 0
    near_identical: int = 0
    moving: int = 0
    probe_off: int = 0

    def see(self, picked: Picked) -> None:
        """Takes the next frame of the loop, with which the motion of the one before is known; one that repeats the one
        before is dropped."""
        frame = LoopFrame(picked, thumbnail(picked.pixels[self.part]))
        self.seen += 1
        if tissue(frame.thumbnail) < self.rules.lit:
            self.probe_off += 1
            frame.motion = np.inf
        if self.waiting is not None:
            moved = change(self.waiting.thumbnail, frame.thumbnail)
            if moved < REPEAT:
                self.near_identical += frame.motion < np.inf
                return
            self.waiting.motion = max(self.waiting.motion, moved)
            frame.motion = max(frame.motion, moved)
            self.judge(self.waiting)
        self.waiting = frame

    def judge(self, frame: LoopFrame) -> None:
        """Takes a frame whose motion is known as its stretch's best, or counts why not."""
        stretch = self.stretch_of(frame.picked)
        if np.isinf(frame.motion):
            return  # counted when it came
        if frame.motion > self.rules.still:
            self.moving += 1
            if self.stillest is None or frame.motion < self.stillest.motion:
                self.stillest = frame
        elif self.is_near(frame, [earlier for earlier in self.stretches if earlier is not stretch]):
            self.near_identical += 1
        elif stretch.best is None or frame.motion < stretch.best.motion:
            stretch.best = frame

    def is_near(self, frame: LoopFrame, earlier: list[Stretch]) -> bool:
        """Whether a frame is near-identical to the last one chosen in earlier stretches."""
        last = next((stretch.best for stretch in reversed(earlier) if stretch.best is not None), None)
        return last is not None and change(last.thumbnail, frame.thumbnail) < self.rules.distinct

    def stretch_of(self, picked: Picked) -> Stretch:
        """The stretch a frame lies in, which is the last or a new one."""
        number = self.number_of(picked)
        if not self.stretches or self.stretches[-1].number != number:
            self.stretches.append(Stretch(number, picked.index, picked.index))
        self.stretches[-1].last = picked.index
        while len(self.stretches) > self.rules.frames:
            self.join_shortest()
        return self.stretches[-1]

    def number_of(self, picked: Picked) -> int:
        """Returns the number of the stretch that a frame lies in: by the plan's step in seconds, by equal shares of a
        loop of known length, or its own index. Raises `UnreadableImageError` where a step is given and the frame
        carries no time."""
        if self.rules.step is not None:
            if picked.seconds is None:
                raise UnreadableImageError("its frames carry no times, which the plan's step in seconds needs")
            self.start = picked.seconds if self.start is None else self.start
            return int((picked.seconds - self.start) / self.rules.step + 1e-6)
        if self.total is not None and self.total > self.rules.frames:
            return picked.index * self.rules.frames // self.total
        return picked.index

    def join_shortest(self) -> None:
        """Makes one of the two neighbouring stretches that are shortest together; the stiller frame stays."""
        pairs = list(zip(self.stretches, self.stretches[1:], strict=False))
        at = int(np.argmin([after.last - before.first for before, after in pairs]))
        before, after = pairs[at]
        bests = [stretch.best for stretch in (before, after) if stretch.best is not None]
        best = min(bests, key=lambda frame: frame.motion, default=None)
        self.stretches[at : at + 2] = [Stretch(after.number, before.first, after.last, best)]

    def finish(self) -> ChosenFrames:
        """Ends the loop and returns the chosen frames, each unlike the one before."""
        if self.waiting is not None:
            self.judge(self.waiting)
            self.waiting = None
        kept: list[Stretch] = []
        for stretch in self.stretches:  # joining may have left neighbours that are alike
            if stretch.best is None:
                continue
            if self.is_near(stretch.best, kept):
                self.near_identical += 1
            else:
                kept.append(stretch)
        picked = [stretch.best.picked for stretch in kept if stretch.best is not None]
        if not picked and self.stillest is not None:
            counts = (self.seen, self.near_identical, self.moving - 1, self.probe_off)
            return ChosenFrames([self.stillest.picked], *counts, all_moving=True)
        return ChosenFrames(picked, self.seen, self.near_identical, self.moving, self.probe_off)


def thumbnail(pixels: NDArray[np.uint8]) -> Thumbnail:
    """Returns the mean grey levels of pixels [H, W] or [H, W, 3], as float32 [CELLS, CELLS]."""
    grey = Image.fromarray(pixels).convert("L").convert("F")  # as float, or means would be rounded to grey levels
    return np.asarray(grey.resize((CELLS, CELLS), Image.Resampling.BOX), dtype=np.float32)


def change(a: Thumbnail, b: Thumbnail) -> float:
    """Returns how much two thumbnails [CELLS, CELLS] differ: √(1 − r), r Pearson's correlation over the cells that are
    lit in either, so that gain and contrast drop out."""
    lit = (a > DARK) | (b > DARK)
    if not lit.any():
        return 0.0
    x, y = a[lit] - a[lit].mean(), b[lit] - b[lit].mean()
    flat = [float(np.abs(part).max()) < 1e-3 for part in (x, y)]
    if any(flat):
        return 0.0 if all(flat) else 1.0
    r = float(x @ y / np.sqrt((x @ x) * (y @ y)))
    return float(np.sqrt(max(0.0, 1 - r)))


def tissue(thumb: Thumbnail) -> float:
    """Returns the share of a thumbnail [CELLS, CELLS] that is lit and varies sideways, 0–1."""
    lit, varied = lit_and_varied(thumb)
    return float((lit & varied).mean())


def grain(thumb: Thumbnail) -> float:
    """Returns the share of what is lit in a thumbnail [CELLS, CELLS] that varies sideways, 0–1: little in air, however
    small the part of the screen that is lit."""
    lit, varied = lit_and_varied(thumb)
    return float((lit & varied).sum() / max(1, int(lit.sum())))


def lit_and_varied(thumb: Thumbnail) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which neighbours of a thumbnail [CELLS, CELLS], both [CELLS, CELLS − 1], are lit, and which differ."""
    left, right = thumb[:, :-1], thumb[:, 1:]
    mean = (left + right) / 2
    return mean > DARK, np.abs(left - right) > VARIES * mean
