"""Simulated cohorts made in code, without picture files: what benchmarks train on, and new patients of the same kind.

A picture is drawn, cut and stored as `phantom` and `intake` would, and its device is called after the site. Patients
have one, two and three pictures of a modality in turn, in random order of their stages.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from fibrostage.cohort.parts import new_array
from fibrostage.cohort.store import Cohort, Modality, hash_pixels, open_cohort, write_tables
from fibrostage.cohort.tables import EXCLUSIONS, IMAGES
from fibrostage.ground.draws import Draws
from fibrostage.ground.stage import METAVIR
from fibrostage.intake.read.raster import pictures_of
from fibrostage.phantom.patients import draw_patients, draw_stages
from fibrostage.phantom.pictures import KINDS, PICTURES
from fibrostage.phantom.recipe import Recipe, name_of, shots
from fibrostage.phantom.sites import SITES
from fibrostage.phantom.write import one
from fibrostage.plan.intake import ModalityPlan

MOST = 3  # pictures of a modality a patient has
Stored = tuple[int, str, NDArray[np.uint8]]  # a patient by number, a modality, and pixels [S, S, C]


def modality_plan(name: str) -> ModalityPlan:
    """How pictures of a simulated modality are stored."""
    return ModalityPlan(name=name, kind=KINDS[name], channels=3 if name == "LSTQ" else None)


def simulated_cohort(
    folder: Path, seed: int, patients: int, modalities: tuple[str, ...], pictures: int = MOST
) -> Cohort:
    """Makes a cohort of simulated patients, who have up to `pictures` of each modality, in a new folder; the same seed
    makes the same."""
    rng = Draws.PHANTOM_PATIENTS.of(seed)
    state = draw_patients(draw_stages(patients, rng), 1.0, rng)
    recipe = Recipe(patients, seed, modalities=modalities, pictures=pictures)
    made: list[Stored] = []
    for index in range(patients):
        made += pictures_of_one(recipe, index, one(state, index))
    plans = {name: modality_plan(name) for name in modalities}
    made.sort(key=lambda picture: modalities.index(picture[1]))  # stable: patients stay in their order
    (folder / "pixels").mkdir(parents=True)
    for name, plan in plans.items():
        own = [pixels for _, of, pixels in made if of == name]
        array = new_array(
            folder / "pixels" / f"{name}.npy", (len(own), plan.size, plan.size, plan.stored_channels), np.uint8
        )
        array[:] = np.stack(own)
        del array
    people = pl.DataFrame(
        {
            "patient_id": [name_of(index) for index in range(patients)],
            "stage": [METAVIR.classes[k] for k in state.stage],
            "site": [SITES[k].name for k in state.site],
        }
    )
    write_tables(
        folder,
        name=f"simulated {seed}",
        staging=METAVIR,
        modalities=[stored_as(plan) for plan in plans.values()],
        patients=people,
        images=images_table(made, people["site"].to_list()),
        exclusions=pl.DataFrame(schema=EXCLUSIONS),
        simulated=True,
    )
    return open_cohort(folder)


def pictures_of_one(recipe: Recipe, index: int, state: dict[str, object]) -> Iterator[Stored]:
    """The stored pictures of one patient, given by number and state."""
    for shot in shots(recipe, index):
        if shot.number <= index % MOST:
            image, _, box = PICTURES[shot.modality](state, shot.bad, shot.rng)
            yield index, shot.modality, stored_pixels(image, modality_plan(shot.modality), box)


def stored_pixels(image: Image.Image, plan: ModalityPlan, box: object = None) -> NDArray[np.uint8]:
    """The pixels [S, S, C] that intake keeps of a picture, cut around its box where it has one."""
    return pictures_of(image, "PNG", plan, box)[0].pixels  # type: ignore[arg-type]


def stored_as(plan: ModalityPlan) -> Modality:
    """A plan's modality, as a cohort says it."""
    return Modality(plan.name, plan.kind, plan.size, plan.stored_channels, plan.fit)


def images_table(made: list[Stored], sites: list[str]) -> pl.DataFrame:
    """The images table of stored pictures, in their order; `sites` are by patient."""
    rows = [
        {
            "image_id": f"{name}-{number}",
            "patient_id": name_of(index),
            "modality": name,
            "sha256": hash_pixels(pixels),
            "device": f"scanner of site {sites[index]}",
        }
        for number, (index, name, pixels) in enumerate(made)
    ]
    return pl.DataFrame(rows, schema_overrides=IMAGES).with_columns(
        pl.lit(None, dtype=kind).alias(column) for column, kind in IMAGES.items() if column not in rows[0]
    )
