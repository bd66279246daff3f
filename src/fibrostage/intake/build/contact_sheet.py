"""The contact sheet: every picture small and as it will be kept, its region framed, for a person to check."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fibrostage.ground.geometry import Roi

WIDTH, HEIGHT, TEXT = 200, 150, 24  # of a tile
HEAD = 20  # of a page
ACROSS, DOWN = 6, 6
FRAME = (60, 255, 90)
FOLDER = "contact_sheet"


@dataclass(frozen=True)
class Tile:
    """A thumbnail (JPEG, empty for what was kept out) and two short lines."""

    thumb: bytes
    lines: tuple[str, str]
    kept_out: bool = False


def thumb_of(pixels: NDArray[np.uint8], roi: Roi | None, stored: Roi | None = None) -> bytes:
    """Returns a screen `pixels` [H, W] or [H, W, 3] as a small JPEG that fits a tile, black but for the part that is
    stored, with its region framed; both are in pixels of the screen."""
    image = Image.fromarray(pixels)
    width, height = image.size
    if stored is not None:
        corners = stored.x, stored.y, stored.right, stored.bottom
        part = image.crop(corners)
        image = Image.new(image.mode, (width, height))
        image.paste(part, corners[:2])
    scale = min(WIDTH / width, HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.01).convert("RGB")
    if roi is not None:
        corners = roi.x, roi.y, roi.right - 1, roi.bottom - 1
        ImageDraw.Draw(small).rectangle([int(value * scale) for value in corners], outline=FRAME)
    written = io.BytesIO()
    small.save(written, "JPEG", quality=80)
    return written.getvalue()


def write_sheets(folder: Path, tiles: Iterable[Tile], title: str) -> int:
    """Writes the tiles as pages sheet-001.png …; returns how many pages."""
    pages = 0
    for pages, page in enumerate(batched_tiles(tiles), start=1):
        folder.mkdir(exist_ok=True)
        draw_page(page, f"{title}, page {pages}").save(folder / f"sheet-{pages:03d}.png", compress_level=1)
    return pages


def batched_tiles(tiles: Iterable[Tile]) -> Iterator[Sequence[Tile]]:
    """Yields the tiles page by page, ACROSS × DOWN at a time."""
    page: list[Tile] = []
    for tile in tiles:
        page.append(tile)
        if len(page) == ACROSS * DOWN:
            yield page
            page = []
    if page:
        yield page


def draw_page(tiles: Sequence[Tile], title: str) -> Image.Image:
    """Draws one page of tiles under its title."""
    rows = -(-len(tiles) // ACROSS)
    page = Image.new("RGB", (ACROSS * (WIDTH + 4), HEAD + rows * (HEIGHT + TEXT + 4)), (32, 32, 32))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(9)
    draw.text((4, 3), title, fill=(240, 240, 240), font=ImageFont.load_default(12))
    for number, tile in enumerate(tiles):
        x, y = number % ACROSS * (WIDTH + 4), HEAD + number // ACROSS * (HEIGHT + TEXT + 4)
        if tile.thumb:
            page.paste(Image.open(io.BytesIO(tile.thumb)), (x, y))
        else:
            draw.rectangle((x, y, x + WIDTH - 1, y + HEIGHT - 1), outline=(120, 60, 60))
            draw.text((x + 6, y + HEIGHT // 2 - 6), "kept out", fill=(230, 120, 120), font=font)
        colour = (230, 120, 120) if tile.kept_out else (220, 220, 220)
        for line, text in enumerate(tile.lines):
            draw.text((x + 2, y + HEIGHT + 1 + 11 * line), text[:44], fill=colour, font=font)
    return page
