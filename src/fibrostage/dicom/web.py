"""An archive that speaks DICOMweb: which studies it has (QIDO-RS), their files (WADO-RS), what goes back (STOW-RS).

Files go to disk as they come and are renamed when they are whole, so that a loop of any length takes no memory and what
was fetched before a cut is not fetched again. Whoever may do so is said by the environment alone; what a query asks
for, which may name a patient, stands in no message.
"""

from __future__ import annotations

import ipaddress
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from fibrostage.dicom.multipart import CutShortError, OtherAnswerError, keep_only_part
from fibrostage.dicom.silence import silenced
from fibrostage.dicom.taken_over import LONGEST_UID, UID, hushed
from fibrostage.ground.errors import ArchiveError, RunError
from fibrostage.ground.files import written_whole
from fibrostage.ground.progress import SILENT, Progress

TOKEN, USER, PASSWORD = "FIBROSTAGE_DICOMWEB_TOKEN", "FIBROSTAGE_DICOMWEB_USER", "FIBROSTAGE_DICOMWEB_PASSWORD"
SCHEMES = {"dicomweb": "http", "dicomwebs": "https", "http": "http", "https": "https"}
PATH = re.compile(r"(/[\w.~-]+)*")  # what dicomweb-client takes for one
PAGE = 200  # matches that are asked for at once
CHUNK = 2**20  # bytes
AGAIN = (408, 429, 500, 502, 503, 504)  # answers that the next try may better
DENIED = (401, 403)
WADO = 'multipart/related; type="application/dicom"; transfer-syntax=*'  # as it is stored
STUDY_UID, SERIES_UID, INSTANCE_UID, MODALITY = "0020000D", "0020000E", "00080018", "00080060"
REPORTS = "SR"

T = TypeVar("T")


@dataclass(frozen=True)
class WebArchive:
    """Where an archive answers. `patience` is how many seconds it may be silent; a request is tried `tries` times, the
    second `pause` seconds after the first, and twice as long after each."""

    url: str
    patience: float = 30.0
    tries: int = 4
    pause: float = 1.0

    @property
    def place(self) -> str:
        """What messages call it: machine and port, or the machine alone."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True)
class WebInstance:
    """One file of a study as the archive lists it; `modality` is empty where it does not say it."""

    study: str
    series: str
    instance: str
    modality: str = ""


@dataclass(frozen=True)
class OpenArchive:
    """An archive with its session and its client, while it is asked several things."""

    archive: WebArchive
    session: Any
    client: Any


def parse_archive(address: str) -> tuple[WebArchive, str]:
    """The archive at dicomweb://HOST:PORT/PATH (over HTTP), dicomwebs:// (over HTTPS) or a plain URL, and the query
    behind its question mark. Raises `ArchiveError` for an address that is none, or has a password in it."""
    parts = urlsplit(address)
    if parts.username is not None or parts.password is not None:
        raise ArchiveError(
            "an archive's address must not hold a password, which logs and lists of processes would show: set "
            f"{TOKEN}, or {USER} and {PASSWORD}"
        )
    path = parts.path.rstrip("/")
    with suppress(ValueError):
        if parts.scheme in SCHEMES and parts.hostname and PATH.fullmatch(path) and parts.port != 0:
            return WebArchive(f"{SCHEMES[parts.scheme]}://{parts.netloc}{path}"), parts.query
    raise ArchiveError(
        "an archive's address is dicomweb://HOST:PORT/PATH, or dicomwebs:// over HTTPS, for example "
        "dicomwebs://pacs.example.org:8443/dicom-web"
    )


def credentials(archive: WebArchive) -> str | tuple[str, str] | None:
    """The token, or user and password, that the environment gives; None where it gives neither. Raises `ArchiveError`
    where they would cross the network unencrypted."""
    token, user, password = (os.environ.get(name) for name in (TOKEN, USER, PASSWORD))
    found = token or ((user, password or "") if user else None)
    if found and archive.url.startswith("http://") and not is_here(urlsplit(archive.url).hostname or ""):
        raise ArchiveError(
            f"{archive.place} is asked over plain HTTP, where anybody on the way could read the password: use "
            f"dicomwebs://, or unset {TOKEN} and {USER}"
        )
    return found


def is_here(host: str) -> bool:
    """Whether a host is this machine by its name or address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


@contextmanager
def opened(archive: WebArchive) -> Iterator[OpenArchive]:
    """An archive to ask. Raises `ArchiveError` where dicomweb-client is not installed."""
    try:
        import requests
        from dicomweb_client import DICOMwebClient
    except ImportError:
        raise ArchiveError('asking an archive over DICOMweb needs its client: pip install "fibrostage[pacs]"') from None
    given = credentials(archive)
    with requests.Session() as session, silenced(), hushed():
        session.auth = given if isinstance(given, tuple) else lambda request: request  # else ~/.netrc would be read
        if isinstance(given, str):
            session.headers["Authorization"] = f"Bearer {given}"
        session.hooks["response"] = [check_kind_of_answer]
        client = DICOMwebClient(archive.url, session, timeout=archive.patience)
        client.set_http_retry_params(retry=False)  # `tried` does it, for what client leaves out too
        yield OpenArchive(archive, session, client)


