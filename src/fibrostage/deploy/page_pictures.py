"""The pictures of a patient's page: squares as PNG within the page, with their box, colour bar and map of weight.

Pictures are stored pixels and stay as they are; only black is put around those that are not square.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from fibrostage.cohort.colour_bar import ColourBar
from fibrostage.cohort.tables import GOOD
from fibrostage.deploy.page_words import log_odds_text, percent
from fibrostage.ground.errors import CohortError

Box = tuple[int, int, int, int]  # x, y, width, height

FOR, AGAINST = (213, 94, 0), (0, 114, 178)  # two of Okabe & Ito's colours
STRONGEST = 0.75  # opacity where a map is strongest
FIRST_PAGE = 8  # places for pictures on the first page; a map of weight takes one too


@dataclass(frozen=True)
class PagePicture:
    """A picture that the model saw: `pixels` [H, W, 1 or 3] uint8 as stored, and `box` (x, y, w, h) in them.

    `kpa` is its stiffness, `quality` what intake said of it, None where nobody judged. `share` is what it adds to the
    answer, in log-odds a stage up; `far` whether it lies far from the training pictures, and `strange` how large a
    share of those lie at least as far, None where that was not learned. `heat` [S, S] is where its weight lies,
    above 0 what speaks for the stage called; `bar` the colour bar of its map. `weight` is how much it counts among the
    patient's pictures of its modality, which add up to 1, where the model sees them together.
    """

    modality: str
    pixels: NDArray[np.uint8]
    box: Box | None
    kpa: float | None
    quality: str | None
    share: float
    far: bool
    strange: float | None
    heat: NDArray[np.floating] | None = None
    bar: ColourBar | None = None
    weight: float | None = None


@dataclass(frozen=True)
class PictureCard:
    """A picture as the page shows it; `side` is that of its square, `box` lies in it, its share is drawn from
    `left` on, so `wide`, in percent of an axis whose middle is 0."""

    modality: str
    alt: str
    image: str
    side: int
    box: Box | None
    heat: str | None
    bar: str | None
    marks: tuple[str, str] | None
    kpa: str
    quality: str
    poor: bool
    share: str
    left: float
    wide: float
    far: bool
    strange: str
    weight: str

    @property
    def places(self) -> int:
        """How many places it takes on the page."""
        return 1 if self.heat is None else 2


def cards_of(pictures: Sequence[PagePicture]) -> tuple[PictureCard, ...]:
    """Pictures as the page shows them, in their order.

    Raises `CohortError` for pixels that are no picture [H, W, 1 or 3] of bytes, and a map that is no table of finite
    numbers [S, S].
    """
    most = max((abs(each.share) for each in pictures), default=0.0) or 1.0
    totals, so_far = Counter(each.modality for each in pictures), Counter[str]()
    cards = []
    for each in pictures:
        so_far[each.modality] += 1
        cards.append(card_of(each, so_far[each.modality], totals[each.modality], most))
    return tuple(cards)


def card_of(picture: PagePicture, number: int, count: int, most: float) -> PictureCard:
    """The `number`th of `count` pictures of its kind; `most` is the largest share of all, either way.

    Raises `CohortError` where its pixels or map are none.
    """
    square, left, top = squared(checked(picture))
    kpa = "" if picture.kpa is None else f"{picture.kpa:.1f}\u00a0kPa"
    quality = {None: "quality not judged", GOOD: "good quality"}.get(picture.quality, str(picture.quality))
    about = [
        f"{picture.modality}, picture {number} of {count}",
        kpa,
        quality,
        "its region is framed" if picture.box else "",
        "far from the training pictures" if picture.far else "",
    ]
    return PictureCard(
        modality=picture.modality,
        alt=", ".join(filter(None, about)),
        image=data_uri(square),
        side=square.shape[0],
        box=None if picture.box is None else (picture.box[0] + left, picture.box[1] + top, *picture.box[2:]),
        heat=None if picture.heat is None else data_uri(heated(square, picture.heat)),
        bar=None if picture.bar is None else data_uri(strip_of(picture.bar)),
        marks=None if picture.bar is None else (picture.bar.marks[2], picture.bar.marks[0]),
        kpa=kpa,
        quality=quality,
        poor=picture.quality not in (None, GOOD),
        share=log_odds_text(picture.share),
        left=round(50 + 50 * min(picture.share, 0) / most, 2),
        wide=round(50 * abs(picture.share) / most, 2),
        far=picture.far,
        strange="" if picture.strange is None else f"{percent(picture.strange)} as far",
        weight="" if picture.weight is None else f"counts for {percent(picture.weight)} of its kind",
    )


def checked(picture: PagePicture) -> NDArray[np.uint8]:
    """The pixels [H, W, C] of a picture; raises `CohortError` where they, or its map, are none."""
    pixels, heat = picture.pixels, picture.heat
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or not pixels.size:
        raise CohortError(
            f"a {picture.modality} picture has pixels {list(pixels.shape)} of {pixels.dtype}; "
            "a page shows bytes [height, width, 1 or 3], as a cohort stores them"
        )
    if heat is not None and (heat.ndim != 2 or not heat.size or not np.isfinite(heat).all()):
        raise CohortError(
            f"the map of a {picture.modality} picture is {list(heat.shape)} or not finite; a page shows finite [S, S]"
        )
    return pixels


def squared(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int, int]:
    """A picture [H, W, C] with black around it that makes it square [S, S, C], and how much of it is left and above."""
    height, width, channels = pixels.shape
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    square = np.zeros((side, side, channels), dtype=np.uint8)
    square[top : top + height, left : left + width] = pixels
    return square, left, top


def heated(square: NDArray[np.uint8], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A picture [S, S, C] in grey under its map [s, s]: orange where it speaks for the stage called, blue where it
    speaks against it, the stronger the more opaque [S, S, 3]."""
    side = square.shape[0]
    grey = square.mean(axis=2, keepdims=True)
    map_of = Image.fromarray(np.asarray(heat, dtype=np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    strength = np.asarray(map_of, dtype=np.float64)[..., None]
    most = float(np.abs(strength).max()) or 1.0
    opacity = STRONGEST * np.abs(strength) / most
    colour = np.where(strength > 0, np.array(FOR), np.array(AGAINST))
    return np.asarray(np.rint((1 - opacity) * grey + opacity * colour), dtype=np.uint8)


def strip_of(bar: ColourBar) -> NDArray[np.uint8]:
    """A colour bar lying down, its bottom at the left [1, n, 3]; raises `CohortError` for a colour that is none."""
    try:
        colours = [ImageColor.getrgb(each)[:3] for each in reversed(bar.colours)]
    except ValueError:
        raise CohortError(f"a colour bar has colours such as {bar.colours[:2]}; they are written #rrggbb") from None
    return np.array([colours], dtype=np.uint8)


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """Pixels [H, W, 1 or 3] as a PNG that stands in the page itself."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def paged(
    cards: Sequence[PictureCard], places: int = FIRST_PAGE
) -> tuple[tuple[PictureCard, ...], tuple[PictureCard, ...]]:
    """The pictures far from the training ones and those that weigh most, as many as have a place on the first page, and
    the others; each in their order."""
    first, left = set[int](), places
    for index in sorted(range(len(cards)), key=lambda index: (not cards[index].far, -cards[index].wide)):
        if cards[index].places > left:
            break
        first.add(index)
        left -= cards[index].places
    return (
        tuple(card for index, card in enumerate(cards) if index in first),
        tuple(card for index, card in enumerate(cards) if index not in first),
    )
