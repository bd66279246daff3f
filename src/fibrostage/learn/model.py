"""A trained model, opened once, that stages pictures wherever they are: a cohort's, or an exam's in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
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
from fibrostage.ground.shards import RayShards
from fibrostage.ground.stage import Staging
from fibrostage.learn.checkpoint import calling_of, known_by, load_network, picture_name, told_by, training_pictures
from fibrostage.learn.contributions import Contributions, contributions_by
from fibrostage.learn.features import feature_parts, measured_features
from fibrostage.learn.known import KnownPictures
from fibrostage.learn.lacking import Member
from fibrostage.learn.learner import probabilities_by, resolve_precision
from fibrostage.learn.next_exam import next_exams
from fibrostage.learn.plan_for_cohort import check_modality
from fibrostage.learn.task import space_for
from fibrostage.learn.telling import tell
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.bags import bags_of
from fibrostage.networks.fusion import MMFN, Head
from fibrostage.networks.stream import ModalityPath
from fibrostage.plan.calibration import DecisionPlan
from fibrostage.plan.run_plan import Plan
from fibrostage.results.model_folder import check_package, digest_of, is_packaged
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.staged import NextExam, SeenPicture, Staged
from fibrostage.stats.calling import Calling, together
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
    known: tuple[KnownPictures, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan that every member was made with."""
        return self.members[0][1]

    @property
    def staging(self) -> Staging:
        return self.plan.staging.resolve()

    @cached_property
    def tellers(self) -> tuple[Member, ...]:
        """What turns each member's answers into what is told."""
        callings = self.callings or (Calling(),) * len(self.members)
        known = self.known or (KnownPictures(),) * len(self.members)
        return tuple(
            Member(network.head, calling, own.shares)
            for (network, _), calling, own in zip(self.members, callings, known, strict=True)
        )

    def stage(
        self,
        pictures: Pictures,
        progress: Progress = SILENT,
        keep: bool = True,
        asked: DecisionPlan | None = None,
        next_exam: bool = False,
        engine: RayShards | None = None,
    ) -> list[Staged]:
        """Stages every patient who has pictures that the model can use, in their order; the others are left out.
        Without `keep` nothing of the pictures stays in the cache of features. Of `asked`, coverage, predictive values
        and false alarms hold instead of the plan's. With `next_exam` it says which exam to make next (`next_exams`).
        The nodes of `engine`, where there is one, compute the features.

        Raises `PlanError` where the pictures are stored otherwise than the model was trained on, and `RunError` where
        the model gives no numbers, or is asked for the next exam and does not keep what that takes.
        """
        for modality in self.plan.modality:
            if modality.name in self.plan.pictured:
                own = Modality(modality.name, modality.kind, modality.size, modality.stored_channels, modality.fit)
                check_modality(pictures, own)
        asked = asked or self.plan.decision
        found = self._look(pictures, progress, keep, asked.false_alarms, engine)
        lacking = space_of(pictures, self.plan.fused, True).counts[found[0].rows] == 0
        sums = [one.shares.sums for one in found]
        told = tell(self.tellers, [one.probabilities for one in found], sums, lacking, asked)
        table, classes, names = told.probabilities, self.staging.classes, pictures.patient_ids
        known, pictures_of = self._trained_on(pictures), self._seen(pictures, found)
        exams = self._next_exams(sums, lacking, table) if next_exam else [None] * len(table)
        return [
            Staged(
                names[row],
                classes[int(told.called[index])],
                dict(zip(classes, table[index].tolist(), strict=True)),
                {name: sum(one.modality == name for one in seen) for name in self.plan.fused},
                self.digest,
                {name: sum(one.far for one in seen if one.modality == name) for name in self.plan.fused},
                None if known is None else row in known,
                tuple(compress(classes, told.possible[index])),
                told.rules(index, self.staging),
                self._shares(found, index),
                seen,
                next_exams=exams[index],
            )
            for index, row in enumerate(found[0].rows.tolist())
            for seen in [pictures_of.get(row, ())]
        ]

    def _shares(self, found: list[MemberAnswer], index: int) -> dict[str, float]:
        """What each modality adds for a patient on average over the members; empty where one has no mean to compare
        with."""
        if not self.known or not all(each.baseline for each in self.known):
            return {}
        return {name: float(np.mean([one.shares.patients[name][index] for one in found])) for name in self.plan.fused}

    def _next_exams(
        self, sums: list[NDArray[np.float64]], lacking: NDArray[np.bool_], table: NDArray[np.float64]
    ) -> list[tuple[NextExam, ...] | None]:
        """By patient, told the probabilities `table` [P, K], the exams of what they lack [P, M], of each member's sums
        of shares [P, outputs]. Raises `RunError` where the model keeps nothing of its training patients' shares."""
        if any(one.shares is None for one in self.tellers):
            raise RunError(
                f"the model of {self.name} does not keep what its modalities said of its training patients, which the "
                "exam to make next is told from; train it again"
            )
        decision = together(tuple(one.calling for one in self.tellers))
        return [*next_exams(self.tellers, sums, table, lacking, decision, self.plan.cost)]

    def _look(
        self, pictures: Pictures, progress: Progress, keep: bool, false_alarms: float, engine: RayShards | None
    ) -> list[MemberAnswer]:
        """What each member sees. Raises `RunError` where one gives no numbers."""
        known = self.known or (KnownPictures(),) * len(self.members)
        found = [
            look(network, plan, pictures, each, progress, keep, false_alarms, engine)
            for (network, plan), each in zip(self.members, known, strict=True)
        ]
        if not all(np.isfinite(one.probabilities).all() for one in found):
            raise RunError(f"the model of {self.name} gives probabilities that are not numbers; train it again")
        return found

    def _seen(self, pictures: Pictures, found: list[MemberAnswer]) -> dict[int, tuple[SeenPicture, ...]]:
        """By patient's row every picture that was seen: far where all members find it so."""
        result: dict[int, list[SeenPicture]] = {}
        for name in self.plan.fused:
            far = np.logical_and.reduce([one.far[name] for one in found])
            shares = np.mean([one.shares.pictures[name] for one in found], axis=0)
            told = [each for one in found if (each := one.strange[name]) is not None]
            all_know = len(told) == len(found)
            strange: list[float | None] = np.max(told, axis=0).tolist() if all_know else [None] * len(far)
            weights: list[float | None] = [None] * len(far)
            if all(one.shares.weights for one in found):
                weights = np.mean([one.shares.weights[name] for one in found], axis=0).tolist()
            for row, owner in enumerate(pictures.owners(name).tolist()):
                seen = SeenPicture(name, row, float(shares[row]), strange[row], bool(far[row]), weights[row])
                result.setdefault(owner, []).append(seen)
        return {owner: tuple(own) for owner, own in result.items()}

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


