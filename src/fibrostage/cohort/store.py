"""A cohort on disk: tables, memory-mapped pixels, and the fingerprint that names exactly this data.

    COHORT/ cohort.json  patients.parquet  images.parquet  exclusions.parquet  pixels/<modality>.npy  intake.json
            tables.json, where a plan said how tables are written

Written once, to a temporary name beside the target, then renamed: a cohort folder is either whole or absent.
Row i of pixels/<modality>.npy is the i-th row of images.parquet within that modality; the pixels of a cohort that grew
lie in several files (`parts`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage import __version__
from fibrostage.cohort.parts import open_pixels
from fibrostage.cohort.tables import EXCLUSIONS, GOOD, check_images, check_patients
from fibrostage.csv_tables.writer import write_csv
from fibrostage.ground.buckets import is_bucket
from fibrostage.ground.errors import CohortError, nearest
from fibrostage.ground.files import Json, read_json, refuse_bucket, renamed_to, unfinished_beside
from fibrostage.ground.notebook import html_in_notebook
from fibrostage.ground.stage import UNLABELLED, Staging

MARKER = "cohort.json"
ROWS = 50_000  # of a table that are hashed at once
TABLE = "table"  # the kind of a modality that is columns of the patients, and no pictures
TAKEN_IN = "intake.json"  # the plan that the cohort was taken in with: new pictures are read the same way
TABLES_READ = "tables.json"  # how often each rule of the plan by which tables were read was used


@dataclass(frozen=True)
class Modality:
    """A named kind of image of an exam, and the shape its pixels are stored in."""

    name: str
    kind: str
    size: int
    channels: int
    fit: str


@dataclass(frozen=True)
class Cohort:
    """Patients and images, read-only. Patients are addressed by row, images by row within their modality."""

    path: Path
    name: str
    staging: Staging
    modalities: tuple[Modality, ...]
    patients: pl.DataFrame
    images: pl.DataFrame
    exclusions: pl.DataFrame
    fingerprint: str
    simulated: bool
    caveats: tuple[str, ...] = ()
    source: str = ""
    tool: str = field(default=__version__)
    key: str | None = None  # tells the key that ids were hashed with from others; "" ids as given, None not known
    finer: Cohort | None = None  # whose stages this one's were merged from
    measurements: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # of tables, [n, columns]

    @property
    def modality_names(self) -> tuple[str, ...]:
        return tuple(modality.name for modality in self.modalities)

    def modality(self, name: str) -> Modality:
        """Returns one modality by its name; raises `CohortError` where the cohort has no such modality."""
        for modality in self.modalities:
            if modality.name == name:
                return modality
        known = ", ".join(self.modality_names)
        raise CohortError(
            f"cohort {self.name!r} has no modality {name!r}{nearest(name, self.modality_names)}; it has {known}"
        )

    @property
    def patient_ids(self) -> list[str]:
        return self.patients["patient_id"].to_list()

    @cached_property
    def stages(self) -> NDArray[np.int64]:
        """The stage index of each patient [patients], −1 where unlabelled."""
        position = {label: index for index, label in enumerate(self.staging.classes)}
        labels = self.patients["stage"]
        return np.array([UNLABELLED if s is None else position[s] for s in labels], dtype=np.int64)

    @property
    def strata(self) -> NDArray[np.int64]:
        """What splits are stratified by [patients]: each patient's finest stage index known, −1 where unlabelled."""
        return self.stages if self.finer is None else self.finer.stages

    def at(self, cut: str) -> Cohort:
        """Returns the same patients as a binary task, in the same splits: below the cut, or at or above it.

        Raises `PlanError` where the staging has no such cut.
        """
        staging = self.staging.at(cut)
        threshold = self.staging.threshold(cut)
        merged = [None if s == UNLABELLED else staging.classes[int(s >= threshold)] for s in self.stages]
        patients = self.patients.with_columns(stage=pl.Series(merged, dtype=pl.String))
        return replace(self, staging=staging, patients=patients, finer=self)

    def images_of(self, modality: str) -> pl.DataFrame:
        """Returns a modality's rows of the images table, in the order of its pixels.

        Raises `CohortError` where the cohort has no such modality.
        """
        self.modality(modality)
        return self.images.filter(pl.col("modality") == modality)

    @cached_property
    def _owners(self) -> dict[str, NDArray[np.int64]]:
        row = {patient: index for index, patient in enumerate(self.patient_ids)}
        return {
            name: np.array([row[p] for p in self.images_of(name)["patient_id"]], dtype=np.int64)
            for name in self.modality_names
        }

    def owners(self, modality: str) -> NDArray[np.int64]:
        """Returns the patient row [n] of each of a modality's n images, ascending: images are stored by patient.

        Raises `CohortError` where the cohort has no such modality.
        """
        self.modality(modality)
        return self._owners[modality]

    def bad_images(self, modalities: Sequence[str]) -> tuple[NDArray[np.bool_], ...]:
        """Returns for each modality which of its n images intake found bad [n]; an image nobody judged is not.

        Raises `CohortError` where the cohort lacks one of the modalities.
        """
        judged = [self.images_of(name)["quality"] for name in modalities]
        return tuple(np.array([q is not None and q != GOOD for q in own], dtype=bool) for own in judged)

    def pixels(self, modality: str) -> NDArray[np.uint8]:
        """Opens a modality's pixels, uint8 [n, H, W, C], as a memory map that cannot be written.

        Raises `CohortError` where the cohort has no such modality, it is a table, its file cannot be read, or that
        holds other pictures than the cohort's tables say.
        """
        said = self.modality(modality)
        if said.kind == TABLE:
            raise CohortError(f"{modality} is a table of measurements; it has no pixels")
        pixels = open_pixels(self.path, modality)
        shape = (len(self.owners(modality)), said.size, said.size, said.channels)
        if pixels.dtype != np.uint8 or pixels.shape != shape:
            held, wanted = ("×".join(map(str, one)) for one in (pixels.shape, shape))
            raise CohortError(
                f"cohort {self.path} is damaged: pixels of {modality} are {held} of {pixels.dtype}, its tables say "
                f"{wanted} of uint8 (images, height, width, channels)"
            )
        return pixels

    def _repr_html_(self) -> str | None:
        return html_in_notebook(self)

    def picture_hashes(self, modality: str) -> list[str]:
        """The SHA-256 of the stored pixels of each image [n] of a modality, as the images table has them."""
        return self.images_of(modality)["sha256"].to_list()

    def pixel_digest(self, modality: str) -> str:
        """Identity of one modality's pixels, from the hashes in the images table."""
        return joined_digest(self.picture_hashes(modality))


