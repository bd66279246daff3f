"""A page a patient: what the model says, why not to trust it, and what it rests on, for a hepatologist in a hurry.

One HTML file with everything in it, which WeasyPrint turns into a PDF; nothing is fetched for either. The stages that
stay possible and the most probable one are told apart everywhere: by words and shapes, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, Template
from numpy.typing import NDArray

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.deploy.page_pictures import PagePicture, cards_of, paged
from fibrostage.deploy.page_words import (
    SHORT_NAME,
    headline,
    log_odds_text,
    meaning,
    most_probable,
    percent,
    rule_words,
    unknown,
    verdict,
)
from fibrostage.ground.errors import PlanError
from fibrostage.ground.files import replace_file, write_text
from fibrostage.ground.stage import Staging
from fibrostage.report.pdf import pdf_of
from fibrostage.results.staged import CANNOT_SAY, RULED_IN, RULED_OUT, Staged

__all__ = ["PagePicture", "PatientPage", "page_html", "write_page"]

TEMPLATE = "patient_page.html"
DPI = 150  # of a page as a picture
DIGEST = 12  # digits of the model's hash that are shown
MANY = 7  # stages from which on their rows stand closer
NO_RULE = "no rule"
SAID = {RULED_IN: "ruled in", RULED_OUT: "ruled out", CANNOT_SAY: CANNOT_SAY}
SIGNS = {RULED_IN: "in", RULED_OUT: "out", CANNOT_SAY: "open"}


@dataclass(frozen=True)
class PatientPage:
    """What a page is made of: what is said of the patient, the pictures, and what is known of the model.

    `person` is what the patient is called, `figures` are the model's tested figures as (label, text with n and
    interval). `coverage` is that of the set of stages, `npv` and `ppv` the predictive values that were asked for; all
    are shares, None where they are not known. `made` is the date and time in ISO 8601. `tables` are the modalities that
    are measurements.
    """

    staged: Staged
    staging: Staging
    pictures: tuple[PagePicture, ...]
    person: str
    exam_device: str | None
    model_name: str
    version: str
    figures: tuple[tuple[str, str], ...]
    coverage: float | None
    npv: float | None
    ppv: float | None
    simulated: bool
    made: str
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScaleRow:
    """A stage on the scale; `width` is its bar's, in percent."""

    name: str
    percent: str
    width: float
    best: bool


@dataclass(frozen=True)
class ScaleGroup:
    """Neighbouring stages that are all in the set of possible ones, or all outside it; None where no set is known."""

    inside: bool | None
    rows: tuple[ScaleRow, ...]


@dataclass(frozen=True)
class CutRow:
    """A cut: its name, what it is usually called, what is said of it, by which sign, and P(at or above)."""

    name: str
    meaning: str
    said: str
    sign: str
    percent: str


@dataclass(frozen=True)
class ShareBar:
    """What a modality adds: from `left` on, so `wide`, in percent of the axis whose middle is 0; `share` is empty where
    there is nothing to show."""

    name: str
    pictures: str
    share: str
    left: float
    wide: float


def page_html(page: PatientPage) -> str:
    """The page as HTML that needs nothing else; raises `CohortError` for pictures that are none."""
    staged, staging = page.staged, page.staging
    cards = cards_of(page.pictures)
    first, more = paged(cards)
    seen = page.pictures or staged.seen
    judged = bool(seen) and all(each.strange is not None for each in seen)
    far = max(sum(staged.far.values()), sum(each.far for each in page.pictures))
    rules = rule_words(page.npv, page.ppv) if staged.rules else "No thresholds for ruling in or out were learned."
    return template().render(
        page=page,
        staged=staged,
        simulated=SIMULATED if page.simulated else "",
        notice=RESEARCH_USE,
        headline=headline(staged, staging, page.coverage),
        verdict=verdict(staged, judged, far),
        groups=scale_groups(staged, staging),
        dense=len(staging.classes) > MANY,
        long=max(map(len, staging.classes)) > SHORT_NAME,
        coverage="possible" if page.coverage is None else f"{percent(page.coverage)} set",
        cuts=cut_rows(staged, staging),
        rules=rules,
        shares=share_bars(staged, page.tables) if staged.shares else (),
        first=first,
        more=more,
        barred=any(card.bar for card in cards),
        maps=any(card.heat for card in cards),
        counted=counted(staged, page.tables),
        digest=staged.model[:DIGEST],
        day=day_of(page.made),
        unknown=unknown(staged, judged, page.coverage, page.tables),
    )


