"""Training the last blocks from cached maps: what lies before the freeze boundary is computed once for ever.

The front of the backbone does not change when only its last blocks are trained, so its maps are kept on disk,
of every image and of its mirror image, and a fit never sees a pixel. What is given up are the random moves and
grey levels of a fit on pixels: docs/results.md says what that costs. The cache is keyed as features are, by the
front's weights, the preprocessing and the pixels.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrostage.cohort.parts import new_array
from fibrostage.cohort.store import Cohort
from fibrostage.ground.cache import cache_file, cache_folder, cached
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.engine import make_engine
from fibrostage.learn.features import BATCH, cache_key
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.fusion import MMFN
from fibrostage.networks.weights import weights_hash

VIEWS = 2  # an image, and its mirror image


@dataclass
class BoundarySource:
    """Where a batch's maps come from, as `fit_whole` asks; `maps[m]` is [n, 2, C, h, w], memory-mapped."""

    cohort: Cohort
    spec: Backbone
    maps: dict[str, NDArray[np.float16]] = field(default_factory=dict)

    def pooled(self, network: MMFN, modality: str, rows: NDArray[np.int64], rng: np.random.Generator | None) -> Tensor:
        """Pooled features z [n, C] of the images `rows` [n], with gradients in what lies behind the boundary.

        Each image is mirrored or not at random when a generator is given, and never without one.
        """
        mirror = np.zeros(len(rows), dtype=np.int64) if rng is None else rng.integers(0, VIEWS, len(rows))
        maps = torch.from_numpy(self.maps[modality][rows, mirror]).float()
        device = next(network.parameters()).device
        return network.pooled_from_boundary(modality, maps.to(device, memory_format=torch.channels_last))


def boundary_source(
    cohort: Cohort,
    modalities: tuple[str, ...],
    spec: Backbone,
    backbone: nn.Module,
    precision: str,
    progress: Progress = SILENT,
) -> BoundarySource:
    """The maps of every image of some modalities, from the cache or computed and cached."""
    source = BoundarySource(cohort, spec)
    for name in modalities:
        source.maps[name] = maps_of(cohort, name, spec, backbone, precision, progress)
    return source


def maps_of(
    cohort: Cohort, modality: str, spec: Backbone, backbone: nn.Module, precision: str, progress: Progress
) -> NDArray[np.float16]:
    """The maps of every image of a modality and of its mirror image [n, 2, C, h, w], from the cache or computed.

    They are float16 and memory-mapped. Raises `RunError` where maps that are not there cannot be computed or kept.
    """
    front = weights_hash(backbone, spec.last)
    key = hashlib.sha256(
        ("boundary-1" + cache_key(cohort.pixel_digest(modality), spec, front, precision)).encode()
    ).hexdigest()
    path = cache_folder() / "boundary" / f"{key}.npy"
    found = cached(path, lambda file: np.load(file, mmap_mode="r"))
    if found is not None:
        return found
    compute(cohort.pixels(modality), spec, backbone, precision, path, progress, modality)
    return np.load(path, mmap_mode="r")


def compute(
    pixels: NDArray[np.uint8],
    spec: Backbone,
    backbone: nn.Module,
    precision: str,
    path: Path,
    progress: Progress,
    label: str,
) -> None:
    """Writes the maps of images and their mirror images [n, 2, C, h, w] float16 to a cache file, whole or not at all.

    `pixels` [n, H, W, C] are as stored; `label` names them in messages. Raises `RunError` where a map exceeds half
    precision, where the disk has too little room, or where the file cannot be written.
    """
    engine = make_engine(precision)
    network = backbone.to(engine.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def front(part: NDArray[np.uint8], mirrored: bool) -> NDArray[np.float16]:
        images = as_tensor(part, spec).to(engine.device)
        images = normalise(images.flip(3) if mirrored else images, spec)
        with torch.inference_mode(), engine.autocast():
            maps = network.front(images).half()
        if not torch.isfinite(maps).all():
            raise RunError(
                f"the maps of {label} at the freeze boundary exceed half precision; give training.boundary = false"
            )
        return maps.cpu().numpy()

    shape = front(pixels[:1], False).shape[1:]
    needed = len(pixels) * VIEWS * int(np.prod(shape)) * 2
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < needed + 2**28:
            raise RunError(
                f"the maps of {label} at the freeze boundary need {needed / 2**30:.1f} GiB in {path.parent}, which "
                f"has {free / 2**30:.1f} GiB free; name another folder in $FIBROSTAGE_CACHE, or give "
                "training.boundary = false"
            )
        with cache_file(path) as temporary:
            table = new_array(temporary, (len(pixels), VIEWS, *shape), np.float16)
            with progress.task(f"maps of {label}", len(pixels)) as advance:
                for low in range(0, len(pixels), BATCH):
                    part = pixels[low : low + BATCH]
                    for view in range(VIEWS):
                        table[low : low + len(part), view] = front(part, bool(view))
                    advance(len(part))
            del table
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from None
