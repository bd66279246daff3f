"""Pooled backbone features, one vector per unique image, cached on disk.

A feature depends on the weights, the preprocessing and the pixels, and on nothing else; the cache key is their
hash, so a changed weight or picture is another file and nothing is ever invalidated by hand. Files are written
to a temporary name and renamed: two processes at once do the work twice and agree. Of many pictures there are several
files, each of so many in their order, so that memory does not grow with their number (`feature_parts`), and what was
computed before a stop is not computed again. A Ray cluster computes them in shards that are whole batches: what is
batched together is the same, so the features are.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fibrostage.cohort.joined import JoinedCohort
from fibrostage.cohort.parts import open_pixels
from fibrostage.cohort.pictures import Pictures
from fibrostage.cohort.store import TABLE, Cohort, joined_digest
from fibrostage.ground.cache import cache_file, cache_folder, cached
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.shards import RayShards, check_seen
from fibrostage.learn.engine import make_engine
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.learn.soundness import check_features
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.weights import weights_hash

BATCH = 16
SHARD = 16 * BATCH  # pictures that a node is given at once: whole batches
PART = 64 * SHARD  # pictures of one file of the cache: whole shards


def cache_key(
    pixels: str, spec: Backbone, network_hash: str, precision: str, mirror: bool = False, gpu: bool | None = None
) -> str:
    """What names the features of pictures, whose `pixels` are named by their digest; with `gpu` computed on one, which
    is otherwise known by whether there is one here."""
    parts = (
        "features-2" if mirror else "features-1",
        network_hash,
        spec.name,
        str((spec.size, spec.mean, spec.std)),
        precision,
        "cuda" if (torch.cuda.is_available() if gpu is None else gpu) else "cpu",
        pixels,
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
    engine: RayShards | None = None,
) -> NDArray[np.float32]:
    """z [n, C] of every image of a modality, all at once: what `feature_parts` gives and raises."""
    parts = [*feature_parts(pictures, modality, spec, backbone, precision, progress, mirror, keep, engine)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def feature_parts(
    pictures: Pictures,
    modality: str,
    spec: Backbone,
    backbone: nn.Module,
    precision: str = "float32",
    progress: Progress = SILENT,
    mirror: bool = False,
    keep: bool = True,
    engine: RayShards | None = None,
) -> Iterator[NDArray[np.float32]]:
    """z [≤ PART, C] of the images of a modality, part after part, from the cache, or computed (on the nodes of
    `engine`, where there is one) and, with `keep`, cached; of a table its values and which of them are missing.

    With `mirror`, the mean of the image's and its mirror image's. Raises `RunError` where the backbone gives no
    numbers, or the same for every image of a part.
    """
    if name_is_table(pictures, modality):
        yield measured_features(pictures.measurements[modality])
        return
    hashes, gpu = pictures.picture_hashes(modality), None if engine is None else engine.gpus > 0
    named = weights_hash(backbone), precision, mirror, gpu
    whole = cached(file_of(cache_key(joined_digest(hashes), spec, *named)), read_features)
    if whole is not None:
        yield whole
        return
    if isinstance(pictures, JoinedCohort):
        yield of_each_join(pictures, modality, spec, backbone, precision, progress, mirror, engine)
        return
    pixels = pictures.pixels(modality)
    for low in range(0, max(1, len(hashes)), PART):
        rows = range(low, min(low + PART, len(hashes)))
        path = file_of(cache_key(joined_digest(hashes[rows.start : rows.stop]), spec, *named))
        features = cached(path, read_features)
        if features is None:
            if engine is not None and isinstance(pictures, Cohort):
                there = ShardExtractor(pictures.path.absolute(), modality, spec, backbone, precision, mirror)
                features = extract_there(there, engine, rows, progress)
            else:
                features = extract(pixels, spec, backbone, precision, progress, modality, mirror, rows)
            check_features(features, pixels, modality, spec.name, low)
            if keep:
                store(path, features)
        yield features


def file_of(key: str) -> Path:
    """Where features lie in the cache."""
    return cache_folder() / "features" / f"{key}.npy"


def read_features(path: Path) -> NDArray[np.float32]:
    """Features [n, C] of a cache file. Raises `ValueError` or `OSError` where it is damaged."""
    return np.asarray(np.load(path), dtype=np.float32)


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
    engine: RayShards | None = None,
) -> NDArray[np.float32]:
    """z [n, C] from those of the cohorts that joined, each cached by itself: only newcomers are computed."""
    parts, rows = cohort.origin(modality)
    result = np.empty((len(rows), spec.features), dtype=np.float32)
    for number in np.unique(parts):
        here = parts == number
        join = cohort.joins[number]
        own = features_of(join, modality, spec, backbone, precision, progress, mirror, engine=engine)
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
    rows: range | None = None,
) -> NDArray[np.float32]:
    """z = GAP(backbone(x)) [n, C] for stored pixels [n, H, W, C], or for n `rows` of more of them; no more than a batch
    is read at a time. The backbone is in evaluation mode."""
    rows = range(len(pixels)) if rows is None else rows
    engine = make_engine(precision)
    network = backbone.to(engine.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    result = np.empty((len(rows), spec.features), dtype=np.float32)
    with (
        progress.task(f"features of {label}", len(rows)) as advance,
        torch.inference_mode(),
        engine.autocast(),
    ):
        for start in range(0, len(rows), BATCH):
            own = rows[start : start + BATCH]
            images = as_tensor(pixels[own.start : own.stop], spec).to(engine.device)
            z = network(normalise(images, spec)).float().mean(dim=(2, 3))
            if mirror:
                z = (z + network(normalise(images.flip(3), spec)).float().mean(dim=(2, 3))) / 2
            result[start : start + len(images)] = z.cpu().numpy()
            advance(len(images))
    return result


@dataclass(frozen=True)
class ShardExtractor:
    """Features of ranges of a cohort's pictures on a node, which must see the cohort's `folder`."""

    folder: Path
    modality: str
    spec: Backbone
    backbone: nn.Module
    precision: str
    mirror: bool

    def __call__(self, ranges: Sequence[range]) -> list[NDArray[np.float32]]:
        """z [n, C] of each range of n pictures. Raises `RunError` where this node does not see the cohort."""
        check_seen(self.folder)
        pixels, how = open_pixels(self.folder, self.modality), (self.spec, self.backbone, self.precision)
        return [extract(pixels, *how, mirror=self.mirror, rows=own) for own in ranges]

    def lost(self, own: range, late: float | None) -> NDArray[np.float32]:
        """Raises `RunError`: pictures that end each worker are nobody's fault but the workers'."""
        raise RunError(
            f"features of {self.modality}: whatever node computes pictures {own.start} to {own.stop - 1} dies; has it "
            "enough memory?"
        )


def extract_there(work: ShardExtractor, engine: RayShards, rows: range, progress: Progress) -> NDArray[np.float32]:
    """z [n, C] of some rows of a cohort's pictures, computed by a cluster in shards of whole batches."""
    ranges = [range(low, min(low + SHARD, rows.stop)) for low in range(rows.start, rows.stop, SHARD)]
    result = np.empty((len(rows), work.spec.features), dtype=np.float32)
    with progress.task(f"features of {work.modality}", len(rows)) as advance:
        for own, z in zip(ranges, engine(work, ranges, 1, work.lost), strict=True):
            result[own.start - rows.start : own.stop - rows.start] = z
            advance(len(own))
    return result


def store(path: Path, features: NDArray[np.float32]) -> None:
    """Writes features [n, C] to their cache file; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError), cache_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, features)
