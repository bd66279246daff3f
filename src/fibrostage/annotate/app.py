"""The page itself: what each address answers. Pages are rendered here; what changes something needs the session's
token as well."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, File, Form, Header, HTTPException, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader, select_autoescape
from pydantic import BaseModel, ConfigDict, Field

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.annotate.accounts import Session
from fibrostage.annotate.desk import Desk, NotYoursError, Told
from fibrostage.annotate.lead import agreement_of_readers, lead_view, preview_of, timeline
from fibrostage.annotate.security import LARGEST, Guard, Patience
from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import FibrostageError, RunError
from fibrostage.ledger.export import HEADER as ANSWER_COLUMNS
from fibrostage.ledger.export import answer_rows
from fibrostage.ledger.ledger import read_events
from fibrostage.loop.answers import Answer, read_answers
from fibrostage.loop.status import status

HERE = Path(__file__).parent
COOKIE = "fibrostage"
SHA = re.compile(r"[0-9a-f]{64}")
PAGES = Environment(loader=PackageLoader("fibrostage.annotate"), autoescape=select_autoescape(default=True))
Token = Annotated[str, Field(min_length=1, max_length=100)]
Side = Annotated[int, Field(ge=0, le=10_000)]


class TokenBody(BaseModel):
    """An exam, by its token."""

    model_config = ConfigDict(extra="forbid")
    token: Token


class AnswerBody(TokenBody):
    """An answer to an exam."""

    stage: str = Field(min_length=1, max_length=40)
    comment: str = Field("", max_length=2000)
    reason: str = Field("", max_length=200)
    seconds: float | None = Field(None, ge=0, le=1e6, allow_inf_nan=False)
    boxes: dict[str, tuple[Side, Side, Side, Side]] = Field(default_factory=dict, max_length=200)


class SettleBody(BaseModel):
    """Which stage of a disputed item stands."""

    model_config = ConfigDict(extra="forbid")
    item: str = Field(min_length=1, max_length=200)
    stage: str = Field(min_length=1, max_length=40)


def desk_of(request: Request) -> Desk:
    """The desk behind the page."""
    desk: Desk = request.app.state.desk
    return desk


def session_of(request: Request) -> Session:
    """Who is asking; raises 401 for nobody."""
    found = desk_of(request).accounts.session(request.cookies.get(COOKIE))
    if found is None:
        raise HTTPException(401, "log in first")
    return found


Here = Annotated[Desk, Depends(desk_of)]
Who = Annotated[Session, Depends(session_of)]


def meant(session: Who, x_csrf_token: Annotated[str, Header(max_length=100)] = "") -> Session:
    """Who is asking, and means it: the session's token came along. Raises 403 where it did not."""
    if x_csrf_token != session.csrf:
        raise HTTPException(403, "this did not come from your page; load it again")
    return session


def meant_by_form(session: Who, csrf: Annotated[str, Form(max_length=100)] = "") -> Session:
    """The same of a form."""
    return meant(session, csrf)


Meant = Annotated[Session, Depends(meant)]
MeantByForm = Annotated[Session, Depends(meant_by_form)]


def may(session: Session, *roles: str) -> None:
    """Raises 403 for who has none of these roles."""
    if session.reader.role not in roles:
        raise HTTPException(403, f"this is for {' and '.join(roles)}; you are {session.reader.role}")


def page(desk: Desk, name: str, session: Session | None = None, code: int = 200, **more: Any) -> HTMLResponse:
    """A page by its template."""
    cohort = desk.loop.setting.cohort
    text = PAGES.get_template(name).render(
        session=session, classes=desk.loop.classes, notice=RESEARCH_USE, caveats=cohort.caveats,
        simulated=SIMULATED if cohort.simulated else "", **more,
    )  # fmt: skip
    return HTMLResponse(text, code)


api = APIRouter(prefix="/api")
pages = APIRouter(include_in_schema=False)


@api.post("/answer")
def answer(desk: Here, session: Meant, body: AnswerBody) -> dict[str, Any]:
    """Stores an answer to an exam of one's own; returns what the model thinks, where readers are told."""
    told = Told(body.stage, body.comment, body.reason, body.seconds, body.boxes)
    return {"stored": True, "model": desk.answer(session.reader.name, body.token, told)}


@api.post("/skip")
def skip(desk: Here, session: Meant, body: TokenBody) -> dict[str, bool]:
    """Puts an exam of one's own off."""
    desk.skip(session.reader.name, body.token)
    return {"skipped": True}


