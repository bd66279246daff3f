"""A report on its way back to the archive by C-STORE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fibrostage.dicom.silence import silenced
from fibrostage.dicom.taken_over import hushed
from fibrostage.ground.errors import ArchiveError, PlanError, RunError

PEER = re.compile(r"(?P<title>[^@]+)@(?P<host>[^@:\s]+|\[[0-9A-Fa-f:]+\]):(?P<port>\d{1,5})")
TITLE = re.compile(r"(?! +$)[ -\[\]-~]{1,16}")  # printable ASCII without a backslash (PS3.5 6.2, AE)
SUCCESS = 0x0000
WARNINGS = (0x0001, 0x0107, 0x0116)  # and 0xBxxx: stored, with a remark


@dataclass(frozen=True)
class Peer:
    """A DICOM node that reports are sent to."""

    title: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.title}@{self.host}:{self.port}"


def check_title(title: str, what: str) -> None:
    """Raises `PlanError` for what is no AE title."""
    if not TITLE.fullmatch(title):
        raise PlanError(f"{what} must be an AE title of 1 to 16 letters without a backslash, got {title!r}")


def parse_peer(text: str) -> Peer:
    """The node at AET@HOST:PORT; raises `PlanError` for another form."""
    match = PEER.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise PlanError(f"--send-to must be AET@HOST:PORT, for example ARCHIVE@pacs.example.org:104; got {text!r}")
    check_title(match["title"], "--send-to")
    return Peer(match["title"], match["host"].strip("[]"), int(match["port"]))


def the_network() -> Any:
    """pynetdicom; raises `PlanError` where it is not installed."""
    try:
        import pynetdicom
    except ImportError:
        raise PlanError('a DICOM node needs pynetdicom: pip install "fibrostage[pacs]"') from None
    return pynetdicom


def send_report(report: Path, peer: Peer, own_title: str, patience: float = 30.0) -> None:
    """Sends a structured report to a node, which may be silent for `patience` seconds.

    Raises `ArchiveError` where it is not there, refuses, hangs up or does not say that it stored the report, and
    `RunError` where the report cannot be read.
    """
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    with silenced(), hushed():
        try:
            dataset = pydicom.dcmread(report)
        except Exception:
            raise RunError(f"cannot read {report} as DICOM") from None
        entity = the_network().AE(own_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = patience
        entity.add_requested_context(dataset.SOPClassUID, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        try:
            association = entity.associate(peer.host, peer.port, ae_title=peer.title)
        except OSError:
            raise ArchiveError(f"{peer} cannot be reached: there is no such host") from None
        try:
            if not association.is_established:
                raise ArchiveError(f"{peer} {refusal_of(association)}")
            try:
                status = association.send_c_store(dataset).get("Status")
            except (AttributeError, ValueError, RuntimeError):
                raise ArchiveError(f"{peer} takes no structured reports, or hung up") from None
        finally:
            if association.is_established:
                association.release()
    if status is None:
        raise ArchiveError(f"{peer} hung up before it said that the report is stored")
    if status != SUCCESS and status not in WARNINGS and status >> 12 != 0xB:
        raise ArchiveError(f"{peer} did not store the report: status {status:#06x}")


def refusal_of(association: Any) -> str:
    """Why a node did not let us in."""
    if association.is_rejected:
        reason = getattr(association.acceptor.primitive, "reason_str", "") or "no reason given"
        return f"refuses: {reason.lower()}"
    if association.rejected_contexts:
        return "takes no structured reports"
    return "cannot be reached, or does not speak DICOM"
