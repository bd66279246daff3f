"""New exams join a loop: their pictures are pointed at, their patients may be asked about, their stages are events."""

from __future__ import annotations

from pathlib import Path

from fibrostage.campaign.campaign import Campaign
from fibrostage.cohort.joined import cut_before, join, shared_pictures
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.ground.errors import CohortError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ledger.events import Event
from fibrostage.ledger.ledger import Ledger
from fibrostage.loop.opened import Loop, found_cohort, joining, over, recorded, recuts, standing
from fibrostage.results.loop_report import JoinedExams


def add(
    out: Path, folder: Path, ledger_url: str | None = None, progress: Progress = SILENT, recut: bool = False
) -> JoinedExams:
    """Adds a cohort to a loop, or notes where one of it lies now.

    A patient who is in the loop already gets the new pictures; a stage that was not known is an answer that came by
    itself, another one than before a further reading. With `recut` its pictures take the place of those that were cut
    from the same frames before. Raises `CohortError` for a cohort that cannot join, or with `recut` has no such
    picture, and `RunError` where an item that was asked for would no longer exist; the loop is as it was then.
    """
    run, payload, added, plan = recorded(out, ledger_url)
    newcomer = open_cohort(folder)
    before = standing(added)
    prints = [each["fingerprint"] for each in before]
    moved = newcomer.fingerprint in prints
    place = prints.index(newcomer.fingerprint) if moved else len(prints)
    cohorts = [newcomer if at == place else found_cohort(each, out) for at, each in enumerate(before)]
    cohorts += [] if moved else [newcomer]
    anew = {*recuts(before), *([place] if recut else [])}
    earlier = join(cohorts[:place], plan.fused, anew) if place else None
    cut = 0 if earlier is None else len(cut_before(earlier, newcomer))
    if recut and not cut:
        raise CohortError(
            f"no picture of {folder} is cut anew from a frame that the loop had before: leave --recut, or take the "
            "same files in with the same key"
        )
    setting, names = over(cohorts, plan, payload, run, progress, anew)
    joined = setting.cohort
    with Campaign(setting, Ledger(out, ledger_url, names)) as campaign:
        event = Event("added", campaign.round, payload=joining(newcomer, out, place in anew))
        if moved or earlier is None:
            campaign.note(event)
            return JoinedExams(newcomer.name, 0, 0, len(newcomer.images), 0, moved=True, replaced=cut if recut else 0)
        news, conflicts = stages_told(Loop(campaign, names, tuple(cohorts), str(payload["loop"])), earlier, newcomer)
        campaign.note(event, *news)
    own = newcomer.images.filter(newcomer.images["modality"].is_in(list(joined.modality_names)))
    new_pictures = len(joined.images) - len(earlier.images) + (cut if recut else 0)
    return JoinedExams(
        newcomer.name,
        len(joined.patients) - len(earlier.patients),
        new_pictures,
        len(own) - new_pictures,
        len({event.payload["patient_id"] for event in news}),
        tuple(conflicts),
        tuple(" and ".join(patients) for patients in shared_pictures(cohorts).values()),
        replaced=cut if recut else 0,
        other_cuts=0 if recut else cut,
    )


def stages_told(loop: Loop, earlier: Cohort, newcomer: Cohort) -> tuple[list[Event], list[str]]:
    """The stages that a cohort brings of patients who were there before, as events; and who had another stage."""
    before = dict(zip(earlier.patient_ids, earlier.stages.tolist(), strict=True))
    tested = {loop.patient_ids[row] for row in (*loop.setting.fold.test, *loop.setting.aside)}
    campaign, classes = loop.campaign, loop.classes
    news: list[Event] = []
    conflicts: list[str] = []
    for patient_id, stage in zip(newcomer.patient_ids, newcomer.stages.tolist(), strict=True):
        if stage < 0 or patient_id not in before:
            continue
        row = loop.items.patient(patient_id)
        items = loop.items_of(row)
        known = next((loop.state.labels[item] for item in items if item in loop.state.labels), before[patient_id])
        if known == stage or not items:
            continue
        if known >= 0:
            conflicts.append(f"{patient_id}: {classes[known]} before, {classes[stage]} now")
        if patient_id in tested:
            continue
        who = f"cohort {newcomer.name}"
        told = dict.fromkeys(items, stage)
        answered = {*loop.state.labels, *loop.state.rejected}
        if known >= 0 and before[patient_id] == known and not answered & set(items):
            old = campaign.events_of(dict.fromkeys(items, known), f"cohort {earlier.name}")
            again = campaign.events_of(told, who)
            news += old + [Event("reread", e.round, e.who, e.item, e.stage, e.payload) for e in again]
        else:
            news += campaign.events_of(told, who)
    return news, conflicts
