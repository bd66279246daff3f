"""The part of a plan that intake reads: what pictures there are, how they are told apart, measured and judged."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from fibrostage.ground.errors import PlanError
from fibrostage.ground.words import TURNS, is_one_line
from fibrostage.plan.section import PlanSection

TABLE = "table"
Kind = Literal["bmode", "elastogram", "table"]
Place = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]
Bounds = tuple[Place, Place, Size, Size]  # x, y, width, height in pixels of the screen


class ModalityPlan(PlanSection):
    """A named kind of image, or measured columns of the patients, which fits and stages read and intake passes over."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    """LSTE, SSTE, LSTQ, LUS, or your own."""
    kind: Kind = "bmode"
    """A "bmode" is the whole picture or its region, an "elastogram" the native square around the region, a "table" no
    picture, but columns of the patients."""
    size: int = Field(224, ge=16, le=2048)
    """The stored side in pixels."""
    channels: Literal[1, 3] | None = None
    """3 keeps colour; without it 3 of an elastogram and 1 of B-mode."""
    fit: Literal["pad", "stretch", "click"] = "pad"
    """How a picture becomes a square: "pad" keeps proportions, "stretch" fills the square, "click" stores three native
    squares around a click (docs/dlre.md)."""
    region: Literal["auto", "find", "given"] = "auto"
    """Where an elastogram's box or another picture's tissue comes from: "given" in I.csv (else the whole picture),
    "find" (or the picture is refused), "auto" (looked for; without images.csv as "find")."""
    marker: Literal["swe", "stq", "spleen"] | None = None
    """The patients column that gets the median of a patient's reliable stiffnesses where P.csv has none."""
    columns: tuple[str, ...] = ()
    """Of a table: measured columns of P.csv, markers by their name (`fib4`), `sex`, or any column of your own numbers
    (`crp`), which intake reads as `[table]` says and whose units and ranges nobody checks. A patient with any value has
    the modality."""
    log: tuple[str, ...] = ()
    """Those of the columns that are taken by their logarithm."""
    of: str | None = None
    """Of a table, a modality: its columns are then what intake read off each of that modality's pictures (`kpa`,
    `kpa_mean`, `kpa_sd`, `kpa_iqr`, `kpa_filled`), a row a picture."""

    @model_validator(mode="after")
    def _columns(self) -> ModalityPlan:
        if (self.kind == TABLE) != bool(self.columns):
            raise ValueError('columns go with kind = "table", and that kind with columns')
        if self.of is not None and self.kind != TABLE:
            raise ValueError('of goes with kind = "table", whose columns are then what was read off its pictures')
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns repeat: {list(self.columns)}")
        unknown = [name for name in self.log if name not in self.columns]
        if unknown:
            raise ValueError(f"log names {unknown[0]!r}, which is not among the columns {', '.join(self.columns)}")
        return self

    @property
    def is_table(self) -> bool:
        return self.kind == TABLE

    @property
    def stored_channels(self) -> int:
        """Colour is the measurement in an elastogram; a B-mode picture is grey; a table has its columns."""
        if self.is_table:
            return len(self.columns)
        if self.channels is not None:
            return self.channels
        return 3 if self.kind == "elastogram" else 1


class CohortPlan(PlanSection):
    """What intake writes into the cohort beside the data."""

    name: str | None = None
    """The cohort's name in reports, one line; without it the folder's."""
    caveats: tuple[str, ...] = ()
    """Warnings that every command and report repeats."""

    @field_validator("name")
    @classmethod
    def _line(cls, name: str | None) -> str | None:
        if name is not None and (not is_one_line(name) or TURNS & set(name)):
            raise ValueError("has a line break, or a sign that controls or turns the writing; give one line")
        return name


class QualityPlan(PlanSection):
    """What makes a picture bad at intake; 0 judges nothing. Bad pictures are marked, or left out."""

    sharpness: float = Field(0.0, ge=0)
    """A floor: mean absolute Laplacian over standard deviation."""
    fill: float = Field(0.0, ge=0, le=1)
    """A floor: share of an elastogram's region that carries colour."""
    lit: float = Field(0.0, ge=0, le=1)
    """A floor: share of the lower half of the picture that shows anything."""
    saturated: float = Field(1.0, gt=0, le=1)
    """A ceiling: share of the picture at full white."""
    exclude: bool = False
    """Leave bad pictures out instead of marking them."""


