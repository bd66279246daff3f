"""What was planted is looked for in every byte, in several encodings and spellings, and in pixels."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from fibrostage.intake.build.contact_sheet import ACROSS, HEAD, HEIGHT, TEXT, WIDTH
from tests.intake.build.people import ELSEWHERE, LATER, LEFT_OUT, PEOPLE, WRONG, folder_of

WHITE = 200  # grey levels: only what is burned in has more in all three channels


def planted() -> list[str]:
    """Everything that may not be found."""
    found = list(ELSEWHERE)
    for person in (*PEOPLE, LEFT_OUT, WRONG):
        digits = "".join(filter(str.isalnum, person.patient_id))
        found += [person.family, person.given, *person.given.split("-"), person.patient_id, digits]
        found += [person.patient_id[::-1], folder_of(person).split("/")[0]]
        for day in {person.born, person.day, LATER}:
            found += spellings(datetime.datetime.strptime(day, "%Y%m%d").date())
    return list(dict.fromkeys(found))


def spellings(day: datetime.date) -> list[str]:
    formats = "%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d%m%Y", "%d %B %Y", "%d-%b-%Y"
    return [format(day, text) for text in formats]


@cache
def needles() -> dict[bytes, dict[bytes, str]]:
    """Every planted text in lower case as bytes may hold it, encoded, escaped, or hashed without a key; by its first
    three bytes."""
    found: dict[bytes, dict[bytes, str]] = {}
    for text in planted():
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        codes = [
            hashed(text.encode()).hexdigest()[:14].encode() for hashed in (hashlib.md5, hashlib.sha1, hashlib.sha256)
        ]
        for way in {text, text.upper(), text.lower(), text.title(), plain, unicodedata.normalize("NFD", text)}:
            codes += [way.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")]
            codes += [json.dumps(way)[1:-1].encode(), way.encode("latin-1", "ignore"), base64.b64encode(way.encode())]
        for code in codes:
            if len(code) >= 5:
                found.setdefault(code.lower()[:3], {})[code.lower()] = text
    return found


@cache
def beginnings() -> NDArray[np.bool_]:
    """Which of all three bytes begin a needle."""
    table = np.zeros(1 << 24, dtype=bool)
    table[[int.from_bytes(start, "big") for start in needles()]] = True
    return table


def named_in(text: bytes) -> set[str]:
    """The planted texts that bytes hold, in whatever case."""
    low = text.lower()
    each = np.frombuffer(low, dtype=np.uint8).astype(np.uint32)
    if len(each) < 3:
        return set()
    places = np.flatnonzero(beginnings()[each[:-2] << 16 | each[1:-1] << 8 | each[2:]])
    return {
        name for at in places for needle, name in needles()[low[at : at + 3]].items() if low.startswith(needle, int(at))
    }


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what they hold once they are unpacked."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        table = pl.read_parquet(path)
        yield table.write_csv().encode()
        yield " ".join(table.columns).encode()
    if path.suffix == ".png":
        with Image.open(path) as image:
            yield repr(image.info).encode() + repr(dict(image.getexif())).encode() + image.tobytes()


def leaks(folder: Path) -> list[str]:
    """What of a folder names a person: (file, text), names of files included."""
    found = []
    for path in sorted(folder.rglob("*")):
        texts = [str(path.relative_to(folder)).encode()]
        if path.is_file():
            texts += contents(path)
        for text in texts:
            found += [f"{path.relative_to(folder)}: {name}" for name in sorted(named_in(text))]
    return list(dict.fromkeys(found))


def burned(pixels: NDArray[np.uint8]) -> bool:
    """Whether a picture [..., C] shows what stands above the tissue."""
    return bool((pixels.min(axis=-1) > WHITE).any())


def tiles_of(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The thumbnails of a contact sheet."""
    for path in sorted((folder / "contact_sheet").iterdir()):
        page = np.asarray(Image.open(path))
        for top in range(HEAD, len(page), HEIGHT + TEXT + 4):
            for left in range(0, ACROSS * (WIDTH + 4), WIDTH + 4):
                yield page[top : top + HEIGHT, left : left + WIDTH]