@api.post("/undo")
def undo(desk: Here, session: Meant) -> dict[str, bool]:
    """Takes back one's last answer; the exam is open again."""
    return {"undone": desk.undo(session.reader.name) is not None}


@api.post("/settle")
def settle(desk: Here, session: Meant, body: SettleBody) -> dict[str, bool]:
    """Says which stage stands where readers differ; for adjudicators and leads."""
    may(session, "adjudicator", "lead")
    desk.settle(body.item, body.stage, session.reader.name)
    return {"settled": True}


@api.post("/fit")
def fit(desk: Here, session: Meant) -> dict[str, bool]:
    """Has a model fitted while people go on reading; for leads."""
    may(session, "lead")
    desk.fit()
    return {"fitting": True}


@api.get("/status")
def loop_status(desk: Here, session: Who) -> dict[str, Any]:
    """Where the loop stands; for leads."""
    may(session, "lead")
    with desk.lock:
        desk.tick()
        return {**status(desk.loop).as_dict(), "fitting": desk.background.busy, "fault": desk.fault}


@pages.get("/")
def home(desk: Here, request: Request) -> Response:
    """Where somebody belongs."""
    session = desk.accounts.session(request.cookies.get(COOKIE))
    if session is None:
        return RedirectResponse("/login", 303)
    return RedirectResponse({"lead": "/lead", "adjudicator": "/disputes"}.get(session.reader.role, "/read"), 303)


@pages.get("/login")
def login_page(desk: Here) -> Response:
    """The page to log in on."""
    return page(desk, "login.html")


