"""Fine-tuning the backbones: each batch's unique images go through their backbone once, candidates gather.

"all" trains everything; "last" trains the backbone's last blocks and leaves the rest, batch statistics
included, as it was. What is kept at the end is an exponential average of the weights over steps, which is
worth more than early stopping when there are no patients to spare for it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrostage.cohort.store import Cohort
from fibrostage.ground.draws import Draws
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.best_epoch import BestEpoch
from fibrostage.learn.engine import make_engine, seeded
from fibrostage.learn.fit_head import Examples, class_weights, fused_loss, unique_rows
from fibrostage.learn.images import apply, as_tensor, draw, draw_mirror, mirror, normalise
from fibrostage.learn.soundness import check_loss
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.fusion import MMFN
from fibrostage.plan.training import TrainingPlan


@dataclass(frozen=True)
class PixelSource:
    """Where a batch's pixels come from: one cohort's modalities, and what the backbone wants of them."""

    cohort: Cohort
    modalities: tuple[str, ...]
    spec: Backbone
    mirror_only: bool = False

    def images(self, modality: str, rows: NDArray[np.int64], rng: np.random.Generator | None) -> Tensor:
        """Normalised images [b, 3, S, S] of the given rows [b]; changed at random when a generator is given."""
        images = as_tensor(self.cohort.pixels(modality)[rows], self.spec)
        if rng is not None:
            if self.mirror_only:
                images = mirror(images, draw_mirror(len(rows), rng))
            else:
                images = apply(images, draw(len(rows), self.cohort.modality(modality).kind, rng))
        return normalise(images, self.spec)

    def pooled(self, network: MMFN, modality: str, rows: NDArray[np.int64], rng: np.random.Generator | None) -> Tensor:
        """Pooled features z [b, C] of the images `rows` [b], with gradients.

        The images are changed at random when a generator is given.
        """
        device = next(network.parameters()).device
        return network.pooled(modality, self.images(modality, rows, rng).to(device))


class Source(Protocol):
    """What a fit needs of pictures: pixels, or maps at the freeze boundary."""

    @property
    def cohort(self) -> Cohort: ...

    @property
    def spec(self) -> Backbone: ...

    def pooled(self, network: MMFN, modality: str, rows: NDArray[np.int64], rng: np.random.Generator | None) -> Tensor:
        """Pooled features z [b, C] of the images `rows` [b], with gradients.

        The images are changed at random when a generator is given.
        """
        ...


def epoch_batches(
    rows: NDArray[np.int64],
    patients: NDArray[np.int64],
    batch: int,
    together: int,
    rng: np.random.Generator,
    every: bool = False,
) -> list[NDArray[np.int64]]:
    """One epoch: batches of candidates [b] in which every image of every modality occurs, or with `every` each
    candidate once.

    `rows` [n, M] are all candidates' image rows and `patients` [n] whose they are; a batch holds positions in them.
    Going through all pairs would show each of 5 elastograms 21 times for one look at each of 21 B-mode frames.
    About `batch` candidates are drawn for a batch, `together` of one patient; then every labelled candidate whose
    images are all in the batch joins it, at no cost but a sum: 4 together are 16 pairs of 8 images.
    """
    order = rng.permutation(len(rows))
    if every:
        return np.array_split(order, -(-len(order) // batch))
    first = [np.unique(rows[order, column], return_index=True)[1] for column in range(rows.shape[1])]
    cover = order[np.unique(np.concatenate(first))]
    if together > 1:
        by_patient = cover[np.argsort(patients[cover], kind="stable")]
        starts = np.flatnonzero(np.append(True, np.diff(patients[by_patient])))
        groups = [
            own[low : low + together]
            for own in np.split(by_patient, starts[1:])
            for low in range(0, len(own), together)
        ]
        cover = np.concatenate([groups[k] for k in rng.permutation(len(groups))])
    batches = np.array_split(cover, -(-len(cover) // batch))
    return batches if together == 1 else [joined(rows, part) for part in batches]


def joined(rows: NDArray[np.int64], part: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions, ascending, of every candidate all of whose images are among those of the candidates `part` [b].

    `rows` [n, M] are all candidates' image rows; −1, an absent image, counts as any other.
    """
    inside = np.ones(len(rows), dtype=bool)
    for column in range(rows.shape[1]):
        inside &= np.isin(rows[:, column], rows[part, column])
    return np.flatnonzero(inside)


