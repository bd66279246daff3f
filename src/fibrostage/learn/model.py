"""A trained model, opened once, that stages pictures wherever they are: a cohort's, or an exam's in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fibrostage.cohort.pictures import Pictures, space_of
from fibrostage.cohort.store import Modality
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.stage import Staging
from fibrostage.learn.checkpoint import calling_of, load_network, picture_name, training_pictures
from fibrostage.learn.features import features_of
from fibrostage.learn.learner import probabilities_of, resolve_precision
from fibrostage.learn.plan_for_cohort import check_modality
from fibrostage.learn.soundness import never_certain
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import MMFN, AnyStream
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.staged import Staged
from fibrostage.stats.calling import Calling, limits_together, together
from fibrostage.stats.conformal import possible
from fibrostage.stats.poolings import POOLINGS


@dataclass(frozen=True)
class Model:
    """The networks of a finished run, one a fold, whose probabilities are averaged, each calibrated as `callings` say.

    `trained_on` names the pictures that any of them was trained on, None where that is not known.
    """

    name: str
    digest: str
    members: tuple[tuple[MMFN, Plan], ...]
    trained_on: frozenset[str] | None = None
    callings: tuple[Calling, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan that every member was made with."""
        return self.members[0][1]

    @property
    def staging(self) -> Staging:
        return self.plan.staging.resolve()

    def stage(self, pictures: Pictures, progress: Progress = SILENT, keep: bool = True) -> list[Staged]:
        """Stages every patient who has pictures that the model can use, in their order; the others are left out.
        Without `keep` nothing of the pictures stays in the cache of features.

        Raises `PlanError` where the pictures are stored otherwise than the model was trained on, and `RunError` where
        the model gives no numbers.
        """
        for modality in self.plan.modality:
            if modality.name in self.plan.fused:
                own = Modality(modality.name, modality.kind, modality.size, modality.stored_channels, modality.fit)
                check_modality(pictures, own)
        patients, table, far = self._probabilities(pictures, progress, keep)
        classes, names = self.staging.classes, pictures.patient_ids
        seen = {name: np.bincount(pictures.owners(name), minlength=len(names)) for name in self.plan.fused}
        known, called = self._trained_on(pictures), together(self.callings)(table)
        limits = limits_together(self.callings, self.plan.decision.coverage)
        inside = np.zeros(table.shape, dtype=bool) if limits is None else possible(table, limits)
        return [
            Staged(
                names[row],
                classes[int(stage)],
                dict(zip(classes, own.tolist(), strict=True)),
                {name: int(counts[row]) for name, counts in seen.items()},
                self.digest,
                {name: int(counts[row]) for name, counts in far.items()},
                None if known is None else row in known,
                tuple(compress(classes, each)),
            )
            for row, own, stage, each in zip(patients.tolist(), table, called, inside, strict=True)
        ]

    def _trained_on(self, pictures: Pictures) -> set[int] | None:
        """The rows of patients with a picture that the model was trained on; None where that is not known."""
        if self.trained_on is None:
            return None
        return {
            int(owner)
            for name in self.plan.fused
            for owner, sha256 in zip(pictures.owners(name), pictures.picture_hashes(name), strict=True)
            if picture_name(sha256) in self.trained_on
        }

    def _probabilities(
        self, pictures: Pictures, progress: Progress, keep: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, NDArray[np.int64]]]:
        """Patients' rows [P], the members' mean probabilities [P, K], and how many pictures of each modality of every
        patient all members find far outside."""
        found = [predict_patients(network, plan, pictures, progress, keep) for network, plan in self.members]
        if not all(np.isfinite(table).all() for _, table, _ in found):
            raise RunError(f"the model of {self.name} gives probabilities that are not numbers; train it again")
        callings = self.callings or (Calling(),) * len(found)
        told = [each.probabilities(table) for each, (_, table, _) in zip(callings, found, strict=True)]
        mean = np.asarray(np.sum(told, axis=0) / len(found))
        far = {}
        for name in self.plan.fused:
            agreed = np.logical_and.reduce([own[name] for *_, own in found])
            far[name] = np.bincount(pictures.owners(name)[agreed], minlength=len(pictures.patient_ids))
        return found[0][0], never_certain(mean), far


def open_model(run: Path, of_folds: bool = False) -> Model:
    """The model of a finished run, or a loop's latest; `of_folds` is the one that was tested, also where another was
    fitted on everybody. Raises `RunError` where there is none, or it cannot be rebuilt
    exactly."""
    folder = RunFolder(run)
    paths = folder.fold_models() if of_folds else folder.models()
    if not paths or not (folder.finished or folder.loop_file.is_file()):
        raise RunError(f"{run} holds no model of a finished run; make one with 'fibrostage train'")
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    told = [training_pictures(path) for path in paths]
    known = None if None in told else frozenset().union(*(own for own in told if own is not None))
    networks = tuple(load_network(path) for path in paths)
    return Model(str(run), digest.hexdigest(), networks, known, tuple(calling_of(path) for path in paths))


def predict_patients(
    network: MMFN, plan: Plan, pictures: Pictures, progress: Progress, keep: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, NDArray[np.bool_]]]:
    """Patients' rows [P] and mean probabilities [P, K] over at most `evaluation.candidates` each, and by modality which
    pictures [n] lie far outside what the network was trained on."""
    spec = BACKBONES[plan.network.backbone]
    precision = resolve_precision(plan.training.precision)
    mirror = plan.training.finetune == "head" and plan.training.mirror  # as the head was fitted
    features = {
        name: torch.from_numpy(
            features_of(pictures, name, spec, network.backbone(name), precision, progress, mirror, keep)
        )
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
