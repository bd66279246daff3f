"""What a DICOM node says to those who call it: who may, what they may send, and what becomes of it."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fibrostage.ground.errors import PlanError, UnreadableImageError
from fibrostage.serve.send import check_title
from fibrostage.serve.spool import Spool

CALLER = re.compile(r"(?P<title>[^@]+)(?:@(?P<host>[^@\s]+))?")
STORAGE = "1.2.840.10008.5.1.4.1.1."
KINDS = {  # what is taken, by SOP Class UID
    STORAGE + "6.1": "Ultrasound Image Storage",
    STORAGE + "3.1": "Ultrasound Multi-frame Image Storage",
    STORAGE + "6": "Ultrasound Image Storage (retired)",
    STORAGE + "3": "Ultrasound Multi-frame Image Storage (retired)",
    STORAGE + "7": "Secondary Capture Image Storage",
    STORAGE + "7.2": "Multi-frame Grayscale Byte Secondary Capture Image Storage",
    STORAGE + "7.4": "Multi-frame True Color Secondary Capture Image Storage",
    STORAGE + "88.11": "Basic Text SR Storage",
    STORAGE + "88.22": "Enhanced SR Storage",
    STORAGE + "88.33": "Comprehensive SR Storage",
    STORAGE + "88.34": "Comprehensive 3D SR Storage",
}
SYNTAX = "1.2.840.10008.1.2"
UNCOMPRESSED = (SYNTAX, SYNTAX + ".1", SYNTAX + ".1.99", SYNTAX + ".2")  # implicit, explicit, deflated, big-endian
COMPRESSED = tuple(SYNTAX + end for end in (".5", *(f".4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91))))
VIDEOS = tuple(f"{SYNTAX}.4.{number}" for number in (100, 101, 102, 103, 104, 105, 106, 107, 108))
VERIFICATION = "1.2.840.10008.1.1"
STORED, NO_ROOM, WRONG_CLASS, NOT_UNDERSTOOD, FAILURE = 0x0000, 0xA700, 0xA900, 0xC000, 0x0110  # PS3.4 table B.2-1
PERMANENT, BY_USER, CALLING_UNKNOWN, CALLED_UNKNOWN = 1, 1, 3, 7  # PS3.8 table 9-21


@dataclass(frozen=True)
class Caller:
    """Who may call: an AE title, from one host, or from any where `host` is None."""

    title: str
    host: str | None = None

    def is_at(self, address: str) -> bool:
        """Whether a connection from this address is the caller's; a name is looked up each time."""
        if self.host is None:
            return True
        given = plain(address)
        with suppress(ValueError):
            return ipaddress.ip_address(given) in ipaddress.ip_network(self.host.strip("[]"), strict=False)
        with suppress(OSError):
            return given in {plain(str(found[4][0])) for found in socket.getaddrinfo(self.host, None)}
        return False


def plain(address: str) -> str:
    """An address, an IPv4 one without what IPv6 sockets put before it."""
    return address.removeprefix("::ffff:")


def parse_caller(text: str) -> Caller:
    """Who may call, as AET, AET@HOST or AET@NETWORK/BITS; raises `PlanError` for another form."""
    match = CALLER.fullmatch(text)
    if match is None:
        raise PlanError(f"--allow must be AET or AET@HOST, for example SCANNER1@10.0.4.17; got {text!r}")
    check_title(match["title"], "--allow")
    return Caller(match["title"].strip(), match["host"])


@dataclass(frozen=True)
class Reception:
    """What the handlers of associations work with."""

    spool: Spool
    title: str
    allowed: Sequence[Caller]  # anybody where it is empty

    def admits(self, title: str, address: str) -> bool:
        """Whether this AE title may call from this address."""
        return not self.allowed or any(one.title == title.strip() and one.is_at(address) for one in self.allowed)


def contexts() -> list[tuple[str, list[str]]]:
    """SOP classes that are taken, each with its transfer syntaxes."""
    pictures = [*UNCOMPRESSED, *COMPRESSED]
    found = [(VERIFICATION, [SYNTAX, SYNTAX + ".1"])]
    for kind, name in KINDS.items():
        video = [*VIDEOS] if "Multi-frame" in name else []
        found.append((kind, list(UNCOMPRESSED) if "SR" in name else [*pictures, *video]))
    return found


def handlers(reception: Reception) -> list[tuple[Any, Any, list[Any]]]:
    """The handlers that pynetdicom is started with."""
    from pynetdicom import evt

    return [
        (evt.EVT_REQUESTED, on_request, [reception]),
        (evt.EVT_C_ECHO, on_echo, [reception]),
        (evt.EVT_C_STORE, on_store, [reception]),
    ]


def on_request(event: Any, reception: Reception) -> None:
    """Sends away who may not call, or calls another, with the reason that the standard has for it."""
    association = event.assoc
    asked = association.requestor.primitive
    reason = None
    if not reception.admits(str(asked.calling_ae_title), str(association.requestor.address)):
        reason = CALLING_UNKNOWN
    elif str(asked.called_ae_title).strip() != reception.title:
        reason = CALLED_UNKNOWN
    if reason is not None:
        association.acse.send_reject(PERMANENT, BY_USER, reason)
        association.kill()


def on_echo(event: Any, reception: Reception) -> int:
    """Says that the node is there."""
    return STORED


def on_store(event: Any, reception: Reception) -> int:
    """Puts a file into the spool; the status says success once it is safe there."""
    try:
        head = b"\0" * 128 + b"DICM" + encoded_meta(event.file_meta)
        with reception.spool.arriving([head, event.request.DataSet.getbuffer()]) as arrived:
            if (arrived.kind, arrived.instance) != (
                str(event.request.AffectedSOPClassUID),
                str(event.request.AffectedSOPInstanceUID),
            ):
                return WRONG_CLASS
            if arrived.own:
                reception.spool.came_back(arrived)
            else:
                reception.spool.keep(arrived, threading.current_thread())
        return STORED
    except OSError:
        return NO_ROOM
    except UnreadableImageError:
        return NOT_UNDERSTOOD
    except Exception:  # the sender must hear of it, and may try again
        return FAILURE


def encoded_meta(meta: Any) -> bytes:
    """A file's meta information as it stands in the file."""
    from pynetdicom.dsutils import encode_file_meta

    return bytes(encode_file_meta(meta))