def joined_digest(hashes: Sequence[str]) -> str:
    """The SHA-256 of pictures' hashes, one after another."""
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def compute_fingerprint(
    staging: Staging,
    modalities: Sequence[Modality],
    patients: pl.DataFrame,
    images: pl.DataFrame,
    simulated: bool,
    caveats: Sequence[str],
) -> str:
    """Computes SHA-256 over labels, tables, pixel hashes and what a reader must be told; not over where files lay."""
    digest = hashlib.sha256()
    head = [asdict(staging), [asdict(modality) for modality in modalities], simulated, list(caveats)]
    digest.update(json.dumps(head).encode())
    for table in (patients, images.drop("source", strict=False)):
        ordered = table.select(sorted(table.columns))
        digest.update(ordered.clear().write_csv().encode())
        for part in ordered.iter_slices(ROWS):  # a million rows are no single text
            digest.update(part.write_csv(include_header=False).encode())
    return digest.hexdigest()


def taken_in_with(cohort: Cohort) -> dict[str, Json] | None:
    """The plan that a cohort was taken in with, as JSON; None of cohorts from before it was kept.

    Raises `RunError` where it is damaged.
    """
    return read_json(cohort.path / TAKEN_IN) if (cohort.path / TAKEN_IN).is_file() else None


def is_cohort(path: Path) -> bool:
    return (path / MARKER).is_file()


