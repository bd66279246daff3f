"""From what the files gave to the tables of a cohort: who is in it, which pictures stay, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.splits import GROUP
from fibrostage.cohort.tables import GOOD, IMAGES
from fibrostage.ground.errors import IntakeError, Problems
from fibrostage.intake.build.near_duplicates import groups, near_twins
from fibrostage.markers import measured
from fibrostage.plan.run_plan import Plan

PLACE = "place"  # the row of the journal's pictures; dropped before anything is written

PICTURES: dict[str, Any] = {
    **{name: dtype for name, dtype in IMAGES.items() if name != "image_id"},
    "instance": pl.String,
    "line": pl.Int64,  # of I.csv
    PLACE: pl.Int64,
}


Reading = tuple[str, str, float, str]  # patient, instance, kPa, and the report it stands in
READING = (  # what one stiffness was read from, however many frames or crops carry it
    pl.when(pl.col("kpa_from") == "sr")
    .then(pl.format("sr {}", "instance"))
    .when(pl.col("kpa_from") == "csv")
    .then(pl.format("csv {}", "line"))
    .otherwise(pl.format("{} {} {}", "source", pl.col("frame").fill_null(0), "line"))
)


@dataclass(frozen=True)
class Readings:
    """Stiffness of structured reports: by hashed instance, and by patient where no picture is named."""

    by_instance: dict[str, float]
    by_patient: dict[str, list[float]]


@dataclass(frozen=True)
class Names:
    """What the user's own terminal calls the hashes that are written; `rows` are the rows of I.csv by file."""

    files: dict[str, str]
    patients: dict[str, str]
    csv: str | None = None

    def file(self, pictures: pl.DataFrame, row: int) -> str:
        """Returns the name of the file that the picture in `row` came from, as the user knows it."""
        source = str(pictures["source"][row])
        return self.files.get(source, source)

    def patient(self, pictures: pl.DataFrame, row: int) -> str:
        """Returns the id of the patient of the picture in `row`, as the user knows it."""
        patient = str(pictures["patient_id"][row])
        return self.patients.get(patient, patient)

    def note(self, problems: Problems, pictures: pl.DataFrame, row: int, reason: str) -> None:
        """Notes a problem of the picture in `row` under its file, or under its row of I.csv where there is one."""
        file = self.file(pictures, row)
        patient = self.patient(pictures, row)
        line = int(pictures["line"][row])
        if self.csv is None:
            problems.add(file, reason, patient_id=patient, file=file)
        else:
            problems.add(self.csv, f"{file!r}: {reason}", row=line, patient_id=patient, file=file)


def readings_of(measured: Sequence[Reading], instances: Container[str], nobody: str) -> tuple[Readings, list[str]]:
    """Readings by the pictures that were taken in, and by patient where a report names no picture (`nobody`).

    A report that was exported twice counts once. What else was read, of pictures that were not taken in, comes back as
    its patients.
    """
    by_instance: dict[str, list[float]] = {}
    by_patient: dict[str, list[float]] = {}
    homeless = []
    for patient, instance, kpa, _ in dict.fromkeys(measured):
        if instance in instances:
            by_instance.setdefault(instance, []).append(kpa)
        elif instance == nobody:
            by_patient.setdefault(patient, []).append(kpa)
        else:
            homeless.append(patient)
    return Readings({name: float(np.median(kpa)) for name, kpa in by_instance.items()}, by_patient), homeless


def with_readings(pictures: pl.DataFrame, readings: Readings) -> pl.DataFrame:
    """A report's stiffness goes before that of the CSV and of the colours."""
    if not readings.by_instance:
        return pictures
    told = pl.Series([readings.by_instance.get(name or "") for name in pictures["instance"]], dtype=pl.Float64)
    return pictures.with_columns(
        kpa=pl.when(told.is_not_null()).then(told).otherwise(pl.col("kpa")),
        kpa_from=pl.when(told.is_not_null()).then(pl.lit("sr")).otherwise(pl.col("kpa_from")),
    )


