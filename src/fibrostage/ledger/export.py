"""Labels and events carried out of a ledger and into another: JSON lines of everything, CSV of the answers."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.active.query_units import Units
from fibrostage.campaign.archive import UNUSABLE
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ledger.events import Event, fold, sound_part
from fibrostage.ledger.ledger import FILE, LOCK, NAME, Ledger, Store, check_has_ledger, read_events
from fibrostage.results.run_folder import replace_file, write_text

HEADER = ("unit", "item", "patient_id", "answer", "stage", "round", "who", "at")


@dataclass(frozen=True)
class Carried:
    """Answers brought from another ledger, as items and stages (`UNUSABLE` for rejected)."""

    items: NDArray[np.int64]
    stages: NDArray[np.int64]
    who: str

    def digest(self) -> str:
        """What the ledger of the new run remembers it by."""
        return hashlib.sha256(self.items.tobytes() + self.stages.tobytes()).hexdigest()[:32]

    def check_patients(self, units: Units, pool: NDArray[np.int64], patient_ids: Sequence[str]) -> None:
        """Raises `PlanError` for labels of patients whom the new run tests or validates on."""
        owners = units.patient_of(self.items)
        outside = np.unique(owners[~np.isin(owners, pool)])
        if len(outside):
            raise PlanError(
                f"{len(outside)} patients of the carried labels, the first {patient_ids[int(outside[0])]!r}, are not "
                "in this run's pool: it tests or validates on them; give it the split and seed the labels come from"
            )

    def answers(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        known = dict(zip(self.items.tolist(), self.stages.tolist(), strict=True))
        return np.array([known[item] for item in items.tolist()], dtype=np.int64)


def export(folder: Path, target: Path, url: str | None = None) -> tuple[int, bool]:
    """Writes a ledger's events (.jsonl) or answers (.csv); returns how many, and whether the ledger is sound.

    Of a damaged ledger, everything before the damage is written.
    """
    if target.suffix not in (".jsonl", ".csv"):
        raise RunError(f"{target}: a ledger is exported as .jsonl (every event) or .csv (the answers)")
    if target.exists():
        raise RunError(f"{target} exists; choose another --out")
    check_has_ledger(folder)
    events, sound = readable_events(folder, url)
    if not events:
        raise RunError(f"nothing can be read from the ledger of {folder}")
    if target.suffix == ".jsonl":
        text = "".join(json.dumps(asdict(event), ensure_ascii=False) + "\n" for event in events)
        count = len(events)
    else:
        rows = answer_rows(events)
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows([HEADER, *rows])
        text, count = buffer.getvalue(), len(rows)
    replace_file(target, lambda temporary: write_text(temporary, text))
    return count, sound


def readable_events(folder: Path, url: str | None) -> tuple[list[Event], bool]:
    store = Store(folder, url)
    try:
        try:
            events = store.read()
        except RunError:
            return store.salvage(), False
        sound = sound_part(events)
        return sound, len(sound) == len(events)
    finally:
        store.close()


def answer_rows(events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """The answers that stand: a withdrawn label is left out."""
    state = fold(events)
    opened = state.opened or {}
    last = {event.item: event for event in events if event.kind in ("labelled", "rejected")}
    rows = []
    for item, event in last.items():
        if item not in state.labels and item not in state.rejected:
            continue
        stage = "" if event.stage is None else opened["classes"][event.stage]
        patient = event.payload["patient_id"]
        rows.append((opened["unit"], item, patient, event.kind, stage, event.round, event.who, event.at))
    return rows


def summary(events: Sequence[Event]) -> dict[str, Any]:
    """Where a run stands, round by round."""
    state = fold(events)
    opened = state.opened or {}
    answered = {round_: [0, 0] for round_ in range(state.last_round + 1)}
    for round_ in state.label_rounds.values():
        answered[round_][0] += 1
    for round_ in state.rejected.values():
        answered[round_][1] += 1
    times = {event.round: event.at for event in events if event.kind == "issued"}
    rounds = [
        {
            "round": query["round"],
            "at": times[query["round"]],
            "strategy": query["strategy"],
            "model": query["model"],
            "asked": len(query["items"]),
            "labelled": answered[query["round"]][0],
            "rejected": answered[query["round"]][1],
            "closed": query["round"] < len(state.closed),
        }
        for query in state.issued
    ]
    return {
        "unit": opened.get("unit"),
        "events": len(events),
        "labels": len(state.labels),
        "rejected": len(state.rejected),
        "pending": len(state.pending),
        "stopped": state.stopped,
        "who": sorted({event.who for event in events}),
        "rounds": rounds,
    }


def restore_events(source: Path, folder: Path, url: str | None = None) -> int:
    """Makes a run's ledger anew from exported events; a damaged ledger file is kept beside it. Returns how many."""
    events = read_jsonl(source)
    sound = sound_part(events)
    if len(sound) < len(events):
        raise RunError(f"{source} line {len(sound) + 1} is not as it was exported")
    fold(sound)
    if not (folder / "plan.json").is_file():
        raise RunError(f"{folder} is not a run's folder: it holds no plan.json")
    set_aside_damaged(folder, url)
    ledger = Ledger(folder, url)
    try:
        if ledger.state().opened is not None:
            raise RunError(f"the ledger of {folder} is sound and has events; nothing was imported")
        ledger.store.write(sound)
    finally:
        ledger.close()
    return len(sound)