@pages.post("/login")
def login(
    desk: Here,
    request: Request,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Logs in; after ten failures of a name or an address in ten minutes nobody is listened to."""
    patience: Patience = request.app.state.patience
    keys = f"at {request.client.host if request.client else ''}", f"name {name.strip()[:80]}"
    if patience.exhausted(*keys):
        return page(desk, "login.html", code=429, fault="Too many attempts; wait ten minutes.")
    reader = desk.accounts.check(name, password)
    if reader is None:
        patience.failed(*keys)
        return page(desk, "login.html", code=401, fault="Name and password do not belong together.")
    return logged_in(desk, request, desk.accounts.begin_session(reader))


def logged_in(desk: Desk, request: Request, token: str) -> Response:
    """Sends somebody home with a session."""
    response = RedirectResponse("/", 303)
    secure: bool = request.app.state.tls
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/")
    return response


@pages.get("/join/{token}")
def join_page(desk: Here, token: str) -> Response:
    """Where a one-time link leads: choose a password."""
    reader = desk.accounts.invited(token)
    if reader is None:
        return page(desk, "login.html", code=404, fault="This link was used, or has run out; ask the lead for another.")
    return page(desk, "join.html", reader=reader, token=token)


@pages.post("/join/{token}")
def join(desk: Here, request: Request, token: str, password: Annotated[str, Form(max_length=1000)]) -> Response:
    """Sets a password, and logs in."""
    reader = desk.accounts.invited(token)
    try:
        accepted = desk.accounts.accept(token, password)
    except FibrostageError as error:
        if reader is None:
            return page(desk, "login.html", code=404, fault=str(error))
        return page(desk, "join.html", code=422, reader=reader, token=token, fault=str(error))
    return logged_in(desk, request, desk.accounts.begin_session(accepted))


@pages.post("/logout")
def logout(desk: Here, request: Request, _: MeantByForm) -> Response:
    """Logs out."""
    desk.accounts.end_session(request.cookies.get(COOKIE))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/")
    return response


@pages.get("/read")
def reading(desk: Here, session: Who) -> Response:
    """The reading screen."""
    return page(desk, "read.html", session, exam=desk.exam(session.reader.name))


@pages.get("/exam")
def exam(desk: Here, session: Who, after: Annotated[str, Query(max_length=100)] = "") -> Response:
    """An exam as a part of the reading screen: the open one, or the one to follow `after`."""
    found = desk.exam(session.reader.name, after)
    return page(desk, "exam.html", session, exam=found) if found else Response(status_code=204)


@pages.get("/picture/{sha}")
def picture(desk: Here, session: Who, sha: str) -> Response:
    """A picture of an exam that the reader was given; of any, for who settles and who leads."""
    if not SHA.fullmatch(sha):
        raise HTTPException(404, "no such picture")
    sees_all = session.reader.role in ("adjudicator", "lead")
    found = desk.any_picture(sha) if sees_all else desk.picture(session.reader.name, sha)
    if found is None:
        raise HTTPException(404, "no such picture")
    return Response(found, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@pages.get("/disputes")
def disputes(desk: Here, session: Who) -> Response:
    """What readers differ on, for who settles it."""
    may(session, "adjudicator", "lead")
    return page(desk, "disputes.html", session, exams=desk.disputes())


@pages.get("/lead")
def lead(desk: Here, session: Who, done: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Progress, readers, agreement, the curve, the next worklist, and what can be done."""
    may(session, "lead")
    with desk.lock:
        seen = {**lead_view(desk), "agreement": agreement_of_readers(desk.loop)}
    return page(desk, "lead.html", session, done=done, **seen)


@pages.get("/lead/events")
def events(desk: Here, session: Who) -> Response:
    """The audit trail: every event of the ledger."""
    may(session, "lead")
    return page(desk, "events.html", session, events=timeline(desk))


@pages.get("/lead/worklist")
def worklist(desk: Here, session: Who) -> Response:
    """What waits for an answer, with pictures, to be printed."""
    may(session, "lead")
    return page(desk, "worklist.html", session, rows=desk.waiting())


@pages.get("/lead/answers.csv")
def answers_csv(desk: Here, session: Who) -> Response:
    """The answers that stand, as 'loop export' writes them."""
    may(session, "lead")
    text = csv_text(ANSWER_COLUMNS, answer_rows(read_events(desk.folder, desk.url)))
    headers = {"Content-Disposition": 'attachment; filename="answers.csv"'}
    return PlainTextResponse(text, media_type="text/csv", headers=headers)


@pages.post("/lead/import")
def import_answers(
    desk: Here,
    session: MeantByForm,
    table: Annotated[UploadFile | None, File()] = None,
    text: Annotated[str, Form(max_length=LARGEST)] = "",
    sure: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Answers of a table, histology say: first what would change, then, once that was seen, taken."""
    may(session, "lead")
    if table is not None and table.size:
        text = table.file.read().decode("utf-8", errors="replace")
    try:
        answers, blank = answers_in(desk, text)
        preview = preview_of(desk, answers)
        if sure == preview.digest and not preview.problems:
            taken = desk.take(answers, session.reader.name)
            return RedirectResponse(f"/lead?done={taken.asked + taken.unasked + taken.again} answers taken", 303)
    except FibrostageError as error:
        return page(desk, "import.html", session, code=422, fault=str(error))
    return page(desk, "import.html", session, preview=preview, blank=blank, text=text)


def answers_in(desk: Desk, text: str) -> tuple[list[Answer], int]:
    """The answers of an uploaded table, and how many rows have no stage; raises `RunError` as `read_answers` does."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "answers.csv"
        source.write_text(text, encoding="utf-8")
        try:
            with desk.lock:
                return read_answers(source, desk.loop)
        except FibrostageError as error:
            raise RunError(str(error).replace(str(source), "the table")) from None


@pages.post("/lead/invite")
def invite(
    desk: Here, session: MeantByForm, name: Annotated[str, Form(max_length=200)], role: Annotated[str, Form()]
) -> Response:
    """A one-time link for a reader."""
    may(session, "lead")
    token = desk.accounts.invite(name, role)
    return page(desk, "invited.html", session, invited=name, link=f"/join/{token}")


@pages.post("/lead/stop")
def stop(desk: Here, session: MeantByForm, reason: Annotated[str, Form(min_length=1, max_length=200)]) -> Response:
    """Ends the loop."""
    may(session, "lead")
    desk.stop(session.reader.name, reason)
    return RedirectResponse("/lead?done=the loop has ended", 303)


def make_app(desk: Desk, tls: bool = False, patience: Patience | None = None) -> FastAPI:
    """The page over a desk; with `tls`, cookies are for encrypted connections alone."""
    app = FastAPI(title="fibrostage annotate", docs_url=None, redoc_url=None)
    app.state.desk, app.state.tls, app.state.patience = desk, tls, patience or Patience()
    app.add_middleware(Guard, tls=tls)
    app.include_router(api)
    app.include_router(pages)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")

    @app.exception_handler(NotYoursError)
    def not_yours(_request: Request, error: NotYoursError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 409)

    @app.exception_handler(FibrostageError)
    def cannot(_request: Request, error: FibrostageError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.exception_handler(401)
    def nobody(request: Request, _error: Exception) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "") and request.method == "GET"
        return RedirectResponse("/login", 303) if wants_page else JSONResponse({"detail": "log in first"}, 401)

    return app
