"""Pictures that a model was not trained for, and how many of them it tells to lie far from those of training.

They are simulated (other modalities, boxes of other scanners), made up (noise, nothing at all), samples that come with
pydicom, and whatever folders of pictures are at hand. Each is stored as the model's modality would be, whole where
nothing says where its box is: as if somebody had put it into the wrong place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage.bench.population import MOST, stored_as, stored_pixels
from fibrostage.bench.said import ALARMS
from fibrostage.bench.tables import Cells, FigureTable
from fibrostage.cohort.pictures import ExamPictures
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.ground.geometry import Rectangle
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.read.raster import decode
from fibrostage.learn.model import Model
from fibrostage.phantom.bmode import Scan, bmode
from fibrostage.phantom.layouts import LAYOUTS, render
from fibrostage.phantom.patients import draw_patients, draw_stages
from fibrostage.phantom.pictures import PICTURES
from fibrostage.phantom.recipe import Recipe, shots
from fibrostage.phantom.write import one
from fibrostage.plan.intake import ModalityPlan
from fibrostage.stats.clustered import crossed_share

EACH = 60  # pictures of a kind
OF_A_SCANNER = 20
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".jxl")
SAMPLES = ("CT_small.dcm", "MR_small.dcm")


@dataclass(frozen=True)
class StrangePictures:
    """Pictures of one kind, stored [n, S, S, C]."""

    kind: str
    pixels: NDArray[np.uint8]


def strangers_for(
    plan: ModalityPlan,
    fused: Sequence[str],
    data: Path | None,
    seed: int,
    progress: Progress = SILENT,
    each: int = EACH,
) -> list[StrangePictures]:
    """Every kind there is for a model that sees pictures of a modality, and `fused` ones; of folders within `data`
    each is a kind."""
    found = [*simulated_modalities(plan, fused, seed, each)]
    if plan.kind == "elastogram":
        found += other_scanners(plan, seed, min(each, OF_A_SCANNER))
    found += [noise(plan, seed, each), nothing(plan), *samples(plan, progress)]
    return found + folders(plan, data, seed, progress, each)


def simulated_modalities(plan: ModalityPlan, fused: Sequence[str], seed: int, each: int) -> Iterator[StrangePictures]:
    """Pictures of every simulated modality that the model does not see."""
    rng = Draws.PHANTOM_PATIENTS.of(seed)
    state = draw_patients(draw_stages(max(5, -(-each // MOST)), rng), 1.0, rng)
    for name in PICTURES:
        if name in fused:
            continue
        recipe = Recipe(len(state), seed, missing=0.0, modalities=(name,), pictures=MOST)
        made = []
        taken = ((index, shot) for index in range(len(state)) for shot in shots(recipe, index))
        for index, shot in islice(taken, each):
            image, _, box = PICTURES[name](one(state, index), shot.bad, shot.rng)
            made.append(stored_pixels(image, plan, box))
        yield StrangePictures(f"simulated {name}", np.stack(made))


def other_scanners(plan: ModalityPlan, seed: int, each: int) -> Iterator[StrangePictures]:
    """Elastograms of the invented scanners, cut around their boxes."""
    for number, (name, layout) in enumerate(LAYOUTS.items()):
        made = []
        for index in range(each):
            rng = np.random.default_rng([seed, number, index])
            grey = bmode(Scan(remodelling=float(rng.normal()), steatosis=float(rng.normal())), rng)
            kpa = float(np.exp(rng.normal(2.1, 0.4)))
            screen = render(layout, grey, kpa, float(rng.uniform(0.06, 0.25)), float(rng.uniform(0.82, 1)), "N", rng)
            made.append(stored_pixels(Image.fromarray(screen.pixels), plan, screen.box))
        colours = f"{layout.colours} at {layout.opacity:.1f}"
        yield StrangePictures(f"simulated scanner {name}, {colours}", np.stack(made))


def noise(plan: ModalityPlan, seed: int, each: int) -> StrangePictures:
    """Every pixel drawn by itself."""
    shape = (each, plan.size, plan.size, plan.stored_channels)
    return StrangePictures("noise", np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def nothing(plan: ModalityPlan) -> StrangePictures:
    """A black picture; intake would not take it."""
    return StrangePictures("black", np.zeros((1, plan.size, plan.size, plan.stored_channels), dtype=np.uint8))


def samples(plan: ModalityPlan, progress: Progress) -> Iterator[StrangePictures]:
    """A CT and an MR slice that come with pydicom; without it, a line says so."""
    try:
        from pydicom import dcmread
        from pydicom.data import get_testdata_file

        from fibrostage.dicom.eight_bit import eight_bit
    except ImportError:
        progress.say("no CT and MR samples: install fibrostage with its extra [dicom]")
        return
    for name in SAMPLES:
        path = get_testdata_file(name, download=False)
        if not path:
            progress.say(f"no {name}: this pydicom comes without it")
            continue
        dataset = dcmread(str(path))
        image = Image.fromarray(eight_bit(dataset.pixel_array, dataset))
        yield StrangePictures(f"pydicom's {name}", stored(image, plan)[None])


def stored(image: Image.Image, plan: ModalityPlan) -> NDArray[np.uint8]:
    """The whole picture as it would be stored [S, S, C]; around its middle where the modality is cut by clicks."""
    width, height = image.size
    middle = Rectangle(width // 2, height // 2, 1, 1) if plan.fit == "click" else None
    return stored_pixels(image, plan, middle)


def folders(plan: ModalityPlan, data: Path | None, seed: int, progress: Progress, each: int) -> list[StrangePictures]:
    """Pictures drawn from every folder in `data`, at any depth; a line says which have none."""
    if data is None or not data.is_dir():
        progress.say("no real pictures: " + ("give --data" if data is None else f"there is no folder {data}"))
        return []
    found = []
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        order = np.random.default_rng(seed).permutation(len(files))[:each]
        made = [pixels for at in order if (pixels := readable(files[at], plan)) is not None]
        if made:
            found.append(StrangePictures(folder.name, np.stack(made)))
        else:
            progress.say(f"{folder.name}: no pictures in it")
    return found


def readable(path: Path, plan: ModalityPlan) -> NDArray[np.uint8] | None:
    """The stored pixels [S, S, C] of a file, None where it cannot be read or shows nothing."""
    try:
        return stored(decode(path)[0], plan)
    except UnreadableImageError:
        return None


def told_far(model: Model, modality: str, pixels: NDArray[np.uint8], alarms: float) -> NDArray[np.bool_] | None:
    """Which pictures [n, S, S, C], one a patient, a model tells to lie far [n]; None where it was trained on one."""
    people = [f"stranger {number}" for number in range(len(pixels))]
    plans = [one for one in model.plan.modality if one.name in model.plan.fused]
    rows = np.arange(len(pixels))
    exam = ExamPictures(people, tuple(stored_as(one) for one in plans), {modality: pixels}, {modality: rows})
    staged = model.stage(exam, asked=model.plan.decision.model_copy(update={"false_alarms": alarms}))
    if any(one.trained_on for one in staged):
        return None
    return np.array([bool(sum(one.far.values())) for one in staged])


def few_table(
    models: Mapping[int, Sequence[Model]], modality: str, strangers: Sequence[StrangePictures], alarms: float = 0.05
) -> FigureTable:
    """The share of each kind that is told far by models of few patients."""
    rows: list[Cells] = []
    for kind in strangers:
        told = [[told_far(model, modality, kind.pixels, alarms) for model in each] for each in models.values()]
        shares = (crossed_share(np.stack([one for one in each if one is not None])) for each in told)
        rows.append((kind.kind, len(kind.pixels), *shares))
    columns = ("pictures of", "pictures", *(f"trained on {count} patients" for count in models))
    title = f"Pictures told far at {alarms:.0%} by models of few patients"
    return FigureTable("few_strangers", title, columns, tuple(rows))


def strangers_table(models: Sequence[Model], modality: str, strangers: Sequence[StrangePictures]) -> FigureTable:
    """The share of each kind that is told far, over all models; kinds that one was trained on are left out."""
    rows: list[Cells] = []
    for kind in strangers:
        told = {alarms: [told_far(model, modality, kind.pixels, alarms) for model in models] for alarms in ALARMS}
        if any(one is None for each in told.values() for one in each):
            continue
        shares = (crossed_share(np.stack([one for one in each if one is not None])) for each in told.values())
        rows.append((kind.kind, len(kind.pixels), *shares))
    columns = ("pictures of", "pictures", *(f"told far at {alarms:.0%}" for alarms in ALARMS))
    return FigureTable("strangers", f"Pictures that it was not trained for, as {modality}", columns, tuple(rows))