def open_cohort(path: Path) -> Cohort:
    """Opens a cohort folder; raises `CohortError` when it is none, is damaged, or was changed after intake."""
    if is_bucket(path):
        raise CohortError(
            "here a cohort in an object store cannot be used where it lies: 'fibrostage cohort filter "
            "s3://BUCKET/PREFIX --out COHORT' makes a folder of it"
        )
    if not is_cohort(path):
        reason = "no such folder" if not path.exists() else f"no {MARKER} in it"
        raise CohortError(f"{path} is not a cohort ({reason}); make one with 'fibrostage intake'")
    try:
        head = json.loads((path / MARKER).read_text(encoding="utf-8"))
        patients, images, exclusions = (
            pl.read_parquet(path / f"{table}.parquet") for table in ("patients", "images", "exclusions")
        )
        if lacking := [column for column in EXCLUSIONS if column not in exclusions.columns]:
            raise ValueError(f"exclusions.parquet has no column {lacking[0]}")
        staging = Staging(
            head["staging"]["name"],
            tuple(head["staging"]["classes"]),
            tuple(head["staging"]["cuts"]),
        )
        modalities = tuple(Modality(**modality) for modality in head["modalities"])
        recorded, simulated = head["fingerprint"], bool(head["simulated"])
        caveats = tuple(head["caveats"])
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise CohortError(f"cohort {path} is damaged: {error}") from None
    if compute_fingerprint(staging, modalities, patients, images, simulated, caveats) != recorded:
        raise CohortError(
            f"cohort {path} was changed after intake: its fingerprint does not match {MARKER}; take it in again"
        )
    return Cohort(
        path, head["name"], staging, modalities, patients, images, exclusions, recorded, simulated,
        caveats, head.get("source", ""), head.get("tool", ""), head.get("key"),
    )  # fmt: skip


def verify_pixels(cohort: Cohort) -> None:
    """Rehashes every stored image; raises `CohortError` naming the first that differs from the images table."""
    for modality in cohort.modality_names:
        pixels, table = cohort.pixels(modality), cohort.images_of(modality)
        for row, (image_id, expected) in enumerate(table.select("image_id", "sha256").iter_rows()):
            if hash_pixels(pixels[row]) != expected:
                raise CohortError(f"{modality}: pixels of image {image_id} were changed after intake")


def hash_pixels(image: NDArray[np.uint8]) -> str:
    """Computes SHA-256, in hexadecimal, of one image's pixels [H, W, C]."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


def check_free(target: Path) -> None:
    """Raises `CohortError` where `target` exists and is not an empty folder, leads nowhere, lies in a cohort, or is no
    folder here."""
    refuse_bucket(target)
    check_outside(target)
    if target.is_symlink() and not target.exists():
        raise CohortError(f"{target} is a link that leads nowhere; choose another --out")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CohortError(f"{target} exists and is not empty; a cohort is never overwritten, choose another --out")


def check_outside(target: Path) -> None:
    """Raises `CohortError` where `target` lies in a cohort, which stays as it is."""
    around = next((folder for folder in target.absolute().parents if (folder / MARKER).is_file()), None)
    if around is not None:
        raise CohortError(f"{target} lies in the cohort {around}, which stays as it is; choose another --out")


@contextmanager
def whole_or_absent(target: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `target`, renamed to it when the block ends well and removed when it does not.

    Raises `CohortError` where `target` exists and is not an empty folder, or where it cannot be written.
    """
    check_free(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = unfinished_beside(target)
    except OSError as error:
        raise CohortError(f"cannot write to {target.parent}: {error.strerror}") from None
    try:
        with renamed_to(target, work, 0o755):
            yield work
    except (OSError, pl.exceptions.ComputeError) as error:
        raise CohortError(f"cannot write the cohort {target}: {error}") from None


def write_tables(
    folder: Path,
    *,
    name: str,
    staging: Staging,
    modalities: Sequence[Modality],
    patients: pl.DataFrame,
    images: pl.DataFrame,
    exclusions: pl.DataFrame,
    simulated: bool,
    caveats: Sequence[str] = (),
    source: str = "",
    key: str | None = None,
) -> str:
    """Writes the tables and cohort.json, read-only, and returns the fingerprint.

    Raises `CohortError` with everything that is wrong where the tables are not valid.
    """
    problems = check_patients(patients, staging)
    problems.items += check_images(images, patients, [m.name for m in modalities]).items
    if len(problems):
        raise CohortError(f"the cohort is not valid:\n{problems.text()}")
    fingerprint = compute_fingerprint(staging, modalities, patients, images, simulated, caveats)
    write_csv(exclusions, folder / "exclusions.csv")  # for people; the tables are what is read
    for table, frame in (("patients", patients), ("images", images), ("exclusions", exclusions)):
        frame.write_parquet(folder / f"{table}.parquet")
    head = {
        "name": name,
        "staging": asdict(staging),
        "modalities": [asdict(modality) for modality in modalities],
        "source": source,
        "simulated": simulated,
        "caveats": list(caveats),
        "fingerprint": fingerprint,
        "tool": __version__,
        "key": key,
    }
    (folder / MARKER).write_text(json.dumps(head, indent=2, ensure_ascii=False), encoding="utf-8")
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    return fingerprint