def write_page(page: PatientPage, target_html: Path, target_pdf: Path | None = None) -> None:
    """Writes the page as HTML and, where a target is given, as PDF; each file is whole or not there.

    Raises `PlanError` where a PDF is asked for and WeasyPrint is missing, before anything is written; `CohortError` for
    pictures that are none; `RunError` where a file cannot be written.
    """
    html = page_html(page)
    pdf = None if target_pdf is None else pdf_of(html)
    write_text(target_html, html)
    if target_pdf is not None and pdf is not None:
        replace_file(target_pdf, lambda temporary: temporary.write_bytes(pdf))


def sheets_of(html: str) -> NDArray[np.uint8]:
    """A page as one picture [H, W, 3] of its A4 sheets under each other, as an archive shows it.

    Raises `PlanError` where what makes the PDF or draws it is missing.
    """
    pdf = pdf_of(html)
    try:
        from pypdfium2 import PdfDocument
    except ImportError:
        raise PlanError("a page as a picture needs pypdfium2: install fibrostage with its extra [pages]") from None
    with PdfDocument(pdf) as document:
        sheets = [sheet.render(scale=DPI / 72).to_pil().convert("RGB") for sheet in document]
    return np.concatenate([np.asarray(sheet, dtype=np.uint8) for sheet in sheets])


def template() -> Template:
    """The page's template, which escapes whatever it is given."""
    loader = PackageLoader("fibrostage.deploy", "templates")
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(TEMPLATE)


def scale_groups(staged: Staged, staging: Staging) -> tuple[ScaleGroup, ...]:
    """The stages in their order, neighbours together that are all possible or all not."""
    best = most_probable(staged, staging)

    def inside(name: str) -> bool | None:
        return name in staged.possible if staged.possible else None

    def row(name: str) -> ScaleRow:
        own = staged.probabilities[name]
        return ScaleRow(name, percent(own), round(100 * own, 1), name == best)

    return tuple(ScaleGroup(within, tuple(map(row, names))) for within, names in groupby(staging.classes, key=inside))


def cut_rows(staged: Staged, staging: Staging) -> tuple[CutRow, ...]:
    """A row a cut."""
    rows = []
    for cut in staging.cuts:
        rule = staged.rules.get(cut, CANNOT_SAY if staged.rules else NO_RULE)
        chance = percent(staged.at_or_above(staging, cut))
        rows.append(
            CutRow(staging.cut_name(cut), meaning(staging, cut), SAID.get(rule, rule), SIGNS.get(rule, "open"), chance)
        )
    return tuple(rows)


def share_bars(staged: Staged, tables: Sequence[str] = ()) -> tuple[ShareBar, ...]:
    """What each modality adds, and all together at last; on one axis that the largest of them fills."""
    whole = sum(staged.shares.values())
    most = max((abs(share) for share in (*staged.shares.values(), whole)), default=0.0) or 1.0
    names = dict.fromkeys([*staged.pictures, *staged.shares])
    bars = [
        share_bar(name, seen_words(staged.pictures.get(name, 0), name in tables), staged.shares.get(name), most)
        for name in names
    ]
    return (*bars, share_bar("together", "", whole, most))


def share_bar(name: str, pictures: str, share: float | None, most: float) -> ShareBar:
    """A bar from the middle towards less, which is left, or more."""
    if share is None:
        return ShareBar(name, pictures, "", 50, 0)
    wide = 50 * abs(share) / most
    return ShareBar(name, pictures, log_odds_text(share), round(50 - wide if share < 0 else 50, 2), round(wide, 2))


def counted(staged: Staged, tables: Sequence[str] = ()) -> str:
    """How many pictures of each modality were seen, "3 LSTE, 2 LUS", and whether there are measurements too."""
    pictures = {name: count for name, count in staged.pictures.items() if count and name not in tables}
    seen = ", ".join(f"{count} {name}" for name, count in pictures.items())
    told = f"{seen_words(sum(pictures.values()))}{': ' if seen else ''}{seen}"
    return f"{told}, and measurements" if any(staged.pictures.get(name) for name in tables) else told


def seen_words(count: int, measured: bool = False) -> str:
    """A number of pictures in words, or whether there were measurements."""
    if measured:
        return "measurements" if count else "no measurement"
    return {0: "no picture", 1: "1 picture"}.get(count, f"{count} pictures")


def day_of(made: str) -> str:
    """A date and time as people write them; what is none stays as it came."""
    try:
        return f"{datetime.fromisoformat(made):%Y-%m-%d %H:%M}"
    except ValueError:
        return made
