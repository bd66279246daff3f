"""A cohort made of others, written as a folder of its own: pixels pointed at where all stay, copied where some go.

Where pictures are left out their pixels must be gone, so only what is kept is copied. Where every picture stays, the
files of pixels are the others' own (a hard link each, read-only), and only where each picture lies is written down.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.joined import CAME, ROW, JoinedCohort
from fibrostage.cohort.parts import PIXELS, link_or_copy, part_file, part_files, read_places, write_pixels, write_places
from fibrostage.cohort.store import TAKEN_IN, Cohort, Modality, write_tables
from fibrostage.cohort.tables import IMAGES
from fibrostage.ground.errors import CohortError
from fibrostage.ground.progress import SILENT, Progress, counted

PlaceOf = tuple[NDArray[np.int64], NDArray[np.int64]]  # of each picture its file [n], and its row there [n]


def write_joined(work: Path, joined: JoinedCohort, name: str, key: str | None) -> None:
    """Writes a cohort that was put together into an empty folder, its pixels as links to the files they lie in.

    Raises `CohortError` where its tables are not valid or a part of it is damaged.
    """
    (work / PIXELS).mkdir()
    places = [link_parts(work, joined, modality.name) for modality in joined.modalities]
    write_places(work, places)
    images = joined.images.drop(CAME, ROW)
    write_as(work, joined, joined.modalities, joined.patients, images, joined.exclusions, name, key)


def link_parts(work: Path, joined: JoinedCohort, modality: str) -> pl.DataFrame:
    """Links the files of a modality's pixels into a folder, and returns where each of its pictures lies: a row a
    picture, `modality`, `part` and `row`."""
    came, rows = joined.origin(modality)
    parts, inside = np.zeros_like(came), rows.copy()
    files = 0
    for number, cohort in enumerate(joined.joins):
        if modality not in cohort.modality_names:
            continue
        own = came == number
        try:
            earlier: PlaceOf | None = read_places(cohort.path, modality)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise CohortError(f"cohort {cohort.path} is damaged: {error}") from None
        if earlier is not None:
            parts[own], inside[own] = earlier[0][rows[own]], earlier[1][rows[own]]
        parts[own] += files
        for path in part_files(cohort.path, modality):
            link_or_copy(path, part_file(work, modality, files))
            files += 1
    if not files:
        raise CohortError(f"no part of {joined.name!r} has the modality {modality!r}")
    return pl.DataFrame({"modality": [modality] * len(came), "part": parts, "row": inside})


def write_copied(
    work: Path,
    cohort: Cohort,
    modalities: Sequence[Modality],
    patients: pl.DataFrame,
    images: pl.DataFrame,
    exclusions: pl.DataFrame,
    progress: Progress = SILENT,
) -> None:
    """Writes some patients and pictures of a cohort, as rows of its tables in their order, into an empty folder with a
    copy of those pictures' pixels and no other's. Raises `CohortError` where the tables are not valid."""
    (work / PIXELS).mkdir()
    places = []
    with progress.task("copying pictures", len(images)) as advance:
        for modality in modalities:
            known = {name: row for row, name in enumerate(cohort.images_of(modality.name)["image_id"])}
            own = [known[name] for name in images.filter(pl.col("modality") == modality.name)["image_id"]]
            shape = (len(own), modality.size, modality.size, modality.channels)
            source = cohort.pixels(modality.name)
            places.append(write_pixels(work, modality.name, shape, counted((source[row] for row in own), advance)))
    write_places(work, places)
    if (cohort.path / TAKEN_IN).is_file():
        shutil.copyfile(cohort.path / TAKEN_IN, work / TAKEN_IN)
    write_as(work, cohort, modalities, patients, images, exclusions, cohort.name, cohort.key)


def write_as(
    work: Path,
    cohort: Cohort,
    modalities: Sequence[Modality],
    patients: pl.DataFrame,
    images: pl.DataFrame,
    exclusions: pl.DataFrame,
    name: str,
    key: str | None,
) -> None:
    """Writes the tables of a cohort that is otherwise as `cohort`. Raises `CohortError` where they are not valid."""
    others = [column for column in images.columns if column not in IMAGES]
    write_tables(
        work,
        name=name,
        staging=cohort.staging,
        modalities=modalities,
        patients=patients,
        images=images.select(*IMAGES, *others),
        exclusions=exclusions,
        simulated=cohort.simulated,
        caveats=cohort.caveats,
        source=cohort.source,
        key=key,
    )
