"""A trained model, opened once, that stages pictures wherever they are: a cohort's, or an exam's in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from fibrostage import SIMULATED
from fibrostage.cohort.pictures import Pictures, space_of
from fibrostage.cohort.store import Cohort, Modality
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import replace_file
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.stage import Staging
from fibrostage.learn.checkpoint import load_network
from fibrostage.learn.features import features_of
from fibrostage.learn.learner import probabilities_of, resolve_precision
from fibrostage.learn.plan_for_cohort import check_fit, check_modality
from fibrostage.learn.soundness import never_certain
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import MMFN, AnyStream
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder
from fibrostage.stats.poolings import POOLINGS


@dataclass(frozen=True)
class Staged:
    """What a model says of a patient: the stage called, the probability of each stage, and by which model.

    `model` is the SHA-256 of the model's files; `pictures` are how many of each modality were seen, `far` how many of
    those lie far outside what the model was trained on.
    """

    patient_id: str
    stage: str
    probabilities: dict[str, float]
    pictures: dict[str, int]
    model: str
    far: dict[str, int] = field(default_factory=dict)

    def at_or_above(self, staging: Staging, cut: str) -> float:
        """The probability of a stage at or above a cut; raises `PlanError` for a cut that is none."""
        return sum(self.probabilities[name] for name in staging.classes[staging.threshold(cut) :])


@dataclass(frozen=True)
class Model:
    """The networks of a finished run, one a fold, whose probabilities are averaged."""

    name: str
    digest: str
    members: tuple[tuple[MMFN, Plan], ...]

    @property
    def plan(self) -> Plan:
        """The plan that every member was made with."""
        return self.members[0][1]

    @property
    def staging(self) -> Staging:
        return self.plan.staging.resolve()

    def stage(self, pictures: Pictures, progress: Progress = SILENT) -> list[Staged]:
        """Stages every patient who has pictures that the model can use, in their order; the others are left out.

        Raises `PlanError` where the pictures are stored otherwise than the model was trained on, and `RunError` where
        the model gives no numbers.
        """
        for modality in self.plan.modality:
            if modality.name in self.plan.fused:
                own = Modality(modality.name, modality.kind, modality.size, modality.stored_channels, modality.fit)
                check_modality(pictures, own)
        patients, table, far = self._probabilities(pictures, progress)
        classes, names = self.staging.classes, pictures.patient_ids
        seen = {name: np.bincount(pictures.owners(name), minlength=len(names)) for name in self.plan.fused}
        return [
            Staged(
                names[row],
                classes[int(own.argmax())],
                dict(zip(classes, own.tolist(), strict=True)),
                {name: int(counts[row]) for name, counts in seen.items()},
                self.digest,
                {name: int(counts[row]) for name, counts in far.items()},
            )
            for row, own in zip(patients.tolist(), table, strict=True)
        ]

    def _probabilities(
        self, pictures: Pictures, progress: Progress
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, NDArray[np.int64]]]:
        """Patients' rows [P], the members' mean probabilities [P, K], and how many pictures of each modality of every
        patient all members find far outside."""
        found = [predict_patients(network, plan, pictures, progress) for network, plan in self.members]
        mean = np.asarray(np.sum([table for _, table, _ in found], axis=0) / len(found))
        if not np.isfinite(mean).all():
            raise RunError(f"the model of {self.name} gives probabilities that are not numbers; train it again")
        far = {}
        for name in self.plan.fused:
            agreed = np.logical_and.reduce([own[name] for *_, own in found])
            far[name] = np.bincount(pictures.owners(name)[agreed], minlength=len(pictures.patient_ids))
        return found[0][0], never_certain(mean), far


def open_model(run: Path) -> Model:
    """The model of a finished run; raises `RunError` where there is none, or it cannot be rebuilt exactly."""
    folder = RunFolder(run)
    paths = folder.models()
    if not paths or not folder.finished:
        raise RunError(f"{run} holds no model of a finished run; make one with 'fibrostage train'")
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return Model(str(run), digest.hexdigest(), tuple(load_network(path) for path in paths))


def predict_cohort(run: Path, cohort: Cohort, target: Path, progress: Progress = SILENT) -> pl.DataFrame:
    """Writes and returns patient_id, stage called, p_<class> …; patients without usable images are left out.

    Raises `RunError` where the target exists or cannot be written, or the run holds no model, and `PlanError` where
    the cohort is of other stages or otherwise stored pictures than the model.
    """
    if target.exists():
        raise RunError(f"{target} exists; choose another --out")
    if not target.parent.is_dir():
        raise RunError(f"cannot write {target}: there is no folder {target.parent}")
    model = open_model(run)
    check_fit(cohort, model.plan)
    table = staged_table(model.stage(cohort, progress), model.staging)
    if cohort.simulated:
        table = table.with_columns(origin=pl.lit(SIMULATED))
    replace_file(target, table.write_csv)
    return table


def staged_table(staged: Sequence[Staged], staging: Staging) -> pl.DataFrame:
    """One row a patient: patient_id, the stage called, p_<class> of every stage, p_ge_<cut> of being at or above each
    cut, and how many of the pictures lie far outside the training ones."""
    classes = staging.classes
    columns: dict[str, list[str] | list[float] | list[int]] = {
        "patient_id": [one.patient_id for one in staged],
        "stage": [one.stage for one in staged],
    }
    columns |= {f"p_{name}": [one.probabilities[name] for one in staged] for name in classes}
    cuts = staging.cuts if len(classes) > 2 else ()  # of two classes the second is the cut
    columns |= {f"p_ge_{cut}": [one.at_or_above(staging, cut) for one in staged] for cut in cuts}
    columns["far_outside"] = [sum(one.far.values()) for one in staged]
    return pl.DataFrame(columns)


def predict_patients(
    network: MMFN, plan: Plan, pictures: Pictures, progress: Progress
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, NDArray[np.bool_]]]:
    """Patients' rows [P] and mean probabilities [P, K] over at most `evaluation.candidates` each, and by modality which
    pictures [n] lie far outside what the network was trained on."""
    spec = BACKBONES[plan.network.backbone]
    precision = resolve_precision(plan.training.precision)
    mirror = plan.training.finetune == "head" and plan.training.mirror  # as the head was fitted
    features = {
        name: torch.from_numpy(features_of(pictures, name, spec, network.backbone(name), precision, progress, mirror))
        for name in plan.fused
    }
    space = space_of(pictures, plan.fused, plan.network.missing == "keep")
    usable = np.flatnonzero(space.per_patient > 0)
    ids = space.draw(usable, plan.evaluation.candidates, Draws.EVALUATED.of(plan.seed))
    far = {name: far_outside(network.head.stream(name), z, pictures.pixels(name)) for name, z in features.items()}
    pooled = POOLINGS[plan.evaluation.pooling](
        space.patient_of(ids), probabilities_of(network.head, features, space, ids)
    )
    return *pooled, far


def far_outside(stream: AnyStream, z: Tensor, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which images [n] lie far from those of training, by features z [n, C], or show nothing at all, by `pixels`
    [n, S, S, C]. Of a stream without bounds, which was trained with its backbone, only the latter are known."""
    blank = np.array([image.min() == image.max() for image in pixels], dtype=bool)
    return blank if stream.bounds is None else blank | np.asarray(stream.bounds.far(z).numpy())
