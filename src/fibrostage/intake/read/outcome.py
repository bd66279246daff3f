"""What a worker is given of a file, and what it hands back: ids and names are hashed already where they must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.person import HashedPerson
from fibrostage.intake.privacy import Privacy
from fibrostage.intake.read.drawn import PictureKey
from fibrostage.intake.read.tables import Request
from fibrostage.plan.intake import ModalityPlan
from fibrostage.plan.run_plan import Plan


@dataclass(frozen=True)
class ReadingJob:
    """A file to read: the rows of I.csv that name it, or None where the plan's rules say what it is."""

    path: Path
    name: str
    requests: tuple[Request, ...] | None


@dataclass(frozen=True)
class ReadingRules:
    """What is the same for every file."""

    plan: Plan
    privacy: Privacy = field(default_factory=Privacy)
    accept_unmasked: bool = False
    drawn: Mapping[PictureKey, Rectangle] = field(default_factory=dict)  # boxes that readers drew anew

    @property
    def modalities(self) -> dict[str, ModalityPlan]:
        return {modality.name: modality for modality in self.plan.modality}

    def drawn_on(self, request: Request, frame: int | None, panel: int | None) -> Rectangle | None:
        """The box that a reader drew on a picture of a row or rule, in pixels of its source; None where nobody did."""
        one = None if self.modalities[request.modality].fit == "click" else panel
        return self.drawn.get(PictureKey(self.privacy.source(request.file), request.modality, frame, one))


@dataclass
class Taken:
    """One picture: its row of the images table (but for its id), its pixels [S, S, C], and what twins are known by,
    `print` [24, 24]."""

    record: dict[str, Any]
    pixels: NDArray[np.uint8]
    print: NDArray[np.int8]
    thumb: bytes = b""


@dataclass(frozen=True)
class Refusal:
    """Why a row, a file or a frame gives no picture; `value` says that only a value was left out. `thumb` is the screen
    that was kept out, too coarse to be read."""

    reason: str
    request: Request | None = None
    value: bool = False
    thumb: bytes = b""


@dataclass
class Outcome:
    """What a file gave. `measured` are (patient, instance, kPa, report), `words` hashes of
    identifying words, `person` hashes of whose it is."""

    taken: list[Taken] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    measured: list[tuple[str, str, float, str]] = field(default_factory=list)
    words: frozenset[str] = frozenset()
    person: HashedPerson = field(default_factory=HashedPerson)
    simulated: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Adds to what the file's line says, once, however many of its frames say it."""
        notes = [note for note in str(self.facts.get("notes") or "").split("; ") if note]
        if text not in notes:
            self.facts["notes"] = "; ".join([*notes, text])