def in_cohort_order(pictures: pl.DataFrame, patients: Sequence[str], modalities: Sequence[str]) -> pl.DataFrame:
    """By modality, then patient, then as they were read: the order of the pixel files."""
    ranks = pictures.with_columns(
        _modality=pl.col("modality").replace_strict({name: at for at, name in enumerate(modalities)}, default=-1),
        _patient=pl.col("patient_id").replace_strict({name: at for at, name in enumerate(patients)}, default=-1),
    )
    return ranks.sort("_modality", "_patient", PLACE).drop("_modality", "_patient")


def without_twins(
    pictures: pl.DataFrame,
    problems: Problems,
    notes: Problems,
    allow: bool,
    named: Names,
    given: Mapping[str, str] = MappingProxyType({}),
) -> pl.DataFrame:
    """Leaves out pictures whose pixels were met before: within a patient quietly, across patients as a problem, unless
    the user put both into one group (`given`, by patient)."""
    first: dict[str, int] = {}
    own: dict[tuple[str, str, str], int] = {}
    keep = np.ones(len(pictures), dtype=bool)
    columns = "patient_id", "modality", "sha256"
    for row, (patient, modality, pixels) in enumerate(pictures.select(columns).iter_rows()):
        known, same = first.setdefault(pixels, row), own.setdefault((patient, modality, pixels), row)
        if row in (known, same) and (known == row or pictures["patient_id"][known] == patient):
            continue
        if same != row:
            known = same
            keep[row] = False
            named.note(
                notes, pictures, row, f"has the same pixels as {named.file(pictures, known)!r} of the same patient"
            )
        elif not allow and given.get(patient, row) != given.get(pictures["patient_id"][known]):
            keep[row] = False
            named.note(
                problems, pictures, row,
                f"of patient {named.patient(pictures, row)!r} has the same pixels as {named.file(pictures, known)!r} "
                f"of patient {named.patient(pictures, known)!r}",
            )  # fmt: skip
    return pictures.filter(pl.Series(keep))


def near_pairs(pictures: pl.DataFrame, print_of: Callable[[int], NDArray[np.int8]]) -> NDArray[np.intp]:
    """Returns the pairs of rows [P, 2] of one modality and different patients whose pictures are nearly the same.
    `print_of` gives the fingerprint [24, 24] int8 of a place in the journal."""
    found = []
    for (_,), part in pictures.with_row_index("_row").group_by("modality", maintain_order=True):
        if part["patient_id"].n_unique() < 2:
            continue
        rows = part["_row"].to_numpy().astype(np.intp)
        prints = np.stack([print_of(place) for place in part[PLACE]])
        pairs = near_twins(prints)
        owners = part["patient_id"].to_numpy()
        across = owners[pairs[:, 0]] != owners[pairs[:, 1]]
        found.append(rows[pairs[across]])
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.intp)


def note_pairs(pictures: pl.DataFrame, pairs: NDArray[np.intp], problems: Problems, named: Names) -> None:
    """Notes as a problem each picture that has a twin before it, and names the twin. `pairs` [P, 2] are rows of
    `pictures`."""
    first: dict[int, int] = {}
    for a, b in sorted((int(min(pair)), int(max(pair))) for pair in pairs):
        first.setdefault(b, a)
    for b, a in first.items():
        named.note(
            problems, pictures, b,
            f"of patient {named.patient(pictures, b)!r} is nearly the same as {named.file(pictures, a)!r} of patient "
            f"{named.patient(pictures, a)!r}; mend it, or go on with --allow-duplicates or --group-near-duplicates",
        )  # fmt: skip


def given_groups(patients: pl.DataFrame) -> dict[str, str]:
    """Returns the group of each patient whom the user put into one."""
    if GROUP not in patients.columns:
        return {}
    return dict(patients.filter(pl.col(GROUP).is_not_null()).select("patient_id", GROUP).iter_rows())