def check_pattern(pattern: str | None) -> str | None:
    """Returns a plan's regular expression as it came, or None; raises `PlanError` where it is no regular expression."""
    if pattern is not None:
        try:
            re.compile(pattern)
        except re.error as error:
            raise PlanError(f"{pattern!r} is no regular expression: {error}") from None
    return pattern


class RulePlan(PlanSection):
    """Which files are of a modality, where no I.csv says it; the first rule that fits wins."""

    modality: str
    """What a file that fits is taken for."""
    series: str | None = None
    """A regular expression, looked for in series description and protocol, whatever the case."""
    view: str | None = None
    """A regular expression, looked for in view and body part."""
    device: str | None = None
    """A regular expression, looked for in manufacturer and model."""
    file: str | None = None
    """A regular expression, looked for in the path."""
    colour: bool | None = None
    """Whether the picture must show a colour box (true) or must not (false)."""
    regions: tuple[Literal["tissue", "colour", "spectral", "grey bar", "colour bar", "other"], ...] = ()
    """Kinds of regions that the scanner must have marked."""
    frames: Literal["one", "many"] | None = None
    """Of "one" picture, or "many" (loops)."""

    _patterns = field_validator("series", "view", "device", "file")(check_pattern)


class StiffnessPlan(PlanSection):
    """What an elastogram's colour bar means; the first entry whose device fits is used."""

    scale: float = Field(gt=0, le=500)
    """The value at the bar's top; 0 stands at its bottom."""
    unit: Literal["kPa", "m/s"] = "kPa"
    """The unit of `scale`."""
    opacity: float | None = Field(None, ge=0.1, le=1)
    """Of the colours over B-mode; fitted where it is not given."""
    device: str | None = None
    """A regular expression for manufacturer and model; without it every device."""
    bar: Bounds | None = None
    """[x, y, width, height] where the bar always stands; without it the bar is found."""
    numbers: Literal["check", "ignore"] = "check"
    """Whether the numbers beside the bar are read, and a map left out whose bar surely says another scale."""

    _pattern = field_validator("device")(check_pattern)


class MaskPlan(PlanSection):
    """What to keep of screens of one device and size that mark no regions; the rest is blanked."""

    keep: tuple[Bounds, ...] = Field(min_length=1)
    """Rectangles [[x, y, width, height], …]; the rest is blanked."""
    device: str | None = None
    """A regular expression for manufacturer and model; without it every device."""
    width: int | None = None
    """Of screens of this width in pixels; without it of any."""
    height: int | None = None
    """Of screens of this height in pixels; without it of any."""

    _pattern = field_validator("device")(check_pattern)


class DicomPlan(PlanSection):
    """Which DICOM files are read."""

    modalities: tuple[str, ...] = ("US",)
    """Which DICOM modalities are ultrasound here; some archives keep screens as OT or SC."""


class RasterPlan(PlanSection):
    """Pictures outside DICOM."""

    window: tuple[Annotated[int, Field(ge=0, le=65535)], Annotated[int, Field(ge=0, le=65535)]] | None = None
    """[black, white]: which values of a picture of 16 bits a pixel are black and white; without it such a picture is
    refused."""

    @model_validator(mode="after")
    def _rises(self) -> RasterPlan:
        if self.window is not None and self.window[0] >= self.window[1]:
            raise ValueError(f"window is [black, white], the first below the second, got {list(self.window)}")
        return self


class CinePlan(PlanSection):
    """How many frames of a loop to take, and which never."""

    frames: int = Field(25, ge=1)
    """So many of a loop at most."""
    step: float | None = Field(None, gt=0)
    """Seconds between them, instead of equal shares of the loop."""
    distinct: float = Field(0.1, ge=0, le=1)
    """A frame nearer than this to the one before is near-identical (0 alike, 1 unrelated)."""
    still: float = Field(0.4, ge=0, le=1)
    """A frame farther than this from its neighbours is moving."""
    lit: float = Field(0.12, ge=0, le=1)
    """Less tissue than this share of the picture: the probe is off the skin."""


class PrivacyPlan(PlanSection):
    """What is carried along although it looks identifying."""

    keep: tuple[str, ...] = ()
    """Columns of P.csv to carry along although they look identifying."""
    lettering: Literal["note", "mask", "refuse"] = "note"
    """What becomes of lettering in stored tissue below a screen's heading: noted, blanked ("mask"), or reason to keep
    the picture out ("refuse")."""


class ReliabilityPlan(PlanSection):
    """When a patient's stiffness is believed, and becomes a `marker`."""

    pictures: int = Field(3, ge=1)
    """So many good pictures at least."""
    iqr: float = Field(0.3, gt=0)
    """An IQR/median of at most this."""
