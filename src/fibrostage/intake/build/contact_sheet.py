"""The contact sheet: every picture small and as it will be kept, its region framed, for a person to check."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fibrostage.intake.read.thumbnail import HEIGHT, WIDTH

TEXT = 24  # of a tile
HEAD = 20  # of a page
ACROSS, DOWN = 6, 6
FOLDER = "contact_sheet"


@dataclass(frozen=True)
class Tile:
    """A thumbnail (JPEG, empty for what was kept out) and two short lines."""

    thumb: bytes
    lines: tuple[str, str]
    kept_out: bool = False


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
