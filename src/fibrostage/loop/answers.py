"""Answers of people: read from a CSV or a page, checked whole, and told to the loop as events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fibrostage.csv_tables.reader import CsvTable, read_csv
from fibrostage.ground.errors import IntakeError, Problems, RunError, nearest
from fibrostage.ground.files import Json
from fibrostage.ledger.events import NO_STAGE, UNUSABLE
from fibrostage.loop.opened import Loop
from fibrostage.results.loop_report import TakenAnswers

KEYS = ("item", "patient_id")
LONGEST = 2000  # signs of a comment
NOTHING: Mapping[str, Json] = {}


@dataclass(frozen=True)
class Answer:
    """What somebody says of an item, or of a patient and all that was asked of the patient: a stage, "unusable" or
    "unsure"."""

    stage: str
    item: str = ""
    patient_id: str = ""
    comment: str = ""
    where: str = ""  # a CSV's row


def read_answers(source: Path, loop: Loop, encoding: str = "utf-8") -> tuple[list[Answer], int]:
    """Answers of a CSV with `patient_id` or `item`, `stage` and perhaps `comment`; and how many rows have no stage yet.

    Raises `RunError` where the file cannot be read, lacks a column, is another loop's, or has rows of a wrong length.
    """
    problems = Problems()
    try:
        table = read_csv(source, ("stage",), problems, encoding)
    except IntakeError as error:
        raise RunError(f"cannot read the answers: {error}") from None
    if not set(KEYS) & set(table.columns):
        raise RunError(f"{source} needs a column patient_id or item; it has {', '.join(table.columns)}")
    check_is_of(table, loop)
    if len(problems):
        raise RunError(f"{source}: {problems.text()}")
    answers, blank = [], 0
    for number, row in table.rows:
        if not row["stage"]:
            blank += 1
            continue
        item, patient = row.get("item", ""), row.get("patient_id", "")
        answers.append(Answer(row["stage"], item, patient, row.get("comment", ""), f"row {number}"))
    if not answers:
        raise RunError(f"{source}: no row has a stage yet")
    return answers, blank


def check_is_of(table: CsvTable, loop: Loop) -> None:
    """Raises `RunError` where a worklist says that it is another loop's."""
    if "loop" not in table.columns:
        return
    for number, row in table.rows:
        if row["loop"] not in ("", loop.name):
            raise RunError(
                f"{table.path} row {number} is of loop {row['loop']}, this one is {loop.name}: answers go where the "
                "questions came from"
            )


def take(
    loop: Loop,
    answers: Sequence[Answer],
    who: str,
    remark: Mapping[str, Json] = NOTHING,
    repeat: bool = False,
) -> TakenAnswers:
    """Tells a loop answers of `who`, all of them or none; `remark` is what is noted beside each.

    The same answer of the same person twice is told once, unless the person was asked to `repeat` it. Raises
    `RunError` with every answer that cannot be taken: an unknown patient, item or stage, two answers to one item,
    somebody on whom the model is tested.
    """
    if not who.strip():
        raise RunError("an answer needs somebody who gave it: --by NAME")
    problems: list[str] = []
    told: dict[int, int] = {}
    remarks: dict[int, dict[str, Json]] = {}
    for answer in answers:
        try:
            items, stage = items_meant(loop, answer), stage_meant(loop, answer.stage)
        except RunError as error:
            problems.append(f"{answer.where}: {error}" if answer.where else str(error))
            continue
        for item in items:
            if told.get(item, stage) != stage:
                problems.append(f"{answer.where or 'an answer'}: a second, different answer to {loop.text(item)!r}")
            told[item] = stage
            remarks[item] = {**remark, **({"comment": answer.comment[:LONGEST]} if answer.comment else {})}
            if stage == UNUSABLE:
                remarks[item]["reason"] = answer.stage.lower()
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise RunError(f"nothing was stored: {'; '.join(problems[:5])}{more}")
    new = {
        item: stage
        for item, stage in told.items()
        if repeat or not said_before(loop, item, stage, who, str(remarks[item].get("reason", "")))
    }
    events = loop.campaign.events_of(new, who, remarks)
    state = loop.campaign.note(*events)
    kinds = Counter(event.kind for event in events)
    reasons = Counter(event.payload.get("reason") for event in events)
    return TakenAnswers(
        asked=kinds["labelled"] + kinds["rejected"],
        unasked=kinds["volunteered"],
        again=kinds["reread"],
        repeated=len(told) - len(new),
        unusable=reasons["unusable"],
        unsure=reasons["unsure"],
        disputed=tuple(loop.text(item) for item in state.disputed),
        waiting=len(state.pending),
    )


