"""Exams that wait for their answer: read by a few processes, staged by the one thread that has the model.

Whatever was read while the model was busy is staged in one pass. An exam that takes too long ends alone: the process
that reads it is killed, and others go on.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from fibrostage.deploy.answers import Wanted
from fibrostage.deploy.station import ExamAnswer, Station, answer_together
from fibrostage.learn.exam_files import Exams, TakenExams
from fibrostage.serve.limits import FullError, Limits, TooLongError
from fibrostage.serve.reading_process import ReadingProcess

AHEAD = 8  # exams that were read and wait for the model, beyond which reading waits too
ENDING = "the service is ending"
LAST = 5.0  # seconds that the thread with the model has to end


@dataclass(eq=False)
class WaitingExam:
    """Exams that somebody asks about, and the `answer` to come; `released` is called once nobody reads their files any
    more. `asked` and `begun` are when, on the monotonic clock."""

    exams: Exams
    wanted: Wanted
    released: Callable[[], None]
    answer: Future[ExamAnswer] = field(default_factory=Future)
    asked: float = field(default_factory=time.monotonic)
    begun: float | None = None

    def seconds(self) -> float:
        """How long it has been worked on."""
        return 0.0 if self.begun is None else time.monotonic() - self.begun


@dataclass(frozen=True)
class ReadExam:
    """Exams that were read into `folder`, and wait for the model."""

    one: WaitingExam
    taken: TakenExams
    folder: Path

    @property
    def pictures(self) -> int:
        return len(self.taken.cohort.images)


class ExamQueue:
    """The queue before a station: `ask` from any thread. What is temporary is put into `folder`; `answered` hears of
    every answer, and after how many seconds."""

    def __init__(
        self,
        station: Station,
        limits: Limits,
        folder: Path,
        answered: Callable[[ExamAnswer, float], None] = lambda answer, seconds: None,
    ) -> None:
        self.station, self.limits, self.folder, self.answered = station, limits, folder, answered
        self.passes = 0
        self._waiting: deque[WaitingExam] = deque()
        self._changed = threading.Condition()
        self._read: queue.Queue[ReadExam | None] = queue.Queue(AHEAD)
        self._ending = self._over = False
        self._staging_since: float | None = None
        self._readers = [ReadingProcess(station.read, folder) for _ in range(limits.readers)]
        self._reading = [threading.Thread(target=self._read_on, args=(one,), daemon=True) for one in self._readers]
        self._staging = threading.Thread(target=self._stage_on, daemon=True)
        for thread in (*self._reading, self._staging):
            thread.start()

    @property
    def waiting(self) -> int:
        """How many exams wait to be read."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no other exam may wait."""
        return self.waiting >= self.limits.waiting

    def trouble(self) -> str | None:
        """Why nothing is answered at present; None where all is well."""
        if self._ending:
            return ENDING
        if not self._staging.is_alive() or not all(thread.is_alive() for thread in self._reading):
            return "a thread has ended"
        since = self._staging_since
        return "the model does not answer" if since and time.monotonic() - since > 2 * self.limits.seconds else None

    def ask(
        self, exams: Exams, wanted: Wanted = Wanted(), released: Callable[[], None] = lambda: None  # noqa: B008
    ) -> WaitingExam:  # fmt: skip
        """Has exams answered; its `answer` raises what `ReadingProcess.read` and `deploy.station.answer` raise.

        Raises `FullError`, without calling `released`, where as many wait as may.
        """
        one = WaitingExam(exams, wanted, released)
        with self._changed:
            if self._ending:
                raise FullError(ENDING)
            if self.full:
                raise FullError(f"{self.waiting} exams wait already; ask again in a while")
            self._waiting.append(one)
            self._changed.notify()
        return one

    def answer(self, exams: Exams, wanted: Wanted = Wanted()) -> ExamAnswer:  # noqa: B008
        """Waits for the answer to exams; raises what `ask` does, and what comes instead of an answer."""
        return self.ask(exams, wanted).answer.result()

    def give_up(self, one: WaitingExam) -> None:
        """Nobody waits for these exams any more: they are not begun, or their answer is dropped."""
        one.answer.cancel()
        with self._changed:
            if one not in self._waiting:
                return
            self._waiting.remove(one)
        one.released()

    def close(self) -> None:
        """Ends: what waits is refused, what is being read is stopped, what is being staged may end within seconds."""
        with self._changed:
            self._ending = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for one in left:
            self._end(one, FullError(ENDING))
        for reader in self._readers:
            reader.end()
        for thread in self._reading:
            thread.join(LAST)
        with contextlib.suppress(queue.Full):
            self._read.put(None, timeout=LAST)
        self._staging.join(LAST)

    def _next(self) -> WaitingExam | None:
        """The exam that waits longest; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ending or self._waiting)
            return None if self._ending else self._waiting.popleft()

    def _read_on(self, reader: ReadingProcess) -> None:
        """Reads one exam after another, until the end; the process is begun before the first comes."""
        with contextlib.suppress(Exception):  # it is tried again, and told, when one comes
            reader.begin()
        while (one := self._next()) is not None:
            if one.answer.cancelled():
                self._end(one, FullError(ENDING))
                continue
            folder = None
            try:
                reader.begin()
                folder = Path(tempfile.mkdtemp(prefix="exam-", dir=self.folder))
                one.begun = time.monotonic()
                taken = reader.read(one.exams, folder, self.limits.seconds)
            except Exception as error:
                self._end(one, FullError(ENDING) if self._ending else error, folder)
            else:
                self._read.put(ReadExam(one, taken, folder))
        reader.end()

    def _stage_on(self) -> None:
        """Stages whatever was read, until the end."""
        while not self._over and (first := self._read.get()) is not None:
            batch = self._batch(first)
            for late in [each for each in batch if each.one.seconds() > self.limits.seconds]:
                batch.remove(late)
                self._end(late.one, TooLongError(f"it took longer than {self.limits.seconds:g} s"), late.folder)
            batch = [each for each in batch if not self._dropped(each)]
            if batch:
                self._staging_since = time.monotonic()
                self._stage(batch)
                self._staging_since = None

    def _batch(self, first: ReadExam) -> list[ReadExam]:
        """What was read, up to so many pictures."""
        batch, pictures = [first], first.pictures
        while pictures < self.limits.pictures:
            try:
                one = self._read.get_nowait()
            except queue.Empty:
                break
            if one is None:
                self._over = True
                break
            batch.append(one)
            pictures += one.pictures
        return batch

    def _dropped(self, each: ReadExam) -> bool:
        """Whether nobody waits for an exam; it is then ended."""
        gone = each.one.answer.cancelled()
        if gone:
            self._end(each.one, FullError(ENDING), each.folder)
        return gone

    def _stage(self, batch: list[ReadExam]) -> None:
        """Answers exams in one pass; one by one where that fails in a way that nobody has foreseen."""
        self.passes += 1
        try:
            told = answer_together(self.station, [one.taken for one in batch], [each.one.wanted for each in batch])
        except Exception as error:
            if len(batch) == 1:
                self._end(batch[0].one, error, batch[0].folder)
            else:
                for each in batch:
                    self._stage([each])
            return
        for each, answer in zip(batch, told, strict=True):
            self._end(each.one, answer, each.folder)

    def _end(self, one: WaitingExam, told: ExamAnswer | BaseException, folder: Path | None = None) -> None:
        """Tells an exam's answer, or what came instead, to whoever waits; its files are nobody's any more."""
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(Exception):  # no fault of the thread's that others need
            one.released()
        if not one.answer.set_running_or_notify_cancel():
            return
        if isinstance(told, ExamAnswer):
            self.answered(told, time.monotonic() - one.asked)
            one.answer.set_result(told)
        else:
            one.answer.set_exception(told)
