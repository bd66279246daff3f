"""Writing is found on tissue and beside it; tissue alone has none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from fibrostage.intake.find.lettering import find_lettering, hidden_by
from tests.intake.hospital import screen, tissue

NAMES = ("DOE^JANE 1980-01-01", "MUELLER, HANS", "ID: 4711-0815", "Garcia Lopez M 45")


def speckle(seed: int) -> NDArray[np.uint8]:
    """Grain [300, 400] as of a bright picture."""
    rng = np.random.default_rng(seed)
    parts = [ndimage.gaussian_filter(rng.normal(size=(300, 400)), (1.2, 2.2)) for _ in range(2)]
    return np.clip(360 * np.hypot(*parts), 0, 255).astype(np.uint8)


def written(pixels: NDArray[np.uint8], at: tuple[int, int], name: str, size: int, quality: int | None) -> NDArray:
    image = Image.fromarray(pixels).convert("RGB")
    ImageDraw.Draw(image).text(at, name, fill=(235, 235, 235), font=ImageFont.load_default(size))
    if quality is not None:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        image = Image.open(file)
    return np.asarray(image)


@pytest.mark.parametrize("quality", [None, 90])
@pytest.mark.parametrize("size", [12, 14, 18, 26])
def test_nine_lines_in_ten_are_found(size: int, quality: int | None) -> None:
    places = [(4, 4), (60, 90), (10, 200)]
    cases = [(seed, at, name) for seed in range(4) for at in places for name in NAMES]
    found = [bool(find_lettering(written(screen(seed), at, name, size, quality))) for seed, at, name in cases]
    assert np.mean(found) >= 0.9


def test_nine_tenths_of_the_ink_of_names_lie_in_what_is_hidden() -> None:
    shares = []
    for seed in range(12):
        size, name = (12, 16, 22)[seed % 3], NAMES[seed % 4]
        ink = written(np.zeros((240, 320, 3), np.uint8), (60, 90), name, size, None).max(axis=2) > 120
        hidden = np.zeros_like(ink)
        for roi in hidden_by(find_lettering(written(screen(seed), (60, 90), name, size, 90)), 320, 240):
            hidden[roi.part] = True
        shares.append((ink & hidden).sum() / ink.sum())
    assert np.mean(shares) >= 0.9


def test_tissue_has_none() -> None:
    pictures = [*(tissue(seed) for seed in range(40)), *(speckle(seed) for seed in range(40))]
    pictures += [screen(seed, 12.0) for seed in range(40)]
    assert sum(bool(find_lettering(picture)) for picture in pictures) <= 1


def test_dark_writing_on_a_light_bar_is_found_where_it_stands() -> None:
    pixels = screen(0)
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 319, 24), fill=(210, 210, 210))
    draw.text((20, 6), "DOE^JANE 1980", fill=(20, 20, 20), font=ImageFont.load_default(14))
    (first, *_) = find_lettering(np.asarray(image))
    assert first.y >= 4
    assert first.bottom <= 24
    assert find_lettering(np.zeros((4, 4), dtype=np.uint8)) == []