def items_meant(loop: Loop, answer: Answer) -> list[int]:
    """The items that an answer is about: the one it names, or what was asked of the patient, or else the patient's.

    Raises `RunError` where it names none that there is, or an item of another patient.
    """
    state = loop.state
    if answer.item:
        known = {loop.text(item): item for item in (*state.pending, *state.readings)}
        found = known.get(answer.item)
        if found is None and loop.units.whole_patient and answer.item in loop.patient_ids:
            return items_meant(loop, Answer(answer.stage, patient_id=answer.item))
        if found is None:
            raise RunError(f"item {answer.item!r}{nearest(answer.item, list(known))} was never asked for in this loop")
        if answer.patient_id and loop.patient_id(found) != answer.patient_id:
            raise RunError(f"item {answer.item!r} is of patient {loop.patient_id(found)!r}, not {answer.patient_id!r}")
        return [found]
    if not answer.patient_id:
        raise RunError("neither an item nor a patient is named")
    if answer.patient_id not in loop.patient_ids:
        near = nearest(answer.patient_id, loop.patient_ids)
        raise RunError(f"no cohort of this loop has a patient {answer.patient_id!r}{near}")
    row = loop.items.patient(answer.patient_id)
    asked = [item for item in state.pending if int(loop.units.patient_of(item)) == row]
    read = [item for item in state.readings if int(loop.units.patient_of(item)) == row]
    found_items = asked or read or loop.items_of(row)
    if not found_items:
        modalities = " and ".join(loop.setting.plan.fused)
        raise RunError(f"patient {answer.patient_id!r} has no picture of {modalities}: there is nothing to stage")
    return found_items


def stage_meant(loop: Loop, text: str) -> int:
    """A stage's index, or `UNUSABLE`; raises `RunError` for what is neither."""
    if text.lower() in NO_STAGE:
        return UNUSABLE
    if text not in loop.classes:
        allowed = ", ".join((*loop.classes, *NO_STAGE))
        raise RunError(f"stage {text!r}{nearest(text, loop.classes)}; allowed are {allowed}")
    return loop.classes.index(text)


def said_before(loop: Loop, item: int, stage: int, who: str, reason: str) -> bool:
    """Whether this person's latest reading of an item says the same."""
    own = [reading for reading in loop.state.readings.get(item, ()) if reading.who == who]
    if not own:
        return False
    return own[-1].stage == stage and own[-1].reason == reason


def withdraw(loop: Loop, key: str, who: str, reason: str) -> int:
    """Takes back every answer to an item, or about a patient; they may be asked for again. Returns how many.

    Raises `RunError` where there is none.
    """
    answered = {*loop.state.labels, *loop.state.rejected}
    items = [item for item in answered if key in (loop.text(item), loop.patient_id(item))]
    if not items:
        known = sorted({loop.patient_id(item) for item in answered})
        raise RunError(f"{key!r}{nearest(key, known)} has no answer to withdraw")
    for item in items:
        loop.campaign.withdraw(item, who, reason)
    return len(items)


def settle(loop: Loop, key: str, stage: str, who: str) -> int:
    """Says which stage stands for an item, or for everything that a patient was read on. Returns how many.

    Raises `RunError` where nothing was read, or the stage is none.
    """
    meant = stage_meant(loop, stage)
    read = [item for item in loop.state.readings if key in (loop.text(item), loop.patient_id(item))]
    if not read:
        known = sorted({loop.patient_id(item) for item in loop.state.readings})
        raise RunError(f"{key!r}{nearest(key, known)} has no reading to settle")
    disputed = [item for item in read if item in loop.state.disputed] or read
    for item in disputed:
        loop.campaign.settle(item, meant, who)
    return len(disputed)