def open_model(run: Path, of_folds: bool = False) -> Model:
    """The model of a finished run, a loop's latest, or one that was handed over; `of_folds` is the one that was tested,
    also where another was fitted on everybody. Raises `RunError` where there is none, a byte of what was handed over
    has changed, or it cannot be rebuilt exactly."""
    listed = check_package(run).files if is_packaged(run) else {}
    folder = RunFolder(run)
    paths = folder.fold_models() if of_folds else folder.models()
    if not paths or not (folder.finished or folder.loop_file.is_file()):
        raise RunError(f"{run} holds no model of a finished run; make one with 'fibrostage train'")
    digest = hashlib.sha256()
    for path in paths:
        digest.update(bytes.fromhex(listed.get(path.name) or digest_of(path)))
    told = [training_pictures(path) for path in paths]
    known = None if None in told else frozenset().union(*(own for own in told if own is not None))
    networks = tuple(load_network(path) for path in paths)
    callings, pictures = tuple(map(calling_of, paths)), tuple(map(known_by, paths))
    return Model(str(run), digest.hexdigest(), networks, known, callings, pictures)


def is_simulated(model: Model) -> bool | None:
    """Whether a model was trained on simulated patients, as its run's files say; None where they do not."""
    run = RunFolder(Path(model.name))
    told = {told_by(path).get("simulated") for path in {*run.models(), *run.fold_models()}} - {None}
    return "yes" in told if told else None


@dataclass(frozen=True)
class MemberAnswer:
    """What one network sees of patients, in the order of `rows` [P]: pooled `probabilities` [P, K]; by modality which
    pictures [n] lie `far` outside what it was trained on, how `strange` they are [n] (None where it cannot tell); and
    what everything adds."""

    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    far: Mapping[str, NDArray[np.bool_]]
    strange: Mapping[str, NDArray[np.float64] | None]
    shares: Contributions


def look(
    network: MMFN,
    plan: Plan,
    pictures: Pictures,
    known: KnownPictures,
    progress: Progress,
    keep: bool = True,
    false_alarms: float = 0.01,
    engine: RayShards | None = None,
) -> MemberAnswer:
    """Looks at all patients' pictures, over at most `evaluation.candidates` candidates each. Of features only a part is
    in memory at a time."""
    head = network.head
    seen = {}
    for name in plan.fused:
        parts = input_parts(network, plan, pictures, name, progress, keep, engine)
        owners = pictures.owners(name) if plan.sees_bags else None
        seen[name] = seen_in(head, name, parts, blank_of(pictures, name), false_alarms, owners)
    tables = {name: one.table for name, one in seen.items()}
    bags = {name: one.bags for name, one in seen.items() if one.bags is not None}
    space = space_for(pictures, plan)
    usable = np.flatnonzero(space.per_patient > 0)
    ids = space.draw(usable, plan.evaluation.candidates, Draws.EVALUATED.of(plan.seed))
    rows, pooled = POOLINGS[plan.evaluation.pooling](space.patient_of(ids), probabilities_by(head, tables, space, ids))
    shares = contributions_by(head, tables, space, ids, known.baseline, bags)
    far, strange = {name: one.far for name, one in seen.items()}, {name: one.strange for name, one in seen.items()}
    return MemberAnswer(rows, pooled, far, strange, shares)


