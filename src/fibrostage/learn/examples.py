"""Patients whom a run called rightly and wrongly, with what each modality and picture adds and where its weight lies.

Who is shown is settled by a rule (`results.examples`). Each patient is looked at by the fold's network that had not
seen them, over the very candidates of its prediction, so that what is added up is what was said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from fibrostage.cohort.measurements import seen_by
from fibrostage.cohort.store import Cohort
from fibrostage.cohort.tables import BOX
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.contributions import Contributions, contributions
from fibrostage.learn.explain import unseen_patients
from fibrostage.learn.heat_maps import HeatMaps
from fibrostage.learn.model import Model, inputs_of, open_model
from fibrostage.learn.plan_for_cohort import check_fit
from fibrostage.learn.task import space_for
from fibrostage.results.examples import ExamplePatient, ExamplePatients, ExamplePicture, chosen_patients, write_examples
from fibrostage.results.predictions import TEST, Scores, scores_of
from fibrostage.results.run_folder import RunFolder

SHOWN = 4  # pictures of a patient: of every modality that which adds most, then those that do


@dataclass(frozen=True)
class ChosenTold:
    """What a run's networks say of chosen patients: by patient_id what modalities and pictures add."""

    model: Model
    cohort: Cohort
    found: Scores
    added: dict[str, Contributions]
    members: dict[str, int]


def explain_patients(run: Path, cohort: Cohort, pictures: int = SHOWN, progress: Progress = SILENT) -> ExamplePatients:
    """Writes examples.json and examples.npz beside a finished run's model, of its own cohort's test patients, each with
    so many pictures at most.

    Raises `RunError` where the run is not finished, is of another cohort or holds no predictions, and `PlanError` where
    Captum is not installed.
    """
    folder = RunFolder(run)
    model = open_model(run, of_folds=True)
    if not folder.predictions_file.is_file() or folder.read_metrics().cohort.fingerprint != cohort.fingerprint:
        raise RunError(
            f"examples are of the patients whom a run has tested, and {run} has not tested this cohort's; of new "
            "patients 'fibrostage predict --report --heat' makes a page each"
        )
    check_fit(cohort, model.plan)
    found = scores_of(folder.read_predictions(), model.staging)
    chosen = chosen_patients(found)
    told = told_of(folder, model, cohort, found, {str(found.patients[one.row]) for one in chosen})
    maps = HeatMaps(model)
    with progress.task("patients", len(chosen)) as advance:
        patients = []
        for one in chosen:
            patients.append(example_of(told, one.row, one.of, maps, pictures))
            advance(1)
    made = ExamplePatients(len(found), cohort.simulated, tuple(patients))
    write_examples(folder.examples_file, folder.example_pictures_file, made)
    return made


def told_of(run: RunFolder, model: Model, cohort: Cohort, found: Scores, patients: set[str]) -> ChosenTold:
    """What the networks that had not seen the `patients` say of them."""
    plan = model.plan
    seen = seen_by(cohort if plan.staging.task is None else cohort.at(plan.staging.task), plan)
    space = space_for(seen, plan)
    members = {name: one.members[0] for name, one in unseen_patients(run, seen, model).items() if name in patients}
    predictions = run.read_predictions().filter(pl.col("split") == TEST)
    fold_of = dict(predictions.select("patient_id", "fold").iter_rows())
    added: dict[str, Contributions] = {}
    for member in sorted(set(members.values())):
        network, own = model.members[member]
        features = inputs_of(network, own, seen)
        for name in sorted(name for name, at in members.items() if at == member):
            ids = predictions.filter(patient_id=name, fold=fold_of[name])["candidate"].to_numpy()
            added[name] = contributions(network.head, features, space, ids, baseline_of(model, member))
    return ChosenTold(model, seen, found, added, members)


def baseline_of(model: Model, member: int) -> dict[str, float]:
    """By modality the training patients' mean share, empty where the model does not keep it."""
    return dict(model.known[member].baseline) if model.known else {}


def example_of(told: ChosenTold, row: int, of: int, maps: HeatMaps, most: int) -> ExamplePatient:
    """One patient, of the scores' `row`, with `most` pictures at most."""
    found, classes = told.found, told.model.staging.classes
    name, called = str(found.patients[row]), int(found.called[row])
    added = told.added[name]
    counts, pictures = {}, []
    at = told.cohort.patient_ids.index(name)
    for modality in told.model.plan.fused:
        rows = np.flatnonzero(told.cohort.owners(modality) == at)
        counts[modality] = len(rows)
        if modality in told.model.plan.pictured:
            pictures += [(modality, int(each), float(added.pictures[modality][each])) for each in rows]
    shown = []
    for modality, own, share in most_telling(pictures, most):
        pixels = told.cohort.pixels(modality)[own]
        heat = maps.of_picture(modality, pixels, called, [told.members[name]])
        shown.append(ExamplePicture(modality, share, np.asarray(pixels), heat, box_of(told.cohort, modality, own)))
    probabilities = dict(zip(classes, found.probabilities[row].tolist(), strict=True))
    shares = {modality: float(values[0]) for modality, values in added.patients.items() if counts[modality]}
    return ExamplePatient(
        name, classes[int(found.stages[row])], classes[called], of, probabilities, shares, counts, tuple(shown)
    )


def most_telling(pictures: list[tuple[str, int, float]], most: int = SHOWN) -> list[tuple[str, int, float]]:
    """At most `most` of a patient's pictures (modality, row, share), modality by modality: of every modality the one
    that adds most, either way, then what adds most of the others."""
    ordered = sorted(pictures, key=lambda one: (-abs(one[2]), one[0], one[1]))
    names = list(dict.fromkeys(name for name, _, _ in pictures))
    first = [one for k, one in enumerate(ordered) if one[0] not in {name for name, _, _ in ordered[:k]}]
    kept = [*first, *(one for one in ordered if one not in first)][:most]
    return [one for name in names for one in kept if one[0] == name]


def box_of(cohort: Cohort, modality: str, row: int) -> tuple[int, int, int, int] | None:
    """A picture's box in stored pixels, None where it has none."""
    images = cohort.images_of(modality)
    if not set(BOX) <= set(images.columns):
        return None
    x, y, width, height = images.select(BOX).row(row)
    return None if x is None else (x, y, width, height)
