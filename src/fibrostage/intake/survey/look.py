"""One file → what it says of itself and what its screen shows, before anybody wrote a plan.

What a file says stays with the survey: only texts that hold no word of a header's identifying tags leave it.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.dicom.elements import text_of
from fibrostage.dicom.file import Report
from fibrostage.ground.errors import FibrostageError, UnreadableImageError
from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.find.bar_numbers import BarScale, read_scale
from fibrostage.intake.find.box_finder import find_box
from fibrostage.intake.find.colour_bar import find_bar
from fibrostage.intake.find.tissue import find_tissue
from fibrostage.intake.read.media import Medium, open_medium
from fibrostage.intake.read.outcome import Outcome, ReadingJob, ReadingRules, Refusal

LOOK = "look"  # where the facts of an outcome hold it
TISSUE = ("tissue", "colour")


@dataclass(frozen=True)
class FileLook:
    """What one file says and shows. `box` says whether its middle frame has a colour box, `bar` whether a colour bar
    stands beside it, and `scale` what its numbers say; `tissue` is where it was found on a screen that marks none;
    `pixels` is a hash of the frame."""

    name: str
    format: str
    patient: str = ""
    study: str = ""
    series: str = ""
    view: str = ""
    device: str = ""
    date: datetime.date | None = None
    width: int = 0
    height: int = 0
    frames: int | None = 1
    photometric: str = ""
    regions: tuple[str, ...] = ()
    burned_in: bool | None = None
    box: bool = False
    bar: bool = False
    scale: BarScale | None = None
    tissue: tuple[Rectangle, ...] = ()
    pixels: str = ""
    readings: int | None = None  # of a structured report
    own: bool = False

    @property
    def loop(self) -> bool:
        return self.frames != 1


def look_at_file(job: ReadingJob, setting: ReadingRules) -> Outcome:
    """Looks at one file. It never raises for what a file holds, only `FibrostageError` where something is missing
    here."""
    outcome = Outcome()
    try:
        medium = open_medium(job.path, setting.plan.dicom.modalities)
        outcome.simulated = medium.simulated
        if isinstance(medium, Report):
            own = medium.own
            outcome.facts[LOOK] = FileLook(
                job.name, "SR", medium.patient, readings=0 if own else len(medium.measured), own=own
            )
        else:
            outcome.facts[LOOK] = look_of(job.name, medium)
            if medium.header is not None:
                outcome.words = frozenset(setting.privacy.word(word) for word in medium.header.identifying)
    except UnreadableImageError as error:
        outcome.refused.append(Refusal(str(error)))
    except FibrostageError:
        raise
    except MemoryError:
        outcome.refused.append(Refusal("does not fit into memory"))
    except Exception:  # whatever a library makes of a damaged file
        outcome.refused.append(Refusal("cannot be read: it is damaged in a way that its reader did not foresee"))
    return outcome


def look_of(name: str, medium: Medium) -> FileLook:
    """What an opened file says, and what its middle frame shows; raises `UnreadableImageError` where it has none."""
    frame = middle(medium)
    height, width = frame.shape[:2]
    found = find_box(frame, lossy=medium.lossy) if frame.ndim == 3 else None
    bar = None if found is None else find_bar(frame, found.roi)
    shown: dict[str, Any] = {
        "width": width,
        "height": height,
        "box": found is not None,
        "bar": bar is not None,
        "scale": None if bar is None else read_scale(frame, bar.roi),
        "pixels": hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest(),
    }
    header = medium.header
    if header is None:
        return FileLook(name, medium.format, frames=medium.count, **shown)
    kinds = tuple(dict.fromkeys(region.kind for region in medium.regions(0)))
    marked = set(kinds) & set(TISSUE)
    return FileLook(
        name,
        medium.format,
        header.patient,
        text_of(getattr(medium, "dataset", None), "StudyInstanceUID"),
        header.series,
        header.view,
        header.device,
        header.date,
        frames=header.frames,
        photometric=header.photometric,
        regions=kinds,
        burned_in=header.burned_in,
        tissue=() if marked else tuple(find_tissue(frame)),
        **shown,
    )


def middle(medium: Medium) -> NDArray[np.uint8]:
    """The middle frame [H, W] or [H, W, 3], of a video the first."""
    at = 0 if medium.count is None else (medium.count - 1) // 2
    for _, _, pixels in medium.frames(None if medium.count in (None, 1) else [at]):
        return pixels
    raise UnreadableImageError("holds no frame")