@dataclass(frozen=True)
class SeenModality:
    """The n pictures of a modality: the head's `table` of shares [n + 1, outputs], of bags [P + 1, outputs]; which lie
    `far` from those of training [n], and how `strange` they are [n], None where it cannot tell; and the `bags`
    [P, B, C] that the head saw instead of pictures, None where it did not."""

    table: Tensor
    far: NDArray[np.bool_]
    strange: NDArray[np.float64] | None
    bags: Tensor | None


def seen_in(
    head: Head,
    modality: str,
    parts: Iterable[NDArray[np.float32]],
    blank: NDArray[np.bool_],
    false_alarms: float,
    owners: NDArray[np.int64] | None = None,
) -> SeenModality:
    """What is seen of the images of a modality, given by features part by part [≤ n, C] and by which of them are
    `blank` [n]; with their `owners` [n], bag by bag, which takes all parts in memory at once."""
    stream = head.stream(modality)
    shares, far, strange, kept, low = [], [], [], [], 0
    for part in parts:
        z = torch.from_numpy(part)
        if owners is None:
            with torch.inference_mode():  # not while the next part is computed, which moves the backbone
                shares.append(stream.shares(stream.embed(z)))
        else:
            kept.append(part)
        unlike, how = unlikeness(stream, z, blank[low : low + len(z)], false_alarms)
        far.append(unlike)
        strange.append(how)
        low += len(z)
    told = [each for each in strange if each is not None]
    bags = None if owners is None else bags_of(np.concatenate(kept), owners)
    with torch.inference_mode():
        table = torch.cat([*shares, *([] if bags is None else [stream(bags)]), stream.offset[None]])
    how_strange = np.concatenate(told) if len(told) == len(strange) else None
    return SeenModality(table, np.concatenate(far), how_strange, bags)


def inputs_of(network: MMFN, plan: Plan, pictures: Pictures) -> dict[str, Tensor]:
    """By modality what the head works on, all at once: of each picture [n, C] what `input_parts` gives and raises, or
    of each patient a bag of them [P, B, C]."""
    whole = {name: np.concatenate([*input_parts(network, plan, pictures, name)]) for name in plan.fused}
    if plan.sees_bags:
        return {name: bags_of(z, pictures.owners(name)) for name, z in whole.items()}
    return {name: torch.from_numpy(z) for name, z in whole.items()}


def input_parts(
    network: MMFN,
    plan: Plan,
    pictures: Pictures,
    modality: str,
    progress: Progress = SILENT,
    keep: bool = True,
    engine: RayShards | None = None,
) -> Iterator[NDArray[np.float32]]:
    """What the head works on of a modality's pictures [≤ n, C], as it was fitted, part after part; of a table its
    values. With `keep` features stay cached; raises what `feature_parts` raises."""
    if modality not in plan.pictured:
        return iter([measured_features(pictures.measurements[modality])])
    precision = resolve_precision(plan.training.precision)
    mirror = plan.training.finetune == "head" and plan.training.mirror  # as the head was fitted
    spec, backbone = BACKBONES[plan.network.backbone], network.backbone(modality)
    return feature_parts(pictures, modality, spec, backbone, precision, progress, mirror, keep, engine)


@torch.inference_mode()
def unlikeness(
    stream: ModalityPath, z: Tensor, blank: NDArray[np.bool_], false_alarms: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
    """Which images [n] lie far from those of training, by features z [n, C], or are `blank` [n]; and how strange they
    are [n]. Of a stream without bounds only the blank ones are known."""
    if stream.bounds is None:
        return blank, None
    strange = stream.bounds.strange(z)
    far = blank | stream.bounds.far(z, false_alarms).numpy()
    return far, None if strange is None else strange.double().numpy()


def blank_of(pictures: Pictures, modality: str) -> NDArray[np.bool_]:
    """Which pictures [n] of a modality show nothing at all; none of a table's rows."""
    if modality in pictures.measurements:
        return np.zeros(len(pictures.owners(modality)), dtype=bool)
    return np.array([image.min() == image.max() for image in pictures.pixels(modality)], dtype=bool)
