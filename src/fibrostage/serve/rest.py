"""Exams over HTTP: what each address answers. Nothing of an exam outlives its answer, unless answers are to be kept."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from fibrostage import RESEARCH_USE, __version__
from fibrostage.deploy.answers import Wanted
from fibrostage.deploy.station import ExamAnswer, Station
from fibrostage.ground.errors import FibrostageError, IntakeError
from fibrostage.ground.files import Json, write_json
from fibrostage.learn.model import is_simulated
from fibrostage.serve.counters import Counters
from fibrostage.serve.envelope import Envelope
from fibrostage.serve.limits import FullError, TooLongError
from fibrostage.serve.queue import ExamQueue, WaitingExam
from fibrostage.serve.schema import AnswerShape, HealthShape, RefusalShape, VersionShape
from fibrostage.serve.tokens import Tokens
from fibrostage.serve.uploads import FILES, IMAGES, Upload, received

if TYPE_CHECKING:
    from pydicom import Dataset

LOG = logging.getLogger("fibrostage.serve")
EXAMS = "/exams"
OFTEN = 0.25  # seconds between looks at whether an exam takes too long
SOON = 5  # seconds after which to ask again
NEEDS_TABLE = (
    "this model cannot tell whose picture a file is and of what: send 'images', a CSV (file, patient_id, modality)"
)
GONE = 499  # as others log a client that did not wait
BEARER = HTTPBearer(auto_error=False, description="One of the service's tokens.")
BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FILES],
                "properties": {
                    FILES: {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "format": "binary"},
                        "description": "DICOM files, PNG, JPEG, BMP, TIFF or JPEG XL pictures, videos.",
                    },
                    IMAGES: {
                        "type": "string",
                        "description": "A CSV (file, patient_id, modality, …) of pictures that do not say it.",
                    },
                },
            }
        }
    },
}


@dataclass(frozen=True)
class RestSettings:
    """Who may ask, what ids are hashed with (`key`), and where answers are kept, if anywhere."""

    tokens: Tokens = Tokens()  # noqa: RUF009
    key: Path | None = None
    keep: Path | None = None
    accept_unmasked: bool = False
    open_metrics: bool = False
    docs: bool = False


@dataclass
class Service:
    """What the addresses answer from; `coming` are the requests that are being received."""

    queue: ExamQueue
    counters: Counters
    settings: RestSettings
    simulated: bool | None
    coming: int = 0

    @property
    def station(self) -> Station:
        return self.queue.station

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among those who send or wait; raises `FullError` where there is none."""
        if self.coming + self.queue.waiting >= self.queue.limits.waiting:
            raise FullError("as many send or wait as may; ask again in a while")
        self.coming += 1
        try:
            yield
        finally:
            self.coming -= 1


def service_of(request: Request) -> Service:
    """The service behind the addresses."""
    service: Service = request.app.state.service
    return service


Here = Annotated[Service, Depends(service_of)]


