"""The part of a plan that intake reads: what pictures there are, how they are told apart, measured and judged."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from fibrostage.ground.errors import PlanError
from fibrostage.plan.section import PlanSection

TABLE = "table"
Kind = Literal["bmode", "elastogram", "table"]
Place = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]
Bounds = tuple[Place, Place, Size, Size]  # x, y, width, height in pixels of the screen


class ModalityPlan(PlanSection):
    """A named kind of image. `fit` is how a picture becomes a square: padded with black, stretched, or "click": three
    squares of native pixels around a click of the user's, as the DLRE paper has it (§2.3).

    A "table" is no picture: measured `columns` of the patients, a row a patient, those in `log` by their logarithm; or,
    `of` a modality, what intake read off each of its pictures, a row a picture. It is read by what fits and stages, and
    passed over by intake.

    `region` is where an elastogram's box, or the tissue of any other picture, comes from: "given" by the CSV (without
    one the whole picture), "find" it or refuse the picture, "auto" to look for it and make do without. `marker` is the
    patients column that gets the median of a patient's reliable stiffnesses where P.csv has none.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    kind: Kind = "bmode"
    size: int = Field(224, ge=16, le=2048)
    channels: Literal[1, 3] | None = None
    fit: Literal["pad", "stretch", "click"] = "pad"
    region: Literal["auto", "find", "given"] = "auto"
    marker: Literal["swe", "stq", "spleen"] | None = None
    columns: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    of: str | None = None

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
    """What intake writes into the cohort beside the data: its name and what a reader must be warned of."""

    name: str | None = None
    caveats: tuple[str, ...] = ()


class QualityPlan(PlanSection):
    """What makes a picture bad at intake: less sharpness, less colour in an elastogram's box, less of the picture lit,
    or more of it at full white than this. Bad pictures are marked, or with `exclude` left out."""

    sharpness: float = Field(0.0, ge=0)
    fill: float = Field(0.0, ge=0, le=1)
    lit: float = Field(0.0, ge=0, le=1)
    saturated: float = Field(1.0, gt=0, le=1)
    exclude: bool = False


def check_pattern(pattern: str | None) -> str | None:
    """Returns a plan's regular expression as it came, or None; raises `PlanError` where it is no regular expression."""
    if pattern is not None:
        try:
            re.compile(pattern)
        except re.error as error:
            raise PlanError(f"{pattern!r} is no regular expression: {error}") from None
    return pattern


class RulePlan(PlanSection):
    """Which files are of a modality, where no I.csv says it; the first rule that fits wins.

    `series`, `view`, `device` and `file` are regular expressions looked for in what the file says (whatever the case);
    `colour` asks whether the picture shows a colour box, `regions` which kinds the scanner marked, `frames` whether it
    is a loop.
    """

    modality: str
    series: str | None = None
    view: str | None = None
    device: str | None = None
    file: str | None = None
    colour: bool | None = None
    regions: tuple[Literal["tissue", "colour", "spectral", "grey bar", "colour bar", "other"], ...] = ()
    frames: Literal["one", "many"] | None = None

    _patterns = field_validator("series", "view", "device", "file")(check_pattern)


class StiffnessPlan(PlanSection):
    """What an elastogram's colour bar means: 0 at its bottom, `scale` at its top. `device` is a regular expression; the
    first entry that fits is used. The bar is found, or at `bar`; the opacity is fitted, or given. `numbers` says
    whether those beside the bar are read and held against `scale` ("check"), or not ("ignore")."""

    scale: float = Field(gt=0, le=500)
    unit: Literal["kPa", "m/s"] = "kPa"
    opacity: float | None = Field(None, ge=0.1, le=1)
    device: str | None = None
    bar: Bounds | None = None
    numbers: Literal["check", "ignore"] = "check"

    _pattern = field_validator("device")(check_pattern)


class MaskPlan(PlanSection):
    """What to keep of screens of one device and size that mark no regions; the rest is blanked."""

    keep: tuple[Bounds, ...] = Field(min_length=1)
    device: str | None = None
    width: int | None = None
    height: int | None = None

    _pattern = field_validator("device")(check_pattern)


class DicomPlan(PlanSection):
    """Which DICOM modalities are ultrasound here; some archives keep screens as OT or SC."""

    modalities: tuple[str, ...] = ("US",)


class RasterPlan(PlanSection):
    """How PNG and TIFF pictures of 16 bits become 8: `window` has the value that is black and the one that is white."""

    window: tuple[Annotated[int, Field(ge=0, le=65535)], Annotated[int, Field(ge=0, le=65535)]] | None = None

    @model_validator(mode="after")
    def _rises(self) -> RasterPlan:
        if self.window is not None and self.window[0] >= self.window[1]:
            raise ValueError(f"window is [black, white], the first below the second, got {list(self.window)}")
        return self


class CinePlan(PlanSection):
    """How many frames of a loop to take, and which never.

    `frames` is the most, `step` the seconds of a stretch (instead of a share of the loop). A frame is near-identical
    below `distinct` from the last chosen, moving above `still` from a neighbour, off the skin where less than `lit` of
    the picture shows tissue.
    """

    frames: int = Field(25, ge=1)
    step: float | None = Field(None, gt=0)
    distinct: float = Field(0.1, ge=0, le=1)
    still: float = Field(0.4, ge=0, le=1)
    lit: float = Field(0.12, ge=0, le=1)


class PrivacyPlan(PlanSection):
    """Columns of P.csv that are carried along although they look identifying, and what becomes of `lettering` that is
    found in tissue below a screen's heading: it is noted, blanked ("mask"), or reason to keep the picture out."""

    keep: tuple[str, ...] = ()
    lettering: Literal["note", "mask", "refuse"] = "note"


class ReliabilityPlan(PlanSection):
    """When a patient's stiffness is believed: so many pictures at least, whose IQR/median is at most this."""

    pictures: int = Field(3, ge=1)
    iqr: float = Field(0.3, gt=0)
