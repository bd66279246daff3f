"""A DICOM node that answers: pictures of a study come, and once it is complete its report goes back.

Associations, the model and the sending of reports work beside each other and meet in the spool alone, which is why the
process may die at any moment: whatever was in the middle is done again, and a report that is sent twice is one report.
"""

from __future__ import annotations

import ipaddress
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fibrostage.dicom.silence import silenced
from fibrostage.dicom.stage_report import save_dicom
from fibrostage.dicom.web import WebArchive, credentials, parse_archive
from fibrostage.ground.errors import ArchiveError, FibrostageError, PlanError, RunError
from fibrostage.serve.associations import Caller, Reception, contexts, handlers
from fibrostage.serve.dicomweb import push_report, take_study
from fibrostage.serve.send import Peer, check_title, send_report, the_network
from fibrostage.serve.spool import REPORT, Spool
from fibrostage.serve.study_report import Answering, StudyFiles, UnstageableError, answer_here, report_of_study
from fibrostage.serve.waiting import ANSWERED, COMPLETE, WaitingStudy

if TYPE_CHECKING:
    from fibrostage.deploy.station import Station

SHOWN = 8  # letters of a study's name in messages
DAY = 24 * 3600.0
Say = Callable[[str], None]


def counted(files: int) -> str:
    """So many files, in words."""
    return "1 file" if files == 1 else f"{files} files"


