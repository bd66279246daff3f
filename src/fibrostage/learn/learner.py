"""A learner fits an MMFN on labelled candidates as a plan says, and then predicts any candidate.

Two kinds share one face: `FrozenLearner` on cached features, `FinetuneLearner` on pixels. After a fit both hold
a head and per-image features, so that predicting, scoring a pool and Monte-Carlo dropout are the same code, and
all of them are sums of per-image tables.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.shards import RayShards
from fibrostage.learn.boundary_cache import BoundarySource, boundary_source
from fibrostage.learn.engine import multiplies_bfloat16
from fibrostage.learn.features import feature_parts, features_of
from fibrostage.learn.fit_head import Examples, fit_frozen
from fibrostage.learn.fit_network import PixelSource, fit_whole
from fibrostage.learn.fitted_features import FittedFeatures
from fibrostage.learn.projection import Projection, fit_projection, fold
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.bags import bags_of
from fibrostage.networks.fusion import MMFN, Head, make_head, slot
from fibrostage.networks.weights import backbone_of, weights_hash
from fibrostage.plan.run_plan import Plan
from fibrostage.plan.training import TrainingPlan

Noted = Callable[[dict[str, float]], None]  # is given the record of each epoch
BLOCK = 65_536  # candidates at once: bounds the memory of a prediction


class Learner(Protocol):
    """What training, prediction and active learning need of a model."""

    space: CandidateSpace

    @property
    def head(self) -> Head:
        """Everything after the backbones, as it was last fitted."""
        ...

    @property
    def features(self) -> Mapping[str, Tensor]:
        """The head's inputs by modality, [n_m, C_m]: a row for each of the n_m images of the modality; where the plan
        sees bags, [n_m, B, C_m]: a bag for each of the n_m patients who have any."""
        ...

    def features_of(self, patients: NDArray[np.int64]) -> Mapping[str, Tensor]:
        """As `features`, where those of the images of `patients` [q] are enough: others may be NaN."""
        ...

    def fit(
        self,
        examples: Examples,
        seed: int,
        validation: Examples | None = None,
        epochs: int | None = None,
        noted: Noted | None = None,
    ) -> list[dict[str, float]]:
        """Fits on examples and returns a record an epoch; `epochs` stands in for the plan's number where it is given.

        Each record is `noted` as soon as there is one. With validation the best epoch is kept.
        """
        ...

    def network(self) -> MMFN:
        """Returns the fitted network, backbones and head, as it works on raw images."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Returns everything that a fit changes, by parameter name, each in its parameter's shape [...]."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Puts back what `state` returned, by parameter name, each in its parameter's shape [...]."""
        ...


def make_learner(
    cohort: Cohort,
    plan: Plan,
    space: CandidateSpace,
    pool: NDArray[np.int64],
    seed: int,
    progress: Progress = SILENT,
) -> Learner:
    """Makes the learner that a plan asks for, its head's first weights drawn with `seed`.

    `pool` [p] are the rows of the patients whose images, labels unseen, may shape the projection of frozen features.
    Raises `PlanError` where none of them has an image of a modality and the backbone stays frozen.
    """
    if plan.training.finetune == "head":
        return FrozenLearner(cohort, plan, space, pool, seed, progress)
    return FinetuneLearner(cohort, plan, space, pool, seed, progress)


def seeded_head(cohort: Cohort, plan: Plan, features: Mapping[str, int], seed: int) -> Head:
    """Makes the head of a plan, its first weights drawn with `seed`; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make_head(plan.network, plan.fused, features, len(cohort.staging.classes))


KEPT = 16  # backbones and projected features of the last runs of a process: a study's workers meet them again
_BACKBONES: dict[tuple[object, ...], nn.Module] = {}
_PROJECTED: dict[tuple[object, ...], tuple[Projection, Tensor]] = {}


def frozen_backbone(plan: Plan) -> nn.Module:
    """The plan's backbone, which nobody changes; one from a file is read again, as files may change."""
    if plan.network.weights not in ("imagenet", "random"):
        return backbone_of(plan.network, plan.seed)
    published = plan.network.weights == "imagenet" and plan.network.load == "whole"
    content = None if plan.network.source is None else plan.network.source.sha256
    key = (plan.network.backbone, plan.network.weights, content, plan.network.load, 0 if published else plan.seed)
    return remembered(_BACKBONES, key, lambda: backbone_of(plan.network, plan.seed))