def check_kind_of_answer(response: Any, *_: object, **__: object) -> None:
    """Raises `OtherAnswerError` for a page for people, as proxies and wrong paths give."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.ok and kind in ("text/html", "text/plain"):
        raise OtherAnswerError(f"answers with {kind}, which is no DICOM: is the path right?")
    if response.status_code == 200 and response.headers.get("Content-Length") == "0":
        raise OtherAnswerError("answers with nothing")


def tried(archive: WebArchive, call: Callable[[], T]) -> T:
    """What a request gives, tried again where that may help. Raises `ArchiveError` with the reason, which repeats
    nothing of the request."""
    import requests

    for number in range(archive.tries):
        try:
            return call()
        except (requests.RequestException, CutShortError) as error:
            reason, again = reason_of(error)
            if not again or number + 1 == archive.tries:
                raise ArchiveError(f"the archive at {archive.place} {reason}") from None
        except OtherAnswerError as error:
            raise ArchiveError(f"the archive at {archive.place} {error}") from None
        except OSError:
            raise  # something is wrong here, not there
        except Exception:  # whatever the client makes of an odd answer
            raise ArchiveError(f"the archive at {archive.place} answers with what is no DICOMweb") from None
        time.sleep(archive.pause * 2**number)
    raise ArchiveError(f"the archive at {archive.place} was not asked")


def reason_of(error: Exception) -> tuple[str, bool]:
    """Why a request failed, in words that repeat nothing of it, and whether another try may help."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        if status in DENIED:
            return f"does not let us in ({status}): set {TOKEN}, or {USER} and {PASSWORD}", False
        if status == 404:
            return "answers that there is no such thing (404): is the path right, and the study still there?", False
        return f"answers with an error ({status})", status in AGAIN
    if isinstance(error, requests.exceptions.SSLError):
        return "cannot be trusted: its certificate is not of an authority known here (REQUESTS_CA_BUNDLE)", False
    if isinstance(error, requests.ConnectTimeout):
        return "cannot be reached: it does not answer", True
    if isinstance(error, requests.Timeout):
        return "fell silent", True
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return "answers with what is no DICOM JSON", False
    if isinstance(error, requests.exceptions.ChunkedEncodingError | CutShortError):
        return "broke off in the middle of an answer", True
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached, or hung up without an answer", True
    return "cannot be asked: the request failed", False


def studies(archive: WebArchive, query: str = "") -> list[str]:
    """The Study Instance UIDs that match a query such as "StudyDate=20250101-20251231&ModalitiesInStudy=US", in the
    archive's order. Raises `ArchiveError`."""
    filters = parse_qs(query, keep_blank_values=True)
    most = filters.pop("limit", [""])[0]
    with opened(archive) as open_archive:
        found = [match[STUDY_UID] for match in matches(open_archive, "search_for_studies", filters, (STUDY_UID,))]
    return found[: int(most)] if most.isdigit() else found


def instances(archive: WebArchive, study: str) -> list[WebInstance]:
    """The files of a study. Raises `ArchiveError`."""
    with opened(archive) as open_archive:
        return instances_of(open_archive, study)


def instances_of(open_archive: OpenArchive, study: str) -> list[WebInstance]:
    """The files of a study, of an archive that is open."""
    check_uid(open_archive.archive, study)
    uids = (INSTANCE_UID, SERIES_UID)
    found = matches(open_archive, "search_for_instances", {}, uids, study_instance_uid=study)
    return [WebInstance(study, one[SERIES_UID], one[INSTANCE_UID], one.get(MODALITY, "")) for one in found]


def matches(
    open_archive: OpenArchive, search: str, filters: Mapping[str, list[str]], uids: tuple[str, ...], **where: str
) -> list[dict[str, str]]:
    """Every match of a search, page by page, as first values by tag; those with the same first of the `uids` count
    once. An archive that does not know of pages gives the same again, which ends it."""
    found: dict[str, dict[str, str]] = {}

    def page() -> list[dict[str, str]]:
        asked = {"limit": PAGE, "offset": len(found), "search_filters": dict(filters), **where}
        return [{tag: first_value(one, tag) for tag in one} for one in getattr(open_archive.client, search)(**asked)]

    while True:
        fresh = [one for one in tried(open_archive.archive, page) if one.get(uids[0]) not in found]
        for one in fresh:
            for uid in uids:
                check_uid(open_archive.archive, one.get(uid, ""))
            found[one[uids[0]]] = one
        if not fresh:
            return list(found.values())


