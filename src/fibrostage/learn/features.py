"""Pooled backbone features, one vector per unique image, cached on disk.

A feature depends on the weights, the preprocessing and the pixels, and on nothing else; the cache key is their
hash, so a changed weight or picture is another file and nothing is ever invalidated by hand. Files are written
to a temporary name and renamed: two processes at once do the work twice and agree.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fibrostage.cohort.joined import JoinedCohort
from fibrostage.cohort.pictures import Pictures
from fibrostage.cohort.store import TABLE
from fibrostage.ground.cache import cache_file, cache_folder, cached
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.engine import make_engine
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.learn.soundness import check_features
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.weights import weights_hash

BATCH = 16


def cache_key(
    pictures: Pictures, modality: str, spec: Backbone, network_hash: str, precision: str, mirror: bool = False
) -> str:
    parts = (
        "features-2" if mirror else "features-1",
        network_hash,
        spec.name,
        str((spec.size, spec.mean, spec.std)),
        precision,
        "cuda" if torch.cuda.is_available() else "cpu",
        pictures.pixel_digest(modality),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def features_of(
    pictures: Pictures,
    modality: str,
    spec: Backbone,
    backbone: nn.Module,
    precision: str = "float32",
    progress: Progress = SILENT,
    mirror: bool = False,
    keep: bool = True,
) -> NDArray[np.float32]:
    """z [n, C] of every image of a modality, from the cache, or computed and, with `keep`, cached; of a table its
    values and which of them are missing.

    With `mirror`, the mean of the image's and its mirror image's. Raises `RunError` where the backbone gives no
    numbers, or the same for every image.
    """
    if name_is_table(pictures, modality):
        return measured_features(pictures.measurements[modality])
    key = cache_key(pictures, modality, spec, weights_hash(backbone), precision, mirror)
    path = cache_folder() / "features" / f"{key}.npy"
    found = cached(path, lambda file: np.asarray(np.load(file), dtype=np.float32))
    if found is not None:
        return found
    if isinstance(pictures, JoinedCohort):
        return of_each_join(pictures, modality, spec, backbone, precision, progress, mirror)
    features = extract(pictures.pixels(modality), spec, backbone, precision, progress, modality, mirror)
    check_features(features, pictures.pixels(modality), modality, spec.name)
    if keep:
        store(path, features)
    return features


def name_is_table(pictures: Pictures, modality: str) -> bool:
    """Whether a modality is a table of measurements."""
    return pictures.modality(modality).kind == TABLE


def measured_features(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """z [n, 2 C] of measurements [n, C]: the values, NaN where missing, and beside each a 1 where it is."""
    return np.concatenate([values, np.isnan(values).astype(np.float32)], axis=1)


def of_each_join(
    cohort: JoinedCohort,
    modality: str,
    spec: Backbone,
    backbone: nn.Module,
    precision: str,
    progress: Progress,
    mirror: bool,
) -> NDArray[np.float32]:
    """z [n, C] from those of the cohorts that joined, each cached by itself: only newcomers are computed."""
    parts, rows = cohort.origin(modality)
    result = np.empty((len(rows), spec.features), dtype=np.float32)
    for number in np.unique(parts):
        here = parts == number
        own = features_of(cohort.joins[number], modality, spec, backbone, precision, progress, mirror)
        result[here] = own[rows[here]]
    return result


def extract(
    pixels: NDArray[np.uint8],
    spec: Backbone,
    backbone: nn.Module,
    precision: str,
    progress: Progress = SILENT,
    label: str = "images",
    mirror: bool = False,
) -> NDArray[np.float32]:
    """z = GAP(backbone(x)) [n, C] for stored pixels [n, H, W, C]; the backbone in evaluation mode."""
    engine = make_engine(precision)
    network = backbone.to(engine.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    result = np.empty((len(pixels), spec.features), dtype=np.float32)
    with (
        progress.task(f"features of {label}", len(pixels)) as advance,
        torch.inference_mode(),
        engine.autocast(),
    ):
        for start in range(0, len(pixels), BATCH):
            images = as_tensor(pixels[start : start + BATCH], spec).to(engine.device)
            z = network(normalise(images, spec)).float().mean(dim=(2, 3))
            if mirror:
                z = (z + network(normalise(images.flip(3), spec)).float().mean(dim=(2, 3))) / 2
            result[start : start + len(images)] = z.cpu().numpy()
            advance(len(images))
    return result


def store(path: Path, features: NDArray[np.float32]) -> None:
    """Writes features [n, C] to their cache file; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError), cache_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, features)
