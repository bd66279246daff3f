"""The desk: hands exams to readers, takes their answers into the ledger, and keeps the loop going.

It holds the ledger for as long as the page is open. Every call is one at a time, and what it says was stored is stored.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fibrostage.annotate.accounts import Accounts, Lease, digest
from fibrostage.annotate.background import Background
from fibrostage.annotate.exam import Box, ExamModality, ShownExam, exam_of, modalities_of, png_of
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json
from fibrostage.ledger.events import ANSWERS
from fibrostage.ledger.ledger import read_events
from fibrostage.ledger.names import as_worked
from fibrostage.loop.answers import Answer, settle, take
from fibrostage.loop.apart import take_fitted
from fibrostage.loop.fitting import stop
from fibrostage.loop.opened import Loop, open_loop
from fibrostage.loop.questions import opinion_of, ready_to_fit
from fibrostage.loop.reading import next_item, read_by, readings_of
from fibrostage.plan.loop import LoopPlan
from fibrostage.results.loop_report import TakenAnswers

OPEN = 2  # exams of a reader at once: the one that is read, and the next
LONGEST_READING = 3600.0  # seconds: beyond, nobody was reading


class NotYoursError(Exception):
    """An exam that is somebody else's, or no longer anybody's."""


@dataclass(frozen=True)
class Told:
    """What a reader said of an exam: a stage, "unusable" or "unsure"; how long it took; boxes that were moved, by the
    picture's hash."""

    stage: str
    comment: str = ""
    reason: str = ""
    seconds: float | None = None
    boxes: Mapping[str, Box] | None = None


