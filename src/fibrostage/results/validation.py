"""validation.json: what an external validation found beside the figures of metrics.json."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import read_json, write_json
from fibrostage.results.metrics import InJson, Record, told
from fibrostage.stats.site_recalibration import ProbabilityFigures, Recalibrated

VALIDATION = "validation.json"


class DriftLine(Record):
    """One thing that was compared with training: what it was `there` and is `here`, in words, the figure that is judged
    with its interval, of how many, and whether it differs."""

    what: str
    there: str
    here: str
    figure: InJson
    n: int
    differs: bool


class CutColumn(Record):
    """Calibration and Brier score of one column of probabilities."""

    intercept: InJson
    slope: InJson
    brier: InJson


class SiteCut(Record):
    """A cut on these patients: the probabilities as they come and recalibrated, and what ruling in and out did."""

    cut: str
    n: int
    positives: int
    carried: CutColumn
    in_the_large: CutColumn
    with_slope: CutColumn
    ruled_out: int
    npv: InJson
    ruled_in: int
    ppv: InJson


class Validation(Record):
    """validation.json as a whole. `strangers` says whether it is known that no patient trained the model, `left_out`
    how many patients have no figure, by reason."""

    model: str
    digest: str
    strangers: bool
    calibrated: bool
    left_out: dict[str, int]
    drift: tuple[DriftLine, ...]
    cuts: tuple[SiteCut, ...]


def column_of(figures: ProbabilityFigures) -> CutColumn:
    """A column as it is kept."""
    return CutColumn(intercept=figures.intercept, slope=figures.slope, brier=figures.brier)


def columns_of(found: Recalibrated) -> dict[str, CutColumn]:
    """The three columns by their names in `SiteCut`."""
    return {name: column_of(getattr(found, name)) for name in ("carried", "in_the_large", "with_slope")}


def write_validation(folder: Path, validation: Validation) -> None:
    """Writes validation.json to a folder, whole or not at all; raises `RunError`."""
    write_json(folder / VALIDATION, validation.model_dump(mode="json"))


def read_validation(folder: Path) -> Validation | None:
    """What validation.json of a folder holds, None where there is none; raises `RunError` where it is damaged."""
    path = folder / VALIDATION
    if not path.is_file():
        return None
    try:
        return Validation.model_validate(read_json(path))
    except (ValidationError, KeyError) as error:
        raise RunError(f"{path} is damaged: {told(error)} is missing or not what it must be") from None
