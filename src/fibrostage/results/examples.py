"""examples.json and examples.npz: patients whom a run called rightly and wrongly, with what each modality and picture
adds and where its weight lies; `explain --examples` writes them, a report shows them.

They hold pictures, as intake stored them, and the cohort's pseudonyms. Who is shown is settled by a rule, not by eye:
of each stage the test patient who was called rightly with the highest probability of the stage called, and likewise
the one who was called wrongly.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json, read_json, replace_file, write_json
from fibrostage.results.predictions import Scores

Box = tuple[int, int, int, int]  # x, y, width, height


@dataclass(frozen=True)
class ChosenPatient:
    """A test patient by the rule: the `row` among the scores, whether `right`, and `of` how many of the same stage who
    were called rightly, or wrongly, this is the surest."""

    row: int
    right: bool
    of: int


def chosen_patients(found: Scores) -> list[ChosenPatient]:
    """Of each stage, in their order, the surest right and the surest wrong; of equals the first by patient_id."""
    sure = found.probabilities[np.arange(len(found)), found.called]
    chosen = []
    for stage in range(found.probabilities.shape[1]):
        for right in (True, False):
            rows = np.flatnonzero((found.stages == stage) & ((found.called == stage) == right)).tolist()
            if rows:
                first = min(rows, key=lambda row: (-sure[row], found.patients[row]))
                chosen.append(ChosenPatient(first, right, len(rows)))
    return chosen


@dataclass(frozen=True)
class ExamplePicture:
    """A picture of an example: `pixels` [H, W, C] as stored, its `box` in them, `heat` [S, S] above 0 where it speaks
    for the stage called, and the `share` that it adds to the answer, in log-odds a stage up."""

    modality: str
    share: float
    pixels: NDArray[np.uint8] = field(compare=False)
    heat: NDArray[np.floating] = field(compare=False)
    box: Box | None = None


@dataclass(frozen=True)
class ExamplePatient:
    """A patient: what is true, what was called with which `probabilities` by stage, what each modality adds (`shares`,
    in log-odds a stage up), from how many `counts` of pictures; of these the shown ones add most."""

    patient_id: str
    stage: str
    called: str
    of: int
    probabilities: Mapping[str, float]
    shares: Mapping[str, float]
    counts: Mapping[str, int]
    pictures: tuple[ExamplePicture, ...]

    @property
    def right(self) -> bool:
        return self.stage == self.called

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds, without the pictures."""
        return {
            "patient_id": self.patient_id,
            "stage": self.stage,
            "called": self.called,
            "of": self.of,
            "probabilities": dict(self.probabilities),
            "shares": dict(self.shares),
            "counts": dict(self.counts),
        }


@dataclass(frozen=True)
class ExamplePatients:
    """The examples of a run with `n` test patients."""

    n: int
    simulated: bool
    patients: tuple[ExamplePatient, ...]


def write_examples(listed: Path, arrays: Path, made: ExamplePatients) -> None:
    """Writes examples as `listed` (JSON) and their pictures as `arrays` (npz); raises `RunError`."""
    held: dict[str, NDArray[np.generic]] = {}
    patients: list[Json] = []
    for one in made.patients:
        pictures: list[Json] = []
        for picture in one.pictures:
            key = str(len(held) // 2)
            held |= {f"pixels-{key}": picture.pixels, f"heat-{key}": picture.heat.astype(np.float16)}
            box = None if picture.box is None else list(picture.box)
            pictures.append({"modality": picture.modality, "share": picture.share, "key": key, "box": box})
        patients.append({**one.as_dict(), "pictures": pictures})

    def save(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, **held)  # type: ignore[arg-type]

    replace_file(arrays, save)
    write_json(listed, {"n": made.n, "simulated": made.simulated, "patients": patients})


def read_examples(listed: Path, arrays: Path) -> ExamplePatients | None:
    """What `write_examples` wrote, None where it was not called; raises `RunError` where it is damaged."""
    if not listed.is_file():
        return None
    told = read_json(listed)
    try:
        with np.load(arrays) as held:
            patients = tuple(example_from(one, held) for one in mappings(told["patients"]))
        return ExamplePatients(int(str(told["n"])), bool(told["simulated"]), patients)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RunError(f"{listed} or {arrays.name} is damaged: {error}; call explain --examples again") from None


def example_from(told: Mapping[str, Json], held: Mapping[str, NDArray[np.generic]]) -> ExamplePatient:
    """One patient, with the pictures that `held` has; raises `KeyError`, `TypeError` or `ValueError` where damaged."""
    pictures = []
    for one in mappings(told["pictures"]):
        key, box = one["key"], one["box"]
        x, y, width, height = (int(str(each)) for each in box) if isinstance(box, Sequence) else (0, 0, 0, 0)
        pictures.append(
            ExamplePicture(
                str(one["modality"]),
                float(str(one["share"])),
                np.asarray(held[f"pixels-{key}"], dtype=np.uint8),
                np.asarray(held[f"heat-{key}"], dtype=np.float32),
                (x, y, width, height) if isinstance(box, Sequence) else None,
            )
        )
    return ExamplePatient(
        str(told["patient_id"]),
        str(told["stage"]),
        str(told["called"]),
        int(str(told["of"])),
        numbers(told["probabilities"]),
        numbers(told["shares"]),
        {name: int(count) for name, count in numbers(told["counts"]).items()},
        tuple(pictures),
    )


def mappings(told: Json) -> list[Mapping[str, Json]]:
    """A list of mappings; raises `TypeError` for anything else."""
    if not isinstance(told, Sequence) or not all(isinstance(one, Mapping) for one in told):
        raise TypeError("a list of patients or pictures is missing")
    return [one for one in told if isinstance(one, Mapping)]


def numbers(told: Json) -> dict[str, float]:
    """A mapping to numbers; raises `TypeError` or `ValueError` for anything else."""
    if not isinstance(told, Mapping):
        raise TypeError("numbers by name are missing")
    return {str(name): float(str(value)) for name, value in told.items()}