class Desk:
    """A loop open to its readers."""

    def __init__(self, folder: Path, ledger_url: str | None = None) -> None:
        self.folder, self.url = folder, ledger_url
        self.lock = threading.RLock()
        self.loop: Loop = open_loop(folder, ledger_url)
        try:
            self.accounts = Accounts(folder)
            self.background = Background(folder, ledger_url)
            self.fault = ""
            self._taken: set[str] = set()
            self._boxes: dict[str, Box] = {}
            self._given: dict[str, set[str]] = {}
            self._pictures: dict[int, tuple[ExamModality, ...]] = {}
            for event in read_events(folder, ledger_url):
                if event.kind in ANSWERS:
                    self._note(as_worked(event, self.loop.items).payload)
            self.loop.campaign.ask()
        except BaseException:
            self.loop.leave()
            raise

    def close(self) -> None:
        """Ends the worker and lets go of the ledger."""
        with self.lock:
            self.background.close()
            self.accounts.close()
            self.loop.leave()

    @property
    def plan(self) -> LoopPlan:
        return self.loop.setting.plan.loop

    def _note(self, payload: Mapping[str, object]) -> None:
        """Remembers which lease an answer came with, and boxes that it moved."""
        if isinstance(lease := payload.get("lease"), str):
            self._taken.add(lease)
        if isinstance(boxes := payload.get("boxes"), Mapping):
            self._pictures.clear()
            self._boxes |= {str(sha): (int(x), int(y), int(w), int(h)) for sha, (x, y, w, h) in boxes.items()}

    def tick(self) -> None:
        """Takes what the worker has fitted; has it fit where everything is answered."""
        with self.lock:
            done = take_fitted(self.loop, self.folder)
            if done is not None:
                self.background.busy, self.fault = False, done
            if done is None and not self.background.busy and ready_to_fit(self.loop) and self.loop.state.labels:
                self.background.wish()

    def fit(self) -> None:
        """Has a model fitted to what is known now."""
        with self.lock:
            self.tick()
            self.background.wish()

    def exam(self, who: str, after: str = "") -> ShownExam | None:
        """What a reader reads: the exam that is open, or with `after` (its token) the one to follow it; None where
        nothing waits."""
        with self.lock:
            self.tick()
            own = self._own_leases(who)
            mine = [lease for lease in own if lease.token != after]
            if mine:
                return self._exam(mine[0], ahead=len(own) - len(mine))
            if len(own) >= OPEN:
                return None
            item = self._next_item(who)
            if item is None:
                return None
            again = read_by(self.loop.state, item, who)
            lease = self.accounts.lease(self.loop.text(item), who, self.plan.lease, again)
            return self._exam(lease, ahead=len(own))

    def _next_item(self, who: str) -> int | None:
        """The next item for a reader, beside what is open already."""
        numbers, leased = self._numbers(), dict[int, set[str]]()
        for lease in self.accounts.leases():
            if lease.item in numbers:
                leased.setdefault(numbers[lease.item], set()).add(lease.name)
        skipped = {numbers[text] for text in self.accounts.skipped(who) if text in numbers}
        return next_item(self.loop.state, who, self.plan.readers, self.plan.repeats, leased, skipped)

    def _numbers(self) -> dict[str, int]:
        """Items that may be open, by their text."""
        state = self.loop.state
        return {self.loop.text(item): item for item in (*state.pending, *state.readings)}

    def _own_leases(self, who: str) -> list[Lease]:
        """What a reader has open, the oldest first; what was answered before the server fell is given back."""
        known, own = self._numbers(), []
        for lease in self.accounts.leases():
            if lease.name != who:
                continue
            if digest(lease.token) in self._taken or lease.item not in known:
                self.accounts.end_lease(lease.token)
            else:
                own.append(lease)
        return own

    def _exam(self, lease: Lease, ahead: int = 0) -> ShownExam:
        """The exam of a lease; `ahead` are those that its reader has open before it."""
        number = len(readings_of(self.loop.state, lease.name)) + 1 + ahead
        exam = self._shown(self._numbers()[lease.item], lease.token, number)
        self._given.setdefault(lease.name, set()).update(exam.hashes)
        return exam

    def _shown(self, item: int, token: str, number: int) -> ShownExam:
        """An item as an exam; its pictures are looked up once."""
        if item not in self._pictures:
            self._pictures[item] = modalities_of(self.loop, item, self._boxes)
        return exam_of(self.loop, item, token, number, self._pictures[item])

    def _lease(self, who: str, token: str) -> Lease:
        """The lease of a token; raises `NotYoursError` where it is not this reader's, or has ended."""
        for lease in self.accounts.leases():
            if lease.token == token and lease.name == who:
                return lease
        raise NotYoursError("this exam is not yours any more: it was given back, or its time ran out; take the next")

    def answer(self, who: str, token: str, told: Told) -> dict[str, float] | None:
        """Stores what a reader says of an exam; returns what the model thinks, where readers are told.

        The same answer sent twice is stored once. Raises `NotYoursError` for another's exam, and `RunError` for an
        answer that cannot be taken.
        """
        with self.lock:
            if digest(token) in self._taken:
                return None
            lease = self._lease(who, token)
            item = self._numbers()[lease.item]
            remark: dict[str, Json] = {"lease": digest(token)}
            if told.seconds is not None and 0 <= told.seconds <= LONGEST_READING:
                remark["seconds"] = round(told.seconds, 1)
            if told.reason:
                remark["why"] = told.reason[:200]
            if told.boxes:
                known = self._shown(item, token, 0).hashes
                remark["boxes"] = {sha: list(box) for sha, box in told.boxes.items() if sha in known}
            answer = Answer(told.stage, item=lease.item, comment=told.comment)
            take(self.loop, [answer], who, remark, repeat=lease.again)
            self._note(remark)
            self.accounts.end_lease(token)
            self.tick()
            return self._revealed(item)

    def _revealed(self, item: int) -> dict[str, float] | None:
        """What the model thinks of an item, by stage; None where readers are not told, or there is no model."""
        if self.plan.reveal == "nothing" or not (self.loop.state.closed or len(self.loop.setting.known)):
            return None
        self.loop.campaign.ready()
        values = opinion_of(self.loop, item).probabilities.tolist()
        return dict(zip(self.loop.classes, (round(value, 3) for value in values), strict=True))

    def skip(self, who: str, token: str) -> None:
        """Puts an exam off: it comes last for this reader. Raises `NotYoursError` for another's."""
        with self.lock:
            self.accounts.skip(self._lease(who, token))

    def undo(self, who: str) -> ShownExam | None:
        """Takes back a reader's last answer and hands the exam out again; None where there is none to take back."""
        with self.lock:
            said = readings_of(self.loop.state, who)
            if not said:
                return None
            item = said[-1][0]
            text = self.loop.text(item)
            self.loop.campaign.undo(item, who)
            for lease in self._own_leases(who):
                self.accounts.end_lease(lease.token)
            again = read_by(self.loop.state, item, who)
            return self._exam(self.accounts.lease(text, who, self.plan.lease, again))

    def picture(self, who: str, sha: str) -> bytes | None:
        """A picture as PNG, by its hash, where it is of an exam that this reader was given; None else."""
        with self.lock:
            if sha not in self._given.get(who, ()):
                for lease in self._own_leases(who):  # given by a server before this one
                    self._exam(lease)
            return png_of(self.loop, sha) if sha in self._given.get(who, ()) else None

    def any_picture(self, sha: str) -> bytes | None:
        """A picture as PNG, by its hash, for who may see all of them; None where there is none."""
        with self.lock:
            return png_of(self.loop, sha)

    def disputes(self) -> list[ShownExam]:
        """What readers differ on, for who settles it; readings without their readers' names."""
        with self.lock:
            state = self.loop.state
            return [self._shown(item, self.loop.text(item), 0) for item in state.disputed]

    def waiting(self) -> list[tuple[str, ShownExam]]:
        """What waits for an answer, by patient and item, for who leads."""
        with self.lock:
            loop, rows = self.loop, []
            for item in loop.state.pending:
                patient, text = loop.patient_id(item), loop.text(item)
                name = patient if text == patient else f"{patient} · {text}"
                rows.append((name, self._shown(item, text, 0)))
            return rows

    def settle(self, item: str, stage: str, who: str) -> None:
        """Says which stage stands; raises `RunError` for an item that is not in dispute, or what is no stage."""
        with self.lock:
            if item not in {self.loop.text(each) for each in self.loop.state.disputed}:
                raise RunError("nobody differs on this exam any more")
            settle(self.loop, item, stage, who)

    def take(self, answers: list[Answer], who: str) -> TakenAnswers:
        """Takes answers of a table, all or none; raises `RunError` as `loop answer` does."""
        with self.lock:
            taken = take(self.loop, answers, who)
            self.tick()
            return taken

    def stop(self, who: str, reason: str) -> None:
        """Ends the loop."""
        with self.lock:
            stop(self.loop, who, reason)
