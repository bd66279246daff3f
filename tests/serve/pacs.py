"""Peers of a node in tests: who sends to it, who takes its reports, and what stands in for a model that says little."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pydicom
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import ComprehensiveSRStorage, Verification

from fibrostage.deploy.answers import Wanted
from fibrostage.deploy.station import ExamAnswer, Station
from fibrostage.dicom.silence import silenced
from fibrostage.dicom.stage_report import stage_report
from fibrostage.ground.stage import METAVIR
from fibrostage.learn.predict_cohort import PredictedCohort
from fibrostage.learn.predict_files import Exams
from fibrostage.results.staged import Staged
from fibrostage.serve.node import NodeSettings
from fibrostage.serve.send import Peer
from tests.services import free_port

NOBODY = cast(Station, None)  # of a node that asks `says_f2`
TITLE = "FIBROSTAGE"


def says_f2(station: Station, exams: Exams, wanted: Wanted) -> ExamAnswer:
    """Answers as a model does, the same of everybody, and without a network."""
    sources = [pydicom.dcmread(path, stop_before_pixels=True) for path in exams.sources]
    probabilities = dict(zip(METAVIR.classes, (0.1, 0.1, 0.6, 0.1, 0.1), strict=True))
    staged = Staged("P", "F2", probabilities, {"B": len(sources)}, "5a" * 32)
    report = stage_report([one for one in sources if "Rows" in one], staged, METAVIR, "says F2")
    return ExamAnswer(PredictedCohort((staged,), {}, METAVIR, True, "5a" * 32), (), reports={"P": report})


def settings(spool: Path, send_to: Peer | None, **more: Any) -> NodeSettings:
    """A node that waits for nothing longer than a test can."""
    quick = {"quiet": 0.2, "step": 0.02, "first_wait": 0.1, "longest_wait": 0.4, "patience": 5.0, "port": 0}
    return NodeSettings(spool, send_to=send_to, **{**quick, **more})


@dataclass
class Receiver:
    """An archive that takes reports by C-STORE: `said` are the statuses it answers with, one after another and then
    success; at "abort" it hangs up instead. `before` is called when a report came, before it is answered."""

    port: int = field(default_factory=free_port)
    said: list[int | str] = field(default_factory=list)
    before: Callable[[], None] = field(default=lambda: None)
    reports: list[Any] = field(default_factory=list)

    @property
    def peer(self) -> Peer:
        return Peer("ARCHIVE", "127.0.0.1", self.port)

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        """Takes reports while the block runs."""
        entity = AE("ARCHIVE")
        entity.add_supported_context(ComprehensiveSRStorage)
        entity.add_supported_context(Verification)
        entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self.on_store)])
        try:
            yield self
        finally:
            entity.shutdown()

    def on_store(self, event: Any) -> int:
        self.reports.append(event.dataset)
        self.before()
        status = self.said.pop(0) if self.said else 0
        if status == "abort":
            event.assoc.abort()
            return 0
        return int(status)

    def uids(self) -> list[str]:
        return [str(report.SOPInstanceUID) for report in self.reports]


@contextmanager
def calling(port: int, paths: Sequence[Path], title: str = "SCANNER", called: str = TITLE) -> Iterator[Any]:
    """An association to a node, for files like these."""
    entity = AE(title)
    kinds = {(str(one.SOPClassUID), str(one.file_meta.TransferSyntaxUID)) for one in map(header_of, paths)}
    for kind, syntax in kinds or {(str(Verification), "1.2.840.10008.1.2")}:
        entity.add_requested_context(kind, syntax)
    with silenced():
        association = entity.associate("127.0.0.1", port, ae_title=called)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()


def header_of(path: Path) -> pydicom.Dataset:
    return pydicom.dcmread(path, stop_before_pixels=True)


def send(port: int, paths: Sequence[Path], title: str = "SCANNER", called: str = TITLE) -> list[int | None]:
    """Sends files in one association, and returns the status of each; None where the peer hung up."""
    with calling(port, paths, title, called) as association:
        assert association.is_established, "the node does not let us in"
        return [association.send_c_store(path).get("Status") for path in paths]


def send_bytes(port: int, path: Path, content: bytes) -> int:
    """The status of any bytes that are sent as the data set of a file."""
    said = header_of(path)
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = said.SOPClassUID, said.SOPInstanceUID
    request.DataSet = BytesIO(content)
    with calling(port, [path]) as association:
        association._reactor_checkpoint.clear()
        until(lambda: association._is_paused)
        association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
        _, answer = association.dimse.get_msg(block=True)
        association._reactor_checkpoint.set()
    return int(answer.Status)


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether somebody takes connections on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def evidence(report: Any) -> set[str]:
    """The pictures that a report rests on."""
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    return {
        str(item.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def in_thread(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread
