"""Single elements of a dataset, read without a word of theirs reaching a log, whatever state they are in."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fibrostage.ground.errors import IntakeError

try:
    import pydicom
except ImportError:  # the extra [dicom]
    pydicom = None


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps pydicom from logging and warning while a file is read, as it quotes what stands in headers.

    It is as talkative as before when the block ends. Also a decorator, for functions that are no generators.
    """
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def require() -> None:
    """Raises `IntakeError` where pydicom is not installed."""
    if pydicom is None:
        raise IntakeError('reading DICOM needs pydicom and its decoders: pip install "fibrostage[dicom]"')


def value_of(dataset: Any, keyword: str) -> Any:
    """A tag's value, None where it is absent or cannot be read."""
    try:
        return dataset.get(keyword)
    except Exception:  # whatever pydicom makes of a damaged element
        return None


def text_of(dataset: Any, *keywords: str) -> str:
    """The values of several text tags, joined; none where a tag is absent or cannot be read."""
    return " ".join(text for keyword in keywords if (text := spelled(value_of(dataset, keyword))))


def spelled(value: Any) -> str:
    """A tag's value as text; none of a sequence that cannot be read, as items are read when they are spelled."""
    try:
        return "" if value is None else str(value).strip()
    except Exception:
        return ""


def numbers_of(dataset: Any, keyword: str) -> list[float]:
    """The values of a tag of one or more numbers; none where it is absent, or any is no number or not finite."""
    try:
        value = dataset.get(keyword)
        several = isinstance(value, Sequence) and not isinstance(value, str)
        numbers = [float(each) for each in (value if several else [value])]
    except Exception:
        return []
    return numbers if all(math.isfinite(number) for number in numbers) else []


def number_of(dataset: Any, keyword: str) -> float | None:
    """The (first) value of a tag as a number; None where it is absent, or no number."""
    return next(iter(numbers_of(dataset, keyword)), None)


def bytes_of(dataset: Any, keyword: str) -> bytes | None:
    """A text tag's value as it lies in the file; None where it is absent, or was turned into text already."""
    try:
        value = dataset.get_item(keyword).value
    except Exception:
        return None
    if isinstance(value, bytes):
        return value
    original = getattr(value, "original_string", None)
    return original if isinstance(original, bytes) else None