def patients_of(cohort: Cohort, modalities: tuple[str, ...], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The patient row [n] of each candidate, from any image it has.

    `rows` [n, M] are image rows within each modality, −1 where absent.
    """
    patients = np.full(len(rows), -1, dtype=np.int64)
    for column, name in enumerate(modalities):
        present = rows[:, column] >= 0
        patients[present] = cohort.owners(name)[rows[present, column]]
    return patients


def trainable_names(network: nn.Module, spec: Backbone, finetune: str) -> set[str]:
    """Names of a backbone's modules that train: every one for "all", those under spec.last for "last"."""
    if finetune == "all":
        return {name for name, _ in network.named_modules()}
    return {
        name
        for name, _ in network.named_modules()
        if any(name == prefix or name.startswith(prefix + ".") for prefix in spec.last)
    }


def set_training(network: MMFN, spec: Backbone, finetune: str) -> None:
    """Training mode and gradients for what trains, evaluation mode and none for the rest."""
    network.train()
    for backbone in network.backbones.values():
        backbone.eval()
        names = trainable_names(backbone, spec, finetune)
        for name, module in backbone.named_modules():
            if name in names:
                module.training = True
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(name in names)


class WeightAverage:
    """Exponential moving average of a network's weights, warmed up so that early steps are soon forgotten."""

    def __init__(self, network: MMFN, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.average = copy.deepcopy(network).eval()
        learns = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        counted = {name for name, _ in network.named_buffers()}  # batch statistics
        own, averaged = network.state_dict(), self.average.state_dict()
        moving = [name for name in own if name in learns or name in counted]
        self.smooth = [(averaged[name], own[name]) for name in moving if own[name].dtype.is_floating_point]
        self.whole = [(averaged[name], own[name]) for name in moving if not own[name].dtype.is_floating_point]

    @torch.no_grad()
    def update(self) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        average, current = zip(*self.smooth, strict=True)
        torch._foreach_lerp_(average, current, 1 - decay)
        for kept, now in self.whole:
            kept.copy_(now)


def fit_whole(
    network: MMFN,
    source: Source,
    examples: Examples,
    plan: TrainingPlan,
    seed: int,
    validation: Examples | None = None,
    progress: Progress = SILENT,
    noted: Callable[[dict[str, float]], None] | None = None,
) -> tuple[MMFN, list[dict[str, float]]]:
    """Fine-tunes; returns the averaged network (the best epoch's with validation) and a record an epoch, each `noted`
    as soon as there is one."""
    engine = make_engine(plan.precision)
    rng = Draws.NETWORK_FIT.of(seed)
    patients = patients_of(source.cohort, network.head.modalities, examples.rows)
    every = plan.cover == "candidates"
    epochs = [epoch_batches(examples.rows, patients, plan.batch, plan.together, rng, every) for _ in range(plan.epochs)]
    set_training(network, source.spec, plan.finetune)
    optimiser, schedule = make_optimiser(network, plan, sum(map(len, epochs)))
    network = network.to(engine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network, optimiser = engine.prepare(network, optimiser)
    inner: MMFN = engine.unwrap_model(network)
    averaged = WeightAverage(inner, plan.average)
    weights = class_weights(examples.stages, inner.head.classes, plan.class_weights)
    if weights is not None:
        weights = weights.to(engine.device)
    history: list[dict[str, float]] = []
    best = BestEpoch(plan.patience, averaged.average)
    with seeded(seed), progress.task("fine-tuning", sum(map(len, epochs))) as advance:
        for epoch, batches in enumerate(epochs):
            total = 0.0
            for part in batches:
                batch = Examples(examples.rows[part], examples.stages[part])
                changes = rng if plan.augment else None
                with engine.autocast():
                    loss = batch_loss(inner, source, batch, changes, rng, weights, plan)
                optimiser.zero_grad()
                engine.backward(loss)
                optimiser.step()
                schedule.step()
                averaged.update()
                total += float(loss.detach()) * len(part)
                advance(1)
            check_loss(total / sum(map(len, batches)), epoch)
            record = {"epoch": epoch, "loss": total / sum(map(len, batches))}
            if validation is not None:
                record["validation_loss"] = validation_loss(averaged.average, source, validation, plan)
                best.offer(record["validation_loss"], lambda: copy.deepcopy(averaged.average))
            history.append(record)
            if noted is not None:
                noted(record)
            if best.exhausted:
                break
    return best.kept.cpu().eval(), history


def make_optimiser(
    network: MMFN, plan: TrainingPlan, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The plan's optimiser, with one rate for the backbones and one for the head, and their course over `steps`."""
    backbone = [p for p in network.backbones.parameters() if p.requires_grad]
    groups = [
        {"params": backbone, "lr": plan.backbone_lr},
        {"params": list(network.head.parameters()), "lr": plan.head_lr},
    ]
    optimiser: torch.optim.Optimizer
    if plan.optimiser == "sgd":
        optimiser = torch.optim.SGD(groups, momentum=plan.momentum, weight_decay=plan.weight_decay)
    else:
        optimiser = torch.optim.AdamW(groups, weight_decay=plan.weight_decay, fused=True)
    if plan.schedule == "constant":
        return optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    rates = [plan.backbone_lr, plan.head_lr]
    cycles = plan.optimiser == "adamw"  # SGD keeps the momentum that its plan says
    return optimiser, torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rates, total_steps=max(2, steps), cycle_momentum=cycles
    )


def batch_loss(
    network: MMFN,
    source: Source,
    batch: Examples,
    changes: np.random.Generator | None,
    dropout: np.random.Generator | None,
    weights: Tensor | None,
    plan: TrainingPlan,
) -> Tensor:
    """The loss of a batch of candidates, a scalar; each unique image goes through its backbone once.

    `changes` draws the pictures' random changes and `dropout` the masks, neither where it is None; `weights` [K] are of
    the true stage.
    """
    device = next(network.parameters()).device
    images, local = unique_rows(batch.rows)
    features = {}
    for modality, rows in zip(network.head.modalities, images, strict=True):
        if len(rows):
            features[modality] = source.pooled(network, modality, rows, changes)
        else:
            features[modality] = torch.empty((0, source.spec.features), device=device)
    tables = network.head.tables({k: v.float() for k, v in features.items()}, dropout)
    stages = torch.from_numpy(batch.stages).to(device)
    local_rows = torch.from_numpy(local).to(device)
    return fused_loss(network.head, tables, local_rows, stages, weights, plan.stream_loss, plan.loss)


@torch.inference_mode()
def validation_loss(network: MMFN, source: Source, examples: Examples, plan: TrainingPlan) -> float:
    """The mean loss of the fused logits, without dropout, random changes, weights or the streams' own losses."""
    total = 0.0
    alone = plan.model_copy(update={"stream_loss": 0.0})
    for start in range(0, len(examples), plan.batch):
        part = slice(start, start + plan.batch)
        batch = Examples(examples.rows[part], examples.stages[part])
        loss = batch_loss(network, source, batch, None, None, None, alone)
        total += float(loss) * len(batch)
    return total / len(examples)
