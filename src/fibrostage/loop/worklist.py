"""A question carried to people: a CSV to fill in, and a sheet of pictures to print or to look at."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import replace_file, write_text
from fibrostage.ledger.events import NO_STAGE
from fibrostage.loop.opened import Loop
from fibrostage.loop.questions import image_ids, rows_shown
from fibrostage.results.loop_report import AskedItem, AskedItems

COLUMNS = ("loop", "round", "item", "patient_id", "images", "stage", "comment")
SHEET = "index.html"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #111 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 0 0 .5rem }
article { border-top: 1px solid #888; padding: 1rem 0; break-inside: avoid }
figure { display: inline-block; margin: 0 .75rem .75rem 0; vertical-align: top }
img { height: 13rem; image-rendering: auto; background: #000 }
figcaption { font-size: .85rem; color: #333 }
.answer span { display: inline-block; min-width: 4.5rem; border: 1px solid #555; padding: .2rem .6rem }
.line { display: inline-block; width: 24rem; border-bottom: 1px solid #555; margin-left: 1rem }
@media print { body { margin: 0 } }
"""


def write_worklist(asked: AskedItems, target: Path) -> None:
    """Writes the open question as a CSV whose `stage` is to be filled in; it says nothing of what the model thinks.

    Raises `RunError` where the file is there already or cannot be written.
    """
    if target.exists():
        raise RunError(f"{target} exists; somebody may be filling it in: choose another --worklist")
    rows = [(asked.loop, asked.round, one.item, one.patient_id, " ".join(one.images), "", "") for one in asked.items]
    write_text(target, csv_text(COLUMNS, rows))


def write_sheet(loop: Loop, asked: AskedItems, folder: Path) -> Path:
    """Writes the open question as a page of pictures with room for answers, and returns the page's path.

    Raises `RunError` where the folder holds anything already or cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty; choose another --sheet")
    try:
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}") from None
    numbers = {loop.text(item): item for item in loop.state.pending}
    articles = [article(loop, item, number, numbers[item.item], folder) for number, item in enumerate(asked.items, 1)]
    told = f"{SIMULATED}: these patients do not exist. " if asked.simulated else ""
    title = f"Worklist of round {asked.round}: {len(asked.items)} {asked.unit}s"
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{told}{RESEARCH_USE} Loop {html.escape(asked.loop)}.</p>{''.join(articles)}</body></html>"
    )
    write_text(folder / SHEET, page)
    return folder / SHEET


def article(loop: Loop, asked: AskedItem, number: int, item: int, folder: Path) -> str:
    """One item of a sheet; its pictures are written into the folder."""
    figures: list[str] = []
    for modality, rows in rows_shown(loop, item).items():
        for row, image_id in zip(rows.tolist(), image_ids(loop, modality, rows), strict=True):
            file = f"pictures/{number:03d}-{modality}-{len(figures):03d}.png"
            write_picture(loop.setting.cohort.pixels(modality)[row], folder / file)
            caption = html.escape(f"{modality} · {image_id}")
            figures.append(f'<figure><img src="{file}" alt="{caption}"><figcaption>{caption}</figcaption></figure>')
    stages = "".join(f"<span>{html.escape(name)}</span>" for name in (*loop.classes, *NO_STAGE))
    called = html.escape(asked.patient_id if loop.units.whole_patient else f"{asked.patient_id} · {asked.item}")
    return (
        f"<article><h2>{number}. {called}</h2>{''.join(figures)}"
        f'<p class="answer">{stages}<span class="line"></span></p></article>'
    )


def write_picture(pixels: NDArray[np.uint8], path: Path) -> None:
    """Writes stored pixels [H, W, C] as a PNG."""
    grey = pixels.shape[-1] == 1
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    replace_file(path, lambda temporary: image.save(temporary, format="PNG"))
