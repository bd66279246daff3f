"""Where a network looks: attributions of test pictures, and how much of them lies inside the elastogram's box.

A modality's share of the logits is exact, so what is explained is that share alone: of the stage that the patient was
called, against the mean of all stages. Attributions are Captum's: by occlusion (a patch of the bland picture moved over
the picture) or by integrated gradients from the bland picture. Bland is the picture without its colours, blurred: no
stiffness, no text, no frame, but black where all was black, so that the background outside the sector is no surprise. A
network that reads stiffness looks inside the box; one that looks at a scanner's text or at the frame's place has found
a short cut.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fibrostage.cohort.measurements import seen_by
from fibrostage.cohort.store import Cohort
from fibrostage.cohort.tables import BOX
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import PlanError, RunError, nearest
from fibrostage.ground.files import replace_file
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.engine import make_engine
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.learn.model import Model, open_model
from fibrostage.learn.plan_for_cohort import check_fit
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.fusion import MMFN
from fibrostage.results.predictions import TEST, scores_of
from fibrostage.results.run_folder import RunFolder, write_parquet

How = Literal["occlusion", "gradients"]
HOWS = get_args(How)
PATCH, STEP = 0.1, 0.05  # of the side: the occluding patch and its stride
BLUR = 0.2  # of the side
PICTURES = 24  # that are explained, one a patient
STEPS = 32  # of the path of integrated gradients

Box = tuple[int, int, int, int]  # x, y, width, height


@dataclass(frozen=True)
class ExplainedPicture:
    """One picture to explain: its row within its modality, its patient's row, and its box in stored pixels."""

    row: int
    patient: int
    box: Box | None


def explain_run(
    run: Path,
    cohort: Cohort,
    pictures: int = PICTURES,
    how: str = "occlusion",
    modality: str | None = None,
    progress: Progress = SILENT,
) -> pl.DataFrame:
    """Explains one picture each of so many test patients; writes attributions.parquet and .npz beside the model.

    A patient of the run's own cohort is explained by the fold's network that did not learn from them, one of another
    cohort by all networks, averaged. Columns: image_id, patient_id, stage, called (the patient's stage, called from all
    pictures: what is explained), share_inside and area_inside (null where there is no box), how, modality, simulated.
    Raises `PlanError` for an unknown way or modality, and `RunError` where the run is not finished or no test patient
    has a picture.
    """
    if how not in HOWS:
        raise PlanError(f"--by {how!r}{nearest(how, HOWS)}; attributions are by {' or '.join(HOWS)}")
    folder = RunFolder(run)
    of_folds = folder.finished and folder.read_metrics().cohort.fingerprint == cohort.fingerprint
    if of_folds and not folder.predictions_file.is_file():
        raise RunError(
            f"{run} was handed over without its run: it cannot tell whom of its own cohort it has not seen; explain "
            "the run, or another cohort"
        )
    model = open_model(run, of_folds)
    plan = model.plan
    check_fit(cohort, plan)
    cohort = seen_by(cohort, plan)
    name = modality or next(iter(plan.pictured), plan.fused[0])
    if name not in plan.fused:
        raise PlanError(f"--modality {name!r}{nearest(name, plan.fused)}; the run sees {', '.join(plan.fused)}")
    if name not in plan.pictured:
        raise PlanError(
            f"--modality {name!r} is a table: what it adds is exact, and stands in predict's --json (shares)"
        )
    own = cohort if plan.staging.task is None else cohort.at(plan.staging.task)
    spec = BACKBONES[plan.network.backbone]
    unseen = unseen_patients(RunFolder(run), own, model)
    rows = np.array([row for row, patient in enumerate(own.patient_ids) if patient in unseen], dtype=np.int64)
    shown = choose(own, name, rows, pictures, plan.seed)
    if not shown:
        raise RunError(f"no test patient of {run} has a {name} picture")
    pixels = np.stack([own.pixels(name)[one.row] for one in shown])
    attribute = [attributor(network, name, how, spec, plan.training.precision) for network, _ in model.members]
    maps, called = [], []
    with progress.task("attributions", len(shown)) as advance:
        for one, picture in zip(shown, pixels, strict=True):
            patient = unseen[own.patient_ids[one.patient]]
            raw = as_tensor(picture[None], spec)
            x, baseline = normalise(raw, spec), normalise(bland(raw), spec)
            found = [attribute[member](x, baseline, patient.called) for member in patient.members]
            maps.append(np.stack(found).mean(axis=0))
            called.append(patient.called)
            advance(1)
    table = table_of(own, name, shown, called, maps)
    table = table.with_columns(how=pl.lit(how), modality=pl.lit(name), simulated=pl.lit(cohort.simulated))
    boxes = np.array([one.box or (-1, -1, -1, -1) for one in shown])
    arrays = {"maps": np.stack(maps).astype(np.float16), "pictures": pixels, "boxes": boxes}
    replace_file(RunFolder(run).attribution_maps_file, lambda temporary: save(temporary, arrays))
    write_parquet(RunFolder(run).attributions_file, table)
    return table


@dataclass(frozen=True)
class UnseenPatient:
    """Which of a model's members did not learn from a patient, and the stage's index that these call."""

    members: tuple[int, ...]
    called: int


