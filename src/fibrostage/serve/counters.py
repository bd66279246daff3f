"""What a service counts of itself, for Prometheus: how often and how long, never who or what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from fibrostage.results.staged import CANNOT_SAY

if TYPE_CHECKING:
    from fibrostage.deploy.station import ExamAnswer

SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80, 160)  # bounds of the histogram
FAILED = 500
OUTCOMES = {
    200: "answered", 401: "unauthorised", 408: "stalled", 413: "too_large", 415: "unreadable", 422: "unreadable",
    499: "gone", 503: "busy", 504: "too_long",
}  # fmt: skip


class Counters:
    """The counts of one service, in a registry of its own; `waiting` tells how many exams wait now."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = own = CollectorRegistry()
        of = partial(Counter, registry=own)
        self.requests = of("fibrostage_requests", "Requests about exams, by what became of them.", ["outcome"])
        self.exams = of("fibrostage_exams", "Requests and studies that were answered.")
        self.staged = of("fibrostage_patients_staged", "Patients who were staged.")
        self.left_out = of("fibrostage_patients_left_out", "Patients who were not staged.")
        self.unsaid = of("fibrostage_patients_cannot_say", "Patients of whom no stage could be excluded.")
        self.seconds = Histogram("fibrostage_seconds", "From a request to its answer.", registry=own, buckets=SECONDS)
        Gauge("fibrostage_queue_length", "Requests that wait to be read.", registry=own).set_function(waiting)

    def answered(self, answer: ExamAnswer, seconds: float) -> None:
        """Counts an answer."""
        found = answer.found
        self.exams.inc()
        self.staged.inc(len(found.staged))
        self.left_out.inc(len(found.left_out))
        self.unsaid.inc(sum(one.answer(found.staging) == CANNOT_SAY for one in found.staged))
        self.seconds.observe(seconds)

    def requested(self, status: int) -> None:
        """Counts a request by the status that it was answered with."""
        self.requests.labels(OUTCOMES.get(status, "failed" if status >= FAILED else "refused")).inc()

    def text(self) -> tuple[bytes, str]:
        """All counts as Prometheus reads them, and what kind of text that is."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