def first_value(match: Mapping[str, Any], tag: str) -> str:
    """The first value of a tag in DICOM JSON as text; "" where it has none."""
    values = match[tag].get("Value") or [""]
    return values[0] if isinstance(values[0], str) else ""


def check_uid(archive: WebArchive, uid: str) -> None:
    """Raises `ArchiveError` for what is no UID, which must not become part of a path."""
    if not UID.fullmatch(uid) or len(uid) > LONGEST_UID:
        raise ArchiveError(f"the archive at {archive.place} lists something without a valid UID")


def fetch_study(
    archive: WebArchive, study: str, folder: Path, modalities: Collection[str] = (), progress: Progress = SILENT
) -> Path:
    """Fetches the files of a study into a folder, which is made, and returns it; what is there is not fetched again.

    With `modalities` it leaves out what says that it is of another, but for structured reports. Raises `ArchiveError`,
    and `RunError` where the folder cannot be written; what was fetched stays.
    """
    make_folder(folder)
    with opened(archive) as open_archive:
        every = instances_of(open_archive, study)
        kept = {*modalities, REPORTS, ""}
        wanted = [one for one in every if not modalities or one.modality in kept]
        missing = [one for one in wanted if not file_of(folder, one).exists()]
        with progress.task("fetching files of a study", len(missing)) as advance:
            for one in missing:
                fetch_instance(open_archive, one, file_of(folder, one))
                advance(1)
    return folder


def make_folder(folder: Path) -> None:
    """Makes a folder that the user alone can read; raises `RunError` where that cannot be done."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make {folder}: {error.strerror}") from None


def file_of(folder: Path, one: WebInstance) -> Path:
    """Where a file of a study is kept."""
    return folder / f"{one.instance}.dcm"


def fetch_instance(open_archive: OpenArchive, one: WebInstance, target: Path) -> None:
    """Fetches one file, whole or not at all, in the transfer syntax that it is stored in.

    Raises `ArchiveError`, and `RunError` where it cannot be written.
    """
    archive, session = open_archive.archive, open_archive.session
    url = f"{archive.url}/studies/{one.study}/series/{one.series}/instances/{one.instance}"
    headers = {"Accept": WADO, "Accept-Encoding": "identity"}

    def fetch() -> None:
        with session.get(url, headers=headers, stream=True, timeout=archive.patience) as response:
            response.raise_for_status()
            with written_whole(target) as temporary:
                with temporary.open("wb") as file:
                    for chunk in response.iter_content(CHUNK):
                        file.write(chunk)
                keep_only_part(temporary, response.headers.get("Content-Type", ""))
                check_instance(temporary, one)

    try:
        tried(archive, fetch)
    except OSError as error:
        raise RunError(f"cannot write {target.parent}: {error.strerror}") from None


def check_instance(path: Path, one: WebInstance) -> None:
    """Raises `OtherAnswerError` where a file is not the one that was asked for."""
    import pydicom

    try:
        header = pydicom.dcmread(path, specific_tags=["StudyInstanceUID", "SOPInstanceUID"], stop_before_pixels=True)
        found = (str(header.StudyInstanceUID), str(header.SOPInstanceUID))
    except Exception:  # whatever pydicom makes of it
        raise OtherAnswerError("answers with a file that is no DICOM") from None
    if found != (one.study, one.instance):
        raise OtherAnswerError("answers with another file than it was asked for")


def push(archive: WebArchive, paths: Sequence[Path]) -> None:
    """Stores DICOM files in an archive (STOW-RS), and makes sure that it says so of each; storing one twice is no
    error. Raises `ArchiveError`, and `RunError` where a file cannot be read."""
    import pydicom

    with opened(archive) as open_archive:
        for path in paths:
            try:
                dataset = pydicom.dcmread(path)
            except Exception:
                raise RunError(f"cannot read {path} as DICOM") from None
            push_one(open_archive, dataset)


def push_one(open_archive: OpenArchive, dataset: Any) -> None:
    """Stores one data set; where the answer does not name it, the archive is asked whether it is there."""
    archive, instance = open_archive.archive, str(dataset.SOPInstanceUID)

    answer = tried(archive, lambda: open_archive.client.store_instances([dataset]))
    for one in answer.get("FailedSOPSequence") or ():
        raise ArchiveError(f"the archive at {archive.place} did not store a file: {one.get('FailureReason', 0):#06x}")
    named = {str(one.get("ReferencedSOPInstanceUID")) for one in answer.get("ReferencedSOPSequence") or ()}
    if instance in named:
        return
    if instance not in {one.instance for one in instances_of(open_archive, str(dataset.StudyInstanceUID))}:
        raise ArchiveError(f"the archive at {archive.place} took a file and does not have it")