def unseen_patients(run: RunFolder, cohort: Cohort, model: Model) -> dict[str, UnseenPatient]:
    """By patient_id whom the run's networks have not seen: each fold's test patients, of another cohort everybody.

    Raises `RunError` where the run's figures or predictions are missing or damaged.
    """
    classes = model.staging.classes
    if run.read_metrics().cohort.fingerprint != cohort.fingerprint:
        every = tuple(range(len(model.members)))
        return {one.patient_id: UnseenPatient(every, classes.index(one.stage)) for one in model.stage(cohort)}
    predictions = run.read_predictions().filter(pl.col("split") == TEST)
    files = run.fold_models()
    found = scores_of(predictions, model.staging)
    called = dict(zip(found.patients.tolist(), found.called.tolist(), strict=True))
    fold_of = dict(predictions.select("patient_id", "fold").iter_rows())
    return {
        patient: UnseenPatient((files.index(run.model_file(fold)) if len(files) > 1 else 0,), called[patient])
        for patient, fold in fold_of.items()
    }


def save(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    """Writes named arrays of any shape [...] to a compressed .npz file."""
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def choose(cohort: Cohort, modality: str, patients: NDArray[np.int64], count: int, seed: int) -> list[ExplainedPicture]:
    """One picture each of at most `count` patients, all drawn at random; a picture with a box where there is one.

    `patients` [p] are rows of the cohort; a patient without a picture of the modality is passed over.
    """
    images, owners = cohort.images_of(modality), cohort.owners(modality)
    known = set(BOX) <= set(images.columns)
    boxes: list[Box | None] = [
        None if x is None else (x, y, w, h) for x, y, w, h in images.select(BOX).iter_rows()
    ] if known else [None] * len(images)  # fmt: skip
    rng = Draws.EXPLAINED.of(seed)
    result = []
    for patient in rng.permutation(patients):
        own = np.flatnonzero(owners == patient)
        boxed = [row for row in own if boxes[row] is not None]
        if len(own):
            row = int(rng.choice(boxed or own))
            result.append(ExplainedPicture(row, int(patient), boxes[row]))
    return result[:count]


def attributor(
    network: MMFN, modality: str, how: str, spec: Backbone, precision: str
) -> Callable[[Tensor, Tensor, int], NDArray[np.float32]]:
    """A function of a normalised picture and its bland twin [1, 3, S, S], and of a stage's index: attributions [S, S].

    Occluded pictures run in the plan's precision, as features do. Raises `PlanError` where Captum is not installed.
    """
    try:
        from captum.attr import IntegratedGradients, Occlusion
    except ImportError:
        raise PlanError("explain needs Captum: install fibrostage with its extra [explain]") from None
    stream, engine = network.head.stream(modality), make_engine(precision)
    laid_out = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def attribute(x: Tensor, baseline: Tensor, stage: int) -> NDArray[np.float32]:
        def spoken(batch: Tensor) -> Tensor:
            with engine.autocast() if how == "occlusion" else nullcontext():
                z = laid_out.pooled(modality, batch.contiguous(memory_format=torch.channels_last))
            share = stream(z)
            if share.shape[1] == 1:
                return share[:, 0]
            weights = torch.full((share.shape[1],), -1 / share.shape[1])
            weights[stage] += 1
            return share @ weights

        if how == "occlusion":
            side, step = round(PATCH * spec.size), round(STEP * spec.size)
            with torch.no_grad():
                found = Occlusion(spoken).attribute(
                    x, (3, side, side), strides=(3, step, step), baselines=baseline, perturbations_per_eval=16
                )
        else:
            found = IntegratedGradients(spoken).attribute(x, baseline, n_steps=STEPS, internal_batch_size=8)
        return found[0].sum(dim=0).detach().float().numpy()

    return attribute


def bland(images: Tensor) -> Tensor:
    """Images [n, 3, S, S] without colour, blurred by the mean over a fifth of the side."""
    grey = images.mean(dim=1, keepdim=True)
    width = 2 * round(BLUR * images.shape[-1] / 2) + 1
    blurred = F.avg_pool2d(grey, width, stride=1, padding=width // 2, count_include_pad=False)
    return blurred.expand_as(images).contiguous()


def table_of(
    cohort: Cohort, modality: str, shown: list[ExplainedPicture], called: list[int], maps: list[NDArray[np.float32]]
) -> pl.DataFrame:
    """A row for each explained picture: who it is of, the stage called, and what lies inside its box.

    `called` are indices of stages, and `maps` an attribution [S, S] a picture, S being the backbone's size.
    """
    images, classes = cohort.images_of(modality), cohort.staging.classes
    size = cohort.modality(modality).size
    shares = [
        (None, None) if one.box is None else share_inside(m, one.box, size) for one, m in zip(shown, maps, strict=True)
    ]
    return pl.DataFrame(
        {
            "image_id": [images["image_id"][one.row] for one in shown],
            "patient_id": [cohort.patient_ids[one.patient] for one in shown],
            "stage": [cohort.patients["stage"][one.patient] for one in shown],
            "called": [classes[stage] for stage in called],
            "share_inside": pl.Series([share for share, _ in shares], dtype=pl.Float64),
            "area_inside": pl.Series([area for _, area in shares], dtype=pl.Float64),
        }
    )


def share_inside(attributions: NDArray[np.floating], box: Box, size: int) -> tuple[float | None, float]:
    """The share of |attribution| inside a box given in pixels of a `size`² picture, and the box's share of the picture.

    `attributions` [S, S] may have another side than the picture. A map that is zero everywhere has no share: None.
    """
    scale = attributions.shape[0] / size
    x, y, width, height = (round(v * scale) for v in box)
    strength = np.abs(attributions.astype(np.float64))
    total = float(strength.sum())
    area = width * height / strength.size
    return (float(strength[y : y + height, x : x + width].sum()) / total if total > 0 else None), area