def unheard(line: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class NodeSettings:
    """How a node works. Times are in seconds.

    `allow` is who may send, anybody where it is empty, which only a node on this machine's own address may be. Reports
    go to `send_to` by C-STORE, or else to `dicomweb`, from which studies that came in part are completed too. A study
    is complete when nothing came for `quiet`; its files stay for `keep` after its report was sent. `associations` is
    how many may be open at once, each silent for `idle` at most; `pdu` is the largest message in bytes. What could not
    be sent is tried again after `first_wait`, then twice as long after each try, at most `longest_wait`. A study that
    ends the process, or meets a fault of this package, is tried `tries` times.
    """

    spool: Path
    port: int
    title: str = "FIBROSTAGE"
    host: str = "127.0.0.1"
    allow: tuple[Caller, ...] = ()
    send_to: Peer | None = None
    dicomweb: str | None = None
    quiet: float = 30.0
    keep: float = DAY
    accept_unmasked: bool = False
    associations: int = 8
    idle: float = 60.0
    pdu: int = 131_072
    first_wait: float = 5.0
    longest_wait: float = 600.0
    tries: int = 10
    patience: float = 30.0
    step: float = 0.5  # how often the spool is looked through

    def check(self) -> None:
        """Raises `PlanError` for settings that cannot work, or would let anybody in."""
        check_title(self.title, "--ae-title")
        if self.send_to is None and self.dicomweb is None:
            raise PlanError("reports need a way back: --send-to AET@HOST:PORT, or --dicomweb URL")
        if not self.allow and not is_local(self.host):
            raise PlanError(f"a node on {self.host} must know who may send to it: name each with --allow AET@HOST")
        if self.quiet < 0 or self.keep < 0:
            raise PlanError(f"--quiet-for and --keep-hours must be 0 or more, got {self.quiet:g} and {self.keep:g}")


@dataclass
class Node:
    """A node that runs: where it listens, its spool, and what stops it."""

    station: Station
    settings: NodeSettings
    spool: Spool
    answering: Answering
    say: Say
    port: int = 0
    archive: WebArchive | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def counts(self) -> dict[str, int]:
        """How many studies there are in each state."""
        return self.spool.counts()

    def tell(self, line: str) -> None:
        """Says what happens; whoever does not listen any more stops nothing."""
        with suppress(Exception):
            self.say(line)


def is_local(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def run_node(
    station: Station,
    settings: NodeSettings,
    stop: threading.Event | None = None,
    say: Say = unheard,
    answering: Answering = answer_here,
) -> None:
    """Runs a node until `stop` is set; it may run in a thread. `say` is told what happens, a line at a time that names
    nobody. `answering` answers exams as `deploy.station.answer` does, for whoever shares a station between threads.

    Raises `PlanError` for settings that cannot work, or where pynetdicom is not installed, `ArchiveError` for an
    archive's address that is none, and `RunError` where it cannot listen or its spool cannot be used.
    """
    with open_node(station, settings, say, answering, stop) as node:
        node.stop.wait()


@contextmanager
def open_node(
    station: Station,
    settings: NodeSettings,
    say: Say = unheard,
    answering: Answering = answer_here,
    stop: threading.Event | None = None,
) -> Iterator[Node]:
    """A node that runs as long as the block; raises what `run_node` raises."""
    settings.check()
    the_network()
    archive = None if settings.dicomweb is None else the_archive(settings)
    with silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote headers
        spool = Spool(settings.spool)
        node = Node(station, settings, spool, answering, say, archive=archive, stop=stop or threading.Event())
        threads = [threading.Thread(target=work, args=(node, each), daemon=True) for each in (answer_next, send_next)]
        try:
            with listening(node):
                for thread in threads:
                    thread.start()
                try:
                    yield node
                finally:
                    node.stop.set()
        finally:
            for thread in threads:
                if thread.ident is not None:
                    thread.join(settings.patience)
            if not any(thread.is_alive() for thread in threads):  # one that is in the middle of a study still needs it
                spool.close()


def the_archive(settings: NodeSettings) -> WebArchive:
    """The archive that settings name; it is asked once a try, as the node tries again itself."""
    archive, query = parse_archive(settings.dicomweb or "")
    if query:
        raise PlanError("--dicomweb is an archive's address without a query; 'fibrostage intake' takes one with it")
    credentials(archive)  # what is wrong with them is said at once
    return replace(archive, patience=settings.patience, tries=1)


@contextmanager
def listening(node: Node) -> Iterator[None]:
    """Takes associations while the block runs. Raises `RunError` where the port cannot be had."""
    settings = node.settings
    entity: Any = the_network().AE(settings.title)
    entity.maximum_associations, entity.maximum_pdu_size = settings.associations, settings.pdu
    entity.acse_timeout = entity.dimse_timeout = settings.patience
    entity.network_timeout = settings.idle
    for kind, syntaxes in contexts():
        entity.add_supported_context(kind, syntaxes)
    reception = Reception(node.spool, settings.title.strip(), settings.allow)
    try:
        server = entity.start_server((settings.host, settings.port), block=False, evt_handlers=handlers(reception))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "there is no such port"
        raise RunError(f"cannot listen on {settings.host} port {settings.port}: {reason}") from None
    node.port = int(server.server_address[1])
    try:
        yield
    finally:
        entity.shutdown()


def work(node: Node, step: Callable[[Node], bool]) -> None:
    """Does one thing after the other until the node stops; whatever goes wrong is told and tried again."""
    while not node.stop.is_set():
        try:
            if step(node):
                continue
        except FibrostageError as error:
            node.tell(f"{error}; trying again")
            node.stop.wait(min(node.settings.first_wait, 10 * node.settings.step))
        except Exception:  # its words may quote what stands in a file
            node.tell("something unforeseen went wrong; trying again")
            node.stop.wait(node.settings.first_wait)
        node.stop.wait(node.settings.step)


def answer_next(node: Node) -> bool:
    """Finds the studies that are complete and answers one; says whether there was one."""
    spool, settings = node.spool, node.settings
    spool.sweep(settings.keep, time.time())  # first, as it makes room
    for study in spool.complete(settings.quiet):
        node.tell(f"study {study[:SHOWN]}: complete, {counted(len(spool.files(study)))}")
    due = spool.due(COMPLETE, time.time(), settings.longest_wait)
    if due is None:
        return False
    state, changes = spool.begin(due, settings.first_wait, settings.longest_wait)
    if state.under_way > settings.tries:
        ended(node, due, changes, state.failed(f"the process ended {settings.tries} times while it was answered"))
        return True
    try:
        answered(node, due, changes, state)
    except UnstageableError as error:
        ended(node, due, changes, state.failed(str(error)))
    except (ArchiveError, OSError, MemoryError, FibrostageError) as error:  # something is wrong here, not in the study
        put_off(node, due, changes, state, str(error) if isinstance(error, ArchiveError) else "cannot be answered now")
    except Exception:  # a fault of this package
        if state.tries >= settings.tries:
            ended(node, due, changes, state.failed(f"could not be answered in {settings.tries} tries"))
        else:
            put_off(node, due, changes, state, "cannot be answered now")
    return True


def answered(node: Node, study: str, changes: int, state: WaitingStudy) -> None:
    """Answers a study and puts its report beside it. Raises `UnstageableError` where it cannot be staged."""
    spool, settings = node.spool, node.settings
    missing = spool.missing(study)
    if missing:
        if node.archive is not None and take_study(spool, node.archive, study_uid(spool.files(study)[0])):
            return  # it is arriving again, and whole
        raise UnstageableError(
            f"only {len(spool.files(study))} of its files came after the others ({missing}) had been answered and "
            "removed: send the whole study again"
        )
    link = spool.folder / "arriving" / f"{study}.link"
    read = StudyFiles(tuple(spool.files(study)), spool.key_file, link, settings.accept_unmasked)
    made = report_of_study(node.station, read, node.answering)
    save_dicom(made.report, spool.study_folder(study) / REPORT)
    unused = f", {made.refused} files or readings not used" if made.refused else ""
    if spool.is_back(study, str(made.report.SOPInstanceUID)):
        if spool.put(study, changes, state.answered(made.refused).sent()):
            node.tell(f"study {study[:SHOWN]}: answered{unused}; its report came with it, and is not sent again")
    elif spool.put(study, changes, state.answered(made.refused)):
        node.tell(f"study {study[:SHOWN]}: answered{unused}")


def send_next(node: Node) -> bool:
    """Sends one report; says whether there was one."""
    spool, settings = node.spool, node.settings
    due = spool.due(ANSWERED, time.time(), settings.longest_wait)
    if due is None:
        return False
    state, changes = spool.begin(due, settings.first_wait, settings.longest_wait)
    report = spool.study_folder(due) / REPORT
    try:
        if settings.send_to is not None:
            send_report(report, settings.send_to, settings.title, settings.patience)
        elif node.archive is not None:
            push_report(report, node.archive)
    except ArchiveError as error:
        put_off(node, due, changes, state, str(error))
        return True
    except RunError:  # it is not there any more: another is made
        spool.put(due, changes, WaitingStudy(COMPLETE, state.files))
        return True
    except Exception:  # whatever it is, it may be over later
        put_off(node, due, changes, state, "its report cannot be sent now")
        return True
    if spool.put(due, changes, state.sent()):
        node.tell(f"study {due[:SHOWN]}: report sent")
    return True


def put_off(node: Node, study: str, changes: int, state: WaitingStudy, reason: str) -> None:
    """Leaves a study for later, with the reason."""
    later = state.later(node.settings.first_wait, node.settings.longest_wait, reason)
    if node.spool.put(study, changes, later):
        node.tell(f"study {study[:SHOWN]}: {reason}; trying again in {later.due - time.time():.0f} s")


def ended(node: Node, study: str, changes: int, state: WaitingStudy) -> None:
    """Puts a study aside that cannot be staged, and says why."""
    if node.spool.put(study, changes, state):
        node.tell(f"study {study[:SHOWN]}: failed: {state.reason}")


def study_uid(path: Path) -> str:
    """The Study Instance UID of a file."""
    import pydicom

    return str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)
