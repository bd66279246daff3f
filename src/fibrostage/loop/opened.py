"""A loop's folder opened for work: the cohorts that joined as one, the plan it was begun with, its campaign and names.

    LOOP/ loop.json  plan.json  ledger.sqlite (or ledger.json)  state-R.safetensors  model.safetensors
          reserve-R.parquet

Pictures stay in the cohorts' folders. Which cohorts they are stands in the ledger.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.campaign.campaign import Campaign
from fibrostage.campaign.item_names import CohortItems
from fibrostage.campaign.reserve import Reserve, reserve
from fibrostage.campaign.setting import NOBODY, CampaignSetting, setting_of, untested, without_stage
from fibrostage.cohort.joined import JoinedCohort, join
from fibrostage.cohort.splits import Fold
from fibrostage.cohort.store import Cohort, open_cohort, taken_in_with
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import CohortError, PlanError, RunError
from fibrostage.ground.files import write_json
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.task import Task, make_task, set_aside
from fibrostage.ledger.events import Event
from fibrostage.ledger.ledger import Ledger, read_events
from fibrostage.ledger.names import NAMED, item_text
from fibrostage.ledger.state import State
from fibrostage.plan.commands import LOOP, digest
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder

USUAL: dict[str, dict[str, object]] = {  # of a loop, where the plan does not say them
    "active": {"unit": "patient", "initial": 10, "query": 10},
}


@dataclass
class Loop:
    """A loop at work; it holds its ledger until `leave`."""

    campaign: Campaign
    items: CohortItems
    cohorts: tuple[Cohort, ...]
    name: str
    _texts: dict[int, str] = field(default_factory=dict)

    @property
    def setting(self) -> CampaignSetting:
        return self.campaign.setting

    @property
    def state(self) -> State:
        return self.campaign.state

    @property
    def units(self) -> QueryUnit:
        return self.setting.units

    @property
    def classes(self) -> tuple[str, ...]:
        return self.setting.cohort.staging.classes

    def text(self, item: int) -> str:
        """What people call an item."""
        if item not in self._texts:
            self._texts[item] = item_text(self.items.name(item))
        return self._texts[item]

    @cached_property
    def patient_ids(self) -> list[str]:
        return self.setting.cohort.patient_ids

    def patient_id(self, item: int) -> str:
        """The patient whom an item is of."""
        return self.patient_ids[int(self.units.patient_of(item))]

    def items_of(self, patient: int) -> list[int]:
        """The items of a patient (row) that an answer about the patient is an answer to, where none was asked for: the
        patient, every picture, or some of the combinations, every picture among them."""
        low, high = int(self.units.offsets[patient]), int(self.units.offsets[patient + 1])
        if self.units.scored_alone:  # combinations
            plan, space = self.setting.plan, self.setting.task.space
            return space.draw([patient], plan.training.candidates_a_patient, Draws.EXAMPLES.of(plan.seed)).tolist()
        return list(range(low, high))

    def leave(self) -> None:
        """Lets go of the ledger; the loop can be opened again."""
        self.campaign.leave()

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


def begin(
    cohort: Path,
    out: Path,
    data: Mapping[str, object] | None = None,
    overrides: Sequence[str] = (),
    source: str = "plan",
    ledger_url: str | None = None,
    progress: Progress = SILENT,
) -> Loop:
    """Begins a loop over a cohort in a new folder `out`.

    Raises `RunError` where there is something at `out` already, `CohortError` for a folder that is no cohort, and
    `PlanError` for a plan that cannot be followed, or where nobody is without a stage.
    """
    run = RunFolder(out)
    run.check_free()
    opened = open_cohort(cohort)
    plan = plan_for(opened, usual_under(data or {}), overrides, source, LOOP)
    if plan.staging.task is not None:
        raise PlanError("staging.task is not for a loop: readers give stages; give the cut to 'train' afterwards")
    refuse_tables(plan)
    joined = join([opened], plan.fused)
    tests, aside = division(joined, plan)
    payload = {
        NAMED: True,
        "loop": uuid.uuid4().hex[:8],
        "plan": digest(plan, LOOP),
        "unit": plan.active.unit,
        "classes": list(joined.staging.classes),
        "fold": "0.0",
        "tests": [joined.patient_ids[row] for row in tests],
        "aside": [joined.patient_ids[row] for row in aside],
    }
    setting = setting_for(joined, plan, payload, run, progress)
    if not len(setting.askable):
        raise PlanError(
            f"cohort {opened.name!r} has no patient without a stage who has pictures of {' and '.join(plan.fused)}: "
            "there is nobody to ask about; 'fibrostage active' plays back what is known"
        )
    run.make()
    run.write_plan(plan.model_dump(mode="json"))
    run.write_intake(taken_in_with(opened))
    write_json(run.loop_file, {"loop": str(payload["loop"]), "cohort": opened.name})
    names = CohortItems(joined, setting.units)
    ledger = Ledger(out, ledger_url, names)
    try:
        ledger.append(Event("opened", -1, payload=payload), Event("added", -1, payload=joining(opened, out)))
        return Loop(Campaign(setting, ledger), names, (opened,), str(payload["loop"]))
    except BaseException:
        ledger.close()
        raise


def open_loop(out: Path, ledger_url: str | None = None, progress: Progress = SILENT) -> Loop:
    """Opens a loop's folder. Raises `RunError` where it is none, is in use, or its plan was changed, and `CohortError`
    where a cohort of it is gone or is another one now."""
    run, payload, added, plan = recorded(out, ledger_url)
    cohorts, setting, names = over_added(out, added, plan, payload, run, progress)
    ledger = Ledger(out, ledger_url, names)
    if len(ledger.state().cohorts) != len(added):
        ledger.close()
        raise RunError(f"a cohort joined {out} this moment; call again")
    return Loop(Campaign(setting, ledger), names, cohorts, str(payload["loop"]))


def recorded(out: Path, ledger_url: str | None) -> tuple[RunFolder, dict[str, Any], list[dict[str, Any]], Plan]:
    """What a loop's folder says before a cohort is opened: what it was begun with, the cohorts that joined, its plan.

    Raises `RunError` where it is no loop's, or the plan is not what it was begun with.
    """
    run = RunFolder(out)
    if not run.begun:
        raise RunError(f"{out} is no loop: it holds no {run.plan_file.name}; begin one with 'fibrostage loop new'")
    events = read_events(out, ledger_url)
    payload = next((event.payload for event in events if event.kind == "opened"), {})
    if not payload.get(NAMED):
        raise RunError(f"{out} is a run of 'active' and no loop; begin one with 'fibrostage loop new'")
    plan = Plan.parse(run.read_plan(), source=str(run.plan_file))
    if digest(plan, LOOP) != payload["plan"]:
        raise RunError(
            f"{run.plan_file} was changed since the loop was begun; put it back, or begin another loop and bring the "
            f"answers along: fibrostage loop export {out} --out answers.csv"
        )
    return run, payload, [event.payload for event in events if event.kind == "added"], plan


def usual_under(data: Mapping[str, object]) -> dict[str, object]:
    """A plan's data over what is usual for a loop."""
    content = dict(data)
    for section, usual in USUAL.items():
        own = content.get(section, {})
        if isinstance(own, dict):
            kept = {key: value for key, value in usual.items() if not (key in ("initial", "query") and "shares" in own)}
            content[section] = {**kept, **own}
    return content