def beyond_groups(patients: pl.DataFrame, pictures: pl.DataFrame, pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """Returns those of the pairs [P, 2], rows of `pictures`, whose two patients the user did not put into one group."""
    if not len(pairs):
        return pairs
    group = given_groups(patients)
    given = np.array([group.get(patient, "") for patient in pictures["patient_id"]])
    first, second = given[pairs].T
    return np.asarray(pairs[(first != second) | (first == "")])


def with_groups(patients: pl.DataFrame, pictures: pl.DataFrame, pairs: NDArray[np.intp]) -> pl.DataFrame:
    """Gives patients who share pictures, directly or through others, one group's name, and everybody else none. `pairs`
    [P, 2] are rows of `pictures`; groups that the user gave stay together and keep their names, the first of several
    that are joined."""
    row = {patient: at for at, patient in enumerate(patients["patient_id"])}
    owners = np.array([row[patient] for patient in pictures["patient_id"]], dtype=np.intp)
    joined = [owners[pairs]]
    given = patients[GROUP].to_list() if GROUP in patients.columns else [None] * len(patients)
    for name in set(given) - {None}:
        rows = np.array([at for at, own in enumerate(given) if own == name], dtype=np.intp)
        joined.append(np.stack([rows[:-1], rows[1:]], axis=1))
    labels = groups(np.concatenate(joined), len(patients))
    _, first, counts = np.unique(labels, return_index=True, return_counts=True)
    shared = {int(labels[at]): f"G{number}" for number, at in enumerate(np.sort(first[counts > 1]), start=1)}
    own = {int(label): name for label, name in zip(reversed(labels), reversed(given), strict=True) if name is not None}
    names = [own.get(int(label), shared.get(int(label))) for label in labels]
    return patients.with_columns(pl.Series(GROUP, names, dtype=pl.String))


def with_days(pictures: pl.DataFrame) -> pl.DataFrame:
    """Days from each patient's first exam instead of dates."""
    return pictures.with_columns(day=pl.col("day") - pl.col("day").min().over("patient_id"))


def with_markers(patients: pl.DataFrame, pictures: pl.DataFrame, readings: Readings, plan: Plan) -> pl.DataFrame:
    """Adds the markers that pictures give: the median stiffness in kPa of a patient's good pictures, where it is
    reliable.

    A value of P.csv stays. `<marker>_n` and `<marker>_iqr` say of how many pictures it is and how far apart they were.
    """
    for modality in plan.modality:
        if modality.marker is None:
            continue
        own = pictures.filter((pl.col("modality") == modality.name) & pl.col("kpa").is_not_null())
        own = own.filter(pl.col("quality").is_null() | (pl.col("quality") == GOOD))
        own = own.with_columns(_reading=READING).unique(["patient_id", "_reading"], keep="first", maintain_order=True)
        values = {str(patient): part["kpa"].to_list() for (patient,), part in own.group_by("patient_id")}
        if modality.marker == "swe":
            for patient, told in readings.by_patient.items():
                values[patient] = [*values.get(patient, []), *told]
        patients = with_marker(patients, modality.marker, values, plan)
    return patients


def with_marker(patients: pl.DataFrame, marker: str, values: dict[str, list[float]], plan: Plan) -> pl.DataFrame:
    """Adds one marker: the median of each patient's `values` in kPa where the plan holds it reliable and no value is
    given, with `<marker>_n` how many there were and `<marker>_iqr` their IQR/median. Raises `IntakeError` where the
    patients have a column of either name already."""
    for column in (f"{marker}_n", f"{marker}_iqr"):
        if column in patients.columns:
            raise IntakeError(f"the patients have a column {column!r}, which intake writes itself; rename it")
    given = patients[marker].to_list() if marker in patients.columns else [None] * len(patients)
    made, numbers, spreads = [], [], []
    for patient, known in zip(patients["patient_id"], given, strict=True):
        kpa = np.array(values.get(patient, []), dtype=np.float64)
        median = float(np.median(kpa)) if len(kpa) else None
        spread = float(np.subtract(*np.percentile(kpa, [75, 25]))) / median if median else None
        reliable = len(kpa) >= plan.reliability.pictures and spread is not None and spread <= plan.reliability.iqr
        reliable = reliable and median is not None and measured()[marker].refusal(median) is None
        made.append(known if known is not None else (median if reliable else None))
        numbers.append(len(kpa) or None)
        spreads.append(spread)
    return patients.with_columns(
        pl.Series(marker, made, dtype=pl.Float64),
        pl.Series(f"{marker}_n", numbers, dtype=pl.Int64),
        pl.Series(f"{marker}_iqr", spreads, dtype=pl.Float64),
    )