def compute_ahead(cohort: Cohort, plan: Plan, engine: RayShards, progress: Progress = SILENT) -> None:
    """Has a cluster compute the features that a plan's frozen backbone needs into the cache, a part in memory at a
    time. Raises `PlanError` where the backbone is trained, as its features are others after each step, and where nodes
    would compute with GPUs and this machine without, or the other way round, as it would not take theirs for its own.
    """
    if plan.training.finetune != "head":
        raise PlanError(
            f'--engine ray computes features of a frozen backbone; training.finetune = "{plan.training.finetune}" '
            "trains it, on this machine"
        )
    if (engine.gpus > 0) != torch.cuda.is_available():
        here = "none" if engine.gpus else "one"
        raise PlanError(
            f"--gpus {engine.gpus:g}, and this machine has {here}: features of a GPU differ in their last digits, and "
            "the fit would compute its own; give this command on a machine like the nodes"
        )
    spec, backbone = BACKBONES[plan.network.backbone], frozen_backbone(plan)
    how = (spec, backbone, resolve_precision(plan.training.precision), progress, plan.training.mirror)
    for name in plan.pictured:
        for _ in feature_parts(cohort, name, *how, engine=engine):
            pass  # each is in the cache


def projected(
    cohort: Cohort, plan: Plan, name: str, backbone: nn.Module, own: NDArray[np.bool_], progress: Progress
) -> tuple[Projection, Tensor]:
    """Fits a projection on the images of a modality that `own` [n] marks; returns it and every image projected, [n, P].

    P is at most the plan's number of components. What was computed last in this process is remembered.
    """
    training = plan.training
    precision = resolve_precision(training.precision)
    weights = weights_hash(backbone)
    key = (
        cohort.fingerprint,
        name,
        plan.network.backbone,
        weights,
        precision,
        training.mirror,
        training.components,
        own.tobytes(),
        cohort.pixel_digest(name) if name in cohort.measurements else "",
    )

    def compute() -> tuple[Projection, Tensor]:
        spec = BACKBONES[plan.network.backbone]
        z = features_of(cohort, name, spec, backbone, precision, progress, training.mirror)
        projection = fit_projection(z[own], training.components, cohort.owners(name)[own])
        return projection, torch.from_numpy(projection(z))

    return remembered(_PROJECTED, key, compute)


T = TypeVar("T")


def remembered(kept: dict[tuple[object, ...], T], key: tuple[object, ...], compute: Callable[[], T]) -> T:
    """Returns what is kept under a key, or computes and keeps it; beyond `KEPT` the oldest is dropped."""
    if key not in kept:
        while len(kept) >= KEPT:
            del kept[next(iter(kept))]
        kept[key] = compute()
    return kept[key]


class FrozenLearner:
    """A head on cached features of a frozen backbone, in projected coordinates."""

    def __init__(
        self,
        cohort: Cohort,
        plan: Plan,
        space: CandidateSpace,
        pool: NDArray[np.int64],
        seed: int,
        progress: Progress = SILENT,
    ) -> None:
        self.plan, self.space = plan, space
        self.backbone = frozen_backbone(plan)
        self.projections: dict[str, Projection] = {}
        self.features: dict[str, Tensor] = {}
        for name in plan.fused:
            own = np.isin(cohort.owners(name), pool)
            if not own.any():
                what = "value" if name in cohort.measurements else "image"
                raise PlanError(
                    f"no training patient has a {name} {what}; leave it out of network.modalities or split otherwise"
                )
            self.projections[name], z = projected(cohort, plan, name, self.backbone, own, progress)
            self.features[name] = bags_of(z.numpy(), cohort.owners(name)) if plan.sees_bags else z
        widths = {name: table.shape[-1] for name, table in self.features.items()}
        self.head = seeded_head(cohort, plan, widths, seed)

    def features_of(self, patients: NDArray[np.int64]) -> Mapping[str, Tensor]:
        """As `features`, which are all there."""
        return self.features

    def fit(
        self,
        examples: Examples,
        seed: int,
        validation: Examples | None = None,
        epochs: int | None = None,
        noted: Noted | None = None,
    ) -> list[dict[str, float]]:
        """Fits the head in place and returns a record an epoch; the backbone stays as it is.

        `epochs` stands in for the plan's number where it is given. With validation the best epoch is kept.
        """
        training = lasting(self.plan.training, epochs)
        return fit_frozen(self.head, self.features, examples, training, seed, validation, noted)

    def network(self) -> MMFN:
        """The fitted network on raw images: the projection folded into each stream's reduction."""
        head = copy.deepcopy(self.head)
        for name in head.modalities:
            head.streams[slot(name)] = fold(head.stream(name), self.projections[name])
        return MMFN(dict.fromkeys(self.plan.pictured[:1], self.backbone), head, share=True)

    def state(self) -> dict[str, Tensor]:
        """Returns the head's tensors by parameter name, each in its parameter's shape [...]; the rest never changes."""
        return dict(self.head.state_dict())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Puts a head's tensors back, by parameter name, each in its parameter's shape [...]."""
        self.head.load_state_dict(dict(state))


class FinetuneLearner:
    """Backbones and head trained on pixels; features are recomputed after every fit."""

    def __init__(
        self,
        cohort: Cohort,
        plan: Plan,
        space: CandidateSpace,
        pool: NDArray[np.int64],
        seed: int,
        progress: Progress = SILENT,
    ) -> None:
        self.plan, self.space, self.progress = plan, space, progress
        self.spec = BACKBONES[plan.network.backbone]
        names = plan.fused[:1] if plan.network.share_backbone else plan.fused
        backbones = {name: backbone_of(plan.network, plan.seed) for name in names}
        self.spec = self.spec.behind(plan.training.blocks, *backbones.values())
        head = seeded_head(cohort, plan, dict.fromkeys(plan.fused, self.spec.features), seed)
        self._network = MMFN(backbones, head, plan.network.share_backbone)
        self.source: PixelSource | BoundarySource = PixelSource(
            cohort, plan.fused, self.spec, plan.training.augment == "mirror"
        )
        precision = resolve_precision(plan.training.precision)
        if plan.training.finetune == "last" and plan.training.boundary:
            backbone = next(iter(backbones.values()))  # all begin from the same weights
            self.source = boundary_source(cohort, plan.fused, self.spec, backbone, precision, progress)
        self._features = FittedFeatures(cohort, plan.fused, pool, precision, progress)

    @property
    def head(self) -> Head:
        """Everything after the backbones, as it was last fitted."""
        return self._network.head

    @property
    def features(self) -> Mapping[str, Tensor]:
        """Pooled features by modality, [n_m, C], of its n_m images under the network as it now is.

        They are computed on first use after a fit or a restore.
        """
        return self._features.of(self._network, self.source)

    def features_of(self, patients: NDArray[np.int64]) -> Mapping[str, Tensor]:
        """As `features`, computed for the images of `patients` [q]; NaN where nothing was needed yet."""
        return self._features.of(self._network, self.source, patients)

    def fit(
        self,
        examples: Examples,
        seed: int,
        validation: Examples | None = None,
        epochs: int | None = None,
        noted: Noted | None = None,
    ) -> list[dict[str, float]]:
        """Fits backbones and head on pixels and returns a record an epoch; features are computed anew afterwards.

        `epochs` stands in for the plan's number where it is given. With validation the best epoch is kept.
        """
        self._network, history = fit_whole(
            self._network,
            self.source,
            examples,
            lasting(self.plan.training, epochs),
            seed,
            validation,
            self.progress,
            noted,
        )
        self._features.forget()
        return history

    def network(self) -> MMFN:
        """Returns the network itself, not a copy."""
        return self._network

    def state(self) -> dict[str, Tensor]:
        """Returns the tensors of backbones and head by parameter name, each in its parameter's shape [...]."""
        return dict(self._network.state_dict())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Puts back the tensors of backbones and head, by parameter name, each in its parameter's shape [...].

        Features are computed anew afterwards.
        """
        self._network.load_state_dict(dict(state))
        self._features.forget()


def lasting(training: TrainingPlan, epochs: int | None) -> TrainingPlan:
    """Returns a training plan with another number of epochs, or unchanged where `epochs` is None."""
    return training if epochs is None else training.model_copy(update={"epochs": epochs})


def state_hash(learner: Learner) -> str:
    """A hash of everything a learner has fitted."""
    digest = hashlib.sha256()
    for key, tensor in sorted(learner.state().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def resolve_precision(precision: str) -> str:
    """ "auto" made definite, so that a feature cache says what it holds."""
    if precision != "auto":
        return precision
    return "bfloat16" if multiplies_bfloat16() else "float32"


def predict(learner: Learner, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Probabilities [n, K] of candidates, without dropout."""
    features = learner.features_of(np.unique(learner.space.patient_of(ids)))
    return probabilities_of(learner.head, features, learner.space, ids)


@torch.inference_mode()
def probabilities_of(
    head: Head, features: Mapping[str, Tensor], space: CandidateSpace, ids: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Probabilities [n, K] of candidates from per-image features, block by block."""
    return probabilities_by(head, head.tables(features), space, ids)


@torch.inference_mode()
def probabilities_by(
    head: Head, tables: Mapping[str, Tensor], space: CandidateSpace, ids: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Probabilities [n, K] of candidates from the head's tables of shares [n_m + 1, outputs], block by block."""
    return np.concatenate([probabilities_of_rows(head, tables, space.decode(part)) for part in blocks_of(ids)])


@torch.inference_mode()
def probabilities_of_rows(head: Head, tables: Mapping[str, Tensor], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Probabilities [n, K] of image rows [n, M], −1 where one is absent."""
    return head.fuse(tables, torch.from_numpy(rows)).softmax(-1).numpy()


def blocks_of(ids: NDArray[np.int64], size: int = BLOCK) -> list[NDArray[np.int64]]:
    """Cuts candidates' numbers [n] into parts of at most `size`, [≤ size] each, in order; none make one empty part."""
    return [ids[start : start + size] for start in range(0, max(1, len(ids)), size)]