def allowed(service: Here, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
    """Raises 401 for who brings no token of the service's."""
    if not service.settings.tokens.admit(bearer.credentials if bearer else None):
        raise HTTPException(401, "bring a token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})


def allowed_to_count(service: Here, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
    """The same, unless everybody may see the counts."""
    if not service.settings.open_metrics:
        allowed(service, bearer)


REFUSALS = {
    401: "no token, or a wrong one", 408: "the body stopped coming", 413: "more than may be sent at once",
    415: "not multipart/form-data", 422: "what came cannot be read", 503: "too many wait already",
    504: "it took too long",
}  # fmt: skip
api = APIRouter(responses={code: {"model": RefusalShape, "description": text} for code, text in REFUSALS.items()})
open_api = APIRouter()


@api.post(EXAMS, response_model=AnswerShape, openapi_extra={"requestBody": BODY}, dependencies=[Depends(allowed)])
async def exams(
    service: Here,
    request: Request,
    pages: Annotated[bool, Query(description="Add a page a patient, HTML.")] = False,
    reports: Annotated[bool, Query(description="Add a DICOM structured report a patient.")] = False,
    ids: Annotated[bool, Query(description="Add the ids that the files give their patients.")] = False,
) -> Response:
    """Stages the patients of the files that come; they are gone once the answer is."""
    try:
        with service.place():
            upload, one = await handed_over(request, service, Wanted(pages, reports, ids))
        try:
            answer = await answer_to(one, request, service.queue)
        except FibrostageError as error:
            return refusal(error, upload)
    except ClientDisconnect:
        return Response(status_code=GONE)
    headers = {} if service.settings.keep is None else await run_in_threadpool(keep, answer, service.settings.keep)
    return JSONResponse(await run_in_threadpool(told, answer, upload, pages, reports), headers=headers)


@open_api.get("/health", responses={503: {"model": RefusalShape, "description": "nothing is answered"}})
def health(service: Here) -> HealthShape:
    """Whether exams are answered; for whoever watches the service."""
    trouble = service.queue.trouble()
    if trouble is not None:
        raise HTTPException(503, trouble)
    return HealthShape(status="ok")


@api.get("/version", dependencies=[Depends(allowed)])
def version(service: Here) -> VersionShape:
    """Who answers: the model, its stages and modalities."""
    model, staging = service.station.model, service.station.model.staging
    stages = {"name": staging.name, "classes": list(staging.classes), "cuts": list(staging.cuts)}
    return VersionShape.model_validate(
        {
            "version": __version__,
            "model": service.station.asked.name,
            "digest": model.digest,
            "staging": stages,
            "modalities": list(model.plan.fused),
            "simulated": service.simulated,
            "notice": RESEARCH_USE,
        }
    )


@api.get("/metrics", dependencies=[Depends(allowed_to_count)], response_class=Response)
def metrics(service: Here) -> Response:
    """The service's counts, as Prometheus reads them."""
    text, kind = service.counters.text()
    return Response(text, media_type=kind)


async def handed_over(request: Request, service: Service, wanted: Wanted) -> tuple[Upload, WaitingExam]:
    """Receives what a request sends, and has it answered; its folder goes away once nobody reads it any more. Raises
    what `received` and `ExamQueue.ask` raise, `IntakeError` where a table is needed, `FullError` where there is no
    room."""
    folder = Path(await run_in_threadpool(tempfile.mkdtemp, prefix="upload-", dir=service.queue.folder))
    remove = partial(shutil.rmtree, folder, ignore_errors=True)
    try:
        upload = await received(request, folder, service.queue.limits)
        if upload.images is None and not service.station.read.rule:
            raise IntakeError(NEEDS_TABLE)
        exams = await run_in_threadpool(upload.exams, service.settings.key, service.settings.accept_unmasked)
        return upload, service.queue.ask(exams, wanted, remove)
    except BaseException as error:
        await run_in_threadpool(remove)
        if isinstance(error, OSError):
            LOG.error("an exam could not be stored: %s", error.strerror)
            raise FullError("there is no room for what came; ask again in a while") from None
        raise


async def answer_to(one: WaitingExam, request: Request, queue: ExamQueue) -> ExamAnswer:
    """Waits for an answer. Raises `TooLongError` where it takes too long, `ClientDisconnect` where the client does not
    wait, and what comes in place of an answer."""
    coming, gone = asyncio.wrap_future(one.answer), asyncio.ensure_future(until_gone(request))
    either: set[asyncio.Future[ExamAnswer] | asyncio.Future[None]] = {coming, gone}
    try:
        while not coming.done():
            await asyncio.wait(either, timeout=OFTEN, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and not coming.done():
                raise ClientDisconnect
            if one.seconds() > queue.limits.seconds and not coming.done():
                raise TooLongError(f"it took longer than {queue.limits.seconds:g} s; send less at once")
        return coming.result()
    finally:
        gone.cancel()
        if not coming.done():
            queue.give_up(one)


async def until_gone(request: Request) -> None:
    """Waits until the client is gone; its body has come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def refusal(error: FibrostageError, upload: Upload) -> JSONResponse:
    """What a client hears in place of an answer, about its files by its names."""
    if isinstance(error, FullError):
        return cannot(error)
    return JSONResponse({"detail": upload.by_name(str(error))}, 504 if isinstance(error, TooLongError) else 422)


def cannot(error: FibrostageError) -> JSONResponse:
    """What a client hears before it sent a file."""
    full = isinstance(error, FullError)
    return JSONResponse({"detail": str(error)}, 503 if full else 422, {"Retry-After": str(SOON)} if full else None)


def told(answer: ExamAnswer, upload: Upload, pages: bool, reports: bool) -> dict[str, Json]:
    """An answer as JSON, about the client's files by its names."""
    named = {written: upload.names.get(path.name, written) for written, path in answer.files.items()}
    refused = tuple(
        (upload.by_name(named.get(file, file)), upload.by_name(reason)) for file, reason in answer.found.refused
    )
    content = replace(answer, found=replace(answer.found, refused=refused)).as_dict()
    failed = {patient: upload.by_name(reason) for patient, reason in answer.failed.items()}
    if pages:
        content["pages"] = dict(answer.pages)
    if reports:
        files, unwritten = in_base64(answer.reports)
        content["reports"], failed = files, failed | unwritten
    return content | ({"failed": failed} if pages or reports else {})


def in_base64(reports: Mapping[str, Dataset]) -> tuple[dict[str, str], dict[str, str]]:
    """By patient the bytes of a report's DICOM file, in base64; and why one cannot be written."""
    from fibrostage.dicom.stage_report import file_of

    files, failed = {}, {}
    for patient, report in reports.items():
        try:
            files[patient] = base64.b64encode(file_of(report)).decode("ascii")
        except FibrostageError as error:
            failed[patient] = str(error)
    return files, failed


def keep(answer: ExamAnswer, folder: Path) -> Mapping[str, str]:
    """Writes an answer under a number of its own, by pseudonyms alone; returns a header with the number."""
    number = secrets.token_hex(16)
    try:
        write_json(folder / f"{number}.json", replace(answer, found=replace(answer.found, given=None)).as_dict())
    except FibrostageError:
        LOG.error("an answer could not be kept; is there room, and may it be written?")
        return {}
    return {"Answer-Number": number}


def make_app(queue: ExamQueue, counters: Counters, settings: RestSettings, tls: bool = False) -> FastAPI:
    """The addresses before a queue."""
    app = FastAPI(
        title="fibrostage serve", version=__version__, description=RESEARCH_USE,
        docs_url="/docs" if settings.docs else None, redoc_url=None,
    )  # fmt: skip
    app.state.service = Service(queue, counters, settings, is_simulated(queue.station.model))
    app.add_middleware(Envelope, counters=counters, counted=EXAMS, tls=tls)
    app.include_router(api)
    app.include_router(open_api)

    @app.exception_handler(FibrostageError)
    def _cannot(_request: Request, error: FibrostageError) -> JSONResponse:
        return cannot(error)

    @app.exception_handler(RequestValidationError)
    def _not_so(_request: Request, error: RequestValidationError) -> JSONResponse:
        words = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
        return JSONResponse({"detail": words}, 422)

    return app