def can_go_on(folder: Path, url: str | None = None) -> bool:
    """Whether the model of the last closed round is still there, without which a run cannot be resumed."""
    closed = len(fold(read_events(folder, url)).closed)
    return closed == 0 or (folder / f"state-{closed - 1}.safetensors").is_file()


def set_aside_damaged(folder: Path, url: str | None) -> None:
    """Renames a ledger that cannot be followed, with the files that belong to it; in PostgreSQL the run gets a new
    name and the old events stay."""
    if not (folder / FILE).is_file() and not (folder / NAME).is_file():
        return
    try:
        Ledger(folder, url).close()
        return
    except RunError as error:
        if "in use" in str(error):
            raise
    for path in sorted([*folder.glob(f"{FILE}*"), *folder.glob(NAME)]):
        if ".damaged" not in path.name:
            path.rename(free_name(path))
    (folder / LOCK).unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """NAME.damaged, or the first NAME.damaged-2, -3 … that is free."""
    names = [f"{path.name}.damaged", *(f"{path.name}.damaged-{k}" for k in range(2, 100))]
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())


def read_jsonl(source: Path) -> list[Event]:
    events = []
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot read {source}: {error}") from None
    for number, line in enumerate(lines, 1):
        try:
            events.append(Event(**json.loads(line)))
        except (ValueError, TypeError):
            raise RunError(f"{source} line {number} is not an event of a ledger") from None
    if not events:
        raise RunError(f"{source} holds no events")
    return events


def carry(source: Path, units: Units, patient_ids: Sequence[str], classes: Sequence[str]) -> Carried:
    """Labels of an exported CSV for this cohort's items; every row that does not fit is named."""
    try:
        table = pl.read_csv(source, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PlanError(f"cannot read the labels {source}: {error}") from None
    missing = [name for name in ("unit", "item", "patient_id", "answer", "stage") if name not in table.columns]
    if missing:
        raise PlanError(f"{source} lacks the column {missing[0]!r}; it needs {', '.join(HEADER[:5])}")
    items, stages, wrong = [], [], []
    for number, row in enumerate(table.iter_rows(named=True), 2):
        problem = row_problem(row, units, patient_ids, classes)
        if problem:
            wrong.append(f"row {number}: {problem}")
            continue
        items.append(int(row["item"]))
        stages.append(UNUSABLE if row["answer"] == "rejected" else classes.index(row["stage"]))
    if len(set(items)) != len(items):
        wrong.append("an item occurs twice")
    if wrong or not items:
        raise PlanError(f"{source}: " + ("; ".join(wrong[:5]) if wrong else "no labels in it"))
    return Carried(np.array(items, dtype=np.int64), np.array(stages, dtype=np.int64), f"carried from {source.name}")


def row_problem(row: dict[str, str], units: Units, patient_ids: Sequence[str], classes: Sequence[str]) -> str | None:
    if row["unit"] != units.kind:
        return f"a label of a {row['unit']}; this run asks for a {units.kind}"
    if row["answer"] not in ("labelled", "rejected"):
        return f"answer {row['answer']!r}; allowed are labelled, rejected"
    if not (row["item"] or "").isdigit() or int(row["item"]) >= int(units.offsets[-1]):
        return f"item {row['item']!r}; items run from 0 to {int(units.offsets[-1]) - 1}"
    owner = patient_ids[int(units.patient_of(np.array([int(row["item"])]))[0])]
    if owner != row["patient_id"]:
        return f"item {row['item']} is of patient {owner!r} here, not of {row['patient_id']!r}: another cohort's labels"
    if row["answer"] == "labelled" and row["stage"] not in classes:
        return f"stage {row['stage']!r}; allowed are {', '.join(classes)}"
    return None