def refuse_tables(plan: Plan) -> None:
    """Raises `PlanError` where a loop would fuse measurements: people are asked about pictures."""
    tables = [name for name in plan.fused if name not in plan.pictured]
    if tables:
        raise PlanError(
            f"network.modalities fuses the table {tables[0]!r}; a loop shows pictures to people and fits on them "
            "alone: leave it out, or use 'active', which plays back what is known"
        )


def division(cohort: Cohort, plan: Plan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of the patients with a stage who test [n] and who validate [m]; nobody, where all of them train.

    It is drawn once, when a loop is begun: who joins later trains.
    """
    if plan.loop.known == "train":
        return NOBODY, NOBODY
    if plan.loop.known == "test":
        return untested(cohort, plan)[1].train, NOBODY
    try:
        task = make_task(cohort, plan)
    except CohortError as error:
        raise PlanError(f'loop.known = "split": {error}; leave it "train"') from None
    if plan.active.fold >= len(task.folds):
        raise PlanError(f"active.fold = {plan.active.fold}, but the split has {len(task.folds)} folds")
    fold = task.folds[plan.active.fold]
    return fold.test, set_aside(task, fold)


def setting_for(
    cohort: Cohort, plan: Plan, payload: Mapping[str, Any], run: RunFolder, progress: Progress
) -> CampaignSetting:
    """The fixed parts of a loop's campaign over the cohorts that have joined by now."""
    task, everybody = untested(cohort, plan)
    row = {name: number for number, name in enumerate(cohort.patient_ids)}
    tests = np.sort(np.array([row[name] for name in payload["tests"]], dtype=np.int64))
    aside = np.sort(np.array([row[name] for name in payload["aside"]], dtype=np.int64))
    train = np.setdiff1d(everybody.train, tests)
    fold = Fold(0, 0, train, tests)
    task = Task(task.cohort, plan, task.space, [fold])
    askable = without_stage(task)
    setting = setting_of(task, fold, askable, np.setdiff1d(train, aside), aside, run, progress)
    return replace(setting, endless=True, reserve=reserve_of(task, askable))


def over(
    cohorts: Sequence[Cohort],
    plan: Plan,
    payload: Mapping[str, Any],
    run: RunFolder,
    progress: Progress = SILENT,
    recut: Collection[int] = (),
) -> tuple[CampaignSetting, CohortItems]:
    """A loop's setting over cohorts that join, and the names of its items; `recut` are those, by number, whose pictures
    take the place of earlier cuts. Raises `CohortError` as `join` does."""
    setting = setting_for(join(cohorts, plan.fused, recut), plan, payload, run, progress)
    return setting, CohortItems(setting.cohort, setting.units)


def over_added(
    out: Path,
    added: Sequence[Mapping[str, Any]],
    plan: Plan,
    payload: Mapping[str, Any],
    run: RunFolder,
    progress: Progress = SILENT,
) -> tuple[tuple[Cohort, ...], CampaignSetting, CohortItems]:
    """The cohorts that joined a loop, its setting over them, and the names of its items; raises `CohortError` where a
    cohort is gone, or is another one now."""
    stand = standing(added)
    cohorts = tuple(found_cohort(each, out) for each in stand)
    return cohorts, *over(cohorts, plan, payload, run, progress, recuts(stand))


def reserve_of(task: Task, askable: NDArray[np.int64]) -> Reserve:
    """Who is kept for audits; those patients came when the network could first see them."""
    plan, cohort = task.plan, task.cohort
    return reserve(cohort.patient_ids, askable, arrivals_of(cohort, plan), plan.loop.audit, plan.seed)


def arrivals_of(cohort: Cohort, plan: Plan) -> NDArray[np.int64]:
    """With which cohort each patient [patients] came: the first that has pictures by which the network can see them."""
    patients = len(cohort.patients)
    if not isinstance(cohort, JoinedCohort):
        return np.zeros(patients, dtype=np.int64)
    row = {patient_id: number for number, patient_id in enumerate(cohort.patient_ids)}
    first = np.full((patients, len(plan.fused)), len(cohort.joins), dtype=np.int64)
    for number, came in reversed(list(enumerate(cohort.joins))):
        for column, name in enumerate(plan.fused):
            seen = came.images_of(name)["patient_id"].unique() if name in came.modality_names else ()
            first[[row[patient_id] for patient_id in seen], column] = number
    return first.min(axis=1) if plan.network.missing == "keep" else first.max(axis=1)


def joining(cohort: Cohort, out: Path, recut: bool = False) -> dict[str, Any]:
    """What the ledger notes of a cohort that joins: where it lies from the loop's folder, its name and fingerprint, and
    whether its pictures take the place of earlier cuts."""
    where = str(cohort.path.resolve())
    with suppress(ValueError):  # another drive
        where = os.path.relpath(where, out.resolve())
    noted = {"path": where, "name": cohort.name, "fingerprint": cohort.fingerprint}
    return noted | {"recut": True} if recut else noted


def standing(added: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The cohorts that joined, in that order, each where it was last said to lie."""
    latest: dict[str, Mapping[str, Any]] = {}
    for each in added:
        latest[each["fingerprint"]] = each
    return list(latest.values())


def recuts(stand: Sequence[Mapping[str, Any]]) -> list[int]:
    """Which of the cohorts that joined, by number, brought pictures to take the place of earlier cuts."""
    return [number for number, each in enumerate(stand) if each.get("recut")]


def found_cohort(each: Mapping[str, Any], out: Path) -> Cohort:
    """A cohort that joined; raises `CohortError` where it is gone, or is another one now."""
    path = Path(os.path.normpath(out.resolve() / each["path"]))
    follow = f"where it lies elsewhere now: fibrostage loop add {out} FOLDER"
    try:
        cohort = open_cohort(path)
    except CohortError as error:
        raise CohortError(f"{error}; {follow}") from None
    if cohort.fingerprint != each["fingerprint"]:
        raise CohortError(f"{path} is another cohort than the one that joined the loop, {each['name']!r}; {follow}")
    return cohort
