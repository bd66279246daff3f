"""`fibrostage loop`: which exams to label next, asked of people and answered by them, for months."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, make_progress, print_json, show_caveats, tell
from fibrostage.cli.options import AsJson, Encoding, OwnCohort, PlanFile, RecipeName, Sets
from fibrostage.cli.render import show as show_table

if TYPE_CHECKING:
    from fibrostage.results.loop_report import TakenAnswers
    from fibrostage.results.rounds import Round

loop = typer.Typer(
    help="Ask people which stage an exam is, for months: the next exams, their answers, a model.", no_args_is_help=True
)

LoopFolder = Annotated[Path, typer.Argument(metavar="LOOP", help="A loop's folder.")]
Who = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so; the user's name if left out.")]
Url = Annotated[
    str | None,
    typer.Option("--ledger", metavar="URL", help="Where the ledger is in PostgreSQL (or set $FIBROSTAGE_LEDGER)."),
]


@loop.command()
def new(
    cohort: OwnCohort,
    target: Annotated[Path, typer.Option("--out", metavar="LOOP", help="A new folder.")],
    plan: PlanFile = None,
    recipe: RecipeName = None,
    sets: Sets = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Begin a loop: patients with a stage are known, those without may be asked about."""
    from fibrostage.api.plans import read_plan
    from fibrostage.loop.opened import begin
    from fibrostage.loop.status import status as found
    from fibrostage.plan.commands import LOOP

    progress = make_progress()
    data, source = read_plan(plan, LOOP, progress, recipe)
    with begin(cohort, target, data, sets or [], source, url, progress) as begun:
        show_caveats(begun.setting.cohort.caveats, begun.setting.cohort.simulated)
        stands = found(begun)
    if as_json:
        print_json(stands.as_dict())
    tell(f"{stands.patients} patients to ask about, {stands.known} with a stage; next: fibrostage loop next {target}")


@loop.command("next")
def next_(
    folder: LoopFolder,
    count: Annotated[
        int | None, typer.Option("-n", min=1, help="How many; a question that is open stays as it is.")
    ] = None,
    worklist: Annotated[Path | None, typer.Option(metavar="W.csv", help="A new CSV to be filled in.")] = None,
    sheet: Annotated[Path | None, typer.Option(metavar="DIR", help="A new folder: the pictures as a page.")] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """What to label next, and why. The same until it is answered; then the model is fitted and asks anew."""
    from fibrostage.loop.opened import open_loop
    from fibrostage.loop.questions import next_question
    from fibrostage.loop.reading import wanted
    from fibrostage.loop.worklist import write_sheet, write_worklist
    from fibrostage.views.loop import question_view

    with open_loop(folder, url, make_progress()) as opened:
        asked, closed = next_question(opened, count)
        if closed is not None:
            tell_round(closed)
        if worklist is not None:
            write_worklist(asked, worklist)
            tell(f"{worklist}: fill in 'stage', then: fibrostage loop answer {folder} {worklist}")
        if sheet is not None:
            tell(f"{write_sheet(opened, asked, sheet)}")
        over = opened.state.stopped
        again = len(wanted(opened.state, opened.setting.plan.loop.readers, {}))
    if as_json:
        print_json(asked.as_dict())
    elif asked.items:
        show_table(question_view(asked))
        if worklist is None:
            tell(f"to carry it to readers: --worklist W.csv --sheet DIR; then: fibrostage loop answer {folder} W.csv")
    elif again and not over:
        tell(f"{again} answers wait for another reader (loop.readers); or fit now: fibrostage loop fit {folder}")
    else:
        tell(f"the loop has ended: {over}" if over else "nobody is left to ask about; 'loop add' brings new exams")


@loop.command()
def answer(
    folder: LoopFolder,
    answers: Annotated[
        Path, typer.Argument(metavar="A.csv", help="patient_id or item; stage, unusable or unsure; comment if any.")
    ],
    who: Who = None,
    encoding: Encoding = "utf-8",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Tell a loop answers: to what was asked, or to what was not."""
    from fibrostage.loop.answers import read_answers, take
    from fibrostage.loop.opened import open_loop

    with open_loop(folder, url) as opened:
        read, blank = read_answers(answers, opened, encoding)
        taken = take(opened, read, named(who))
    if as_json:
        print_json(taken.as_dict())
    tell(answers_text(taken, blank))
    follow = f"fibrostage loop next {folder}" if not taken.waiting else f"fibrostage loop fit {folder}, or more answers"
    tell(f"{taken.waiting} still wait for an answer; next: {follow}")


@loop.command()
def fit(folder: LoopFolder, url: Url = None, as_json: AsJson = False) -> None:
    """Fit the model to all answers by now; what is unanswered stays asked for."""
    from fibrostage.loop.fitting import fit as fit_now
    from fibrostage.loop.opened import open_loop

    with open_loop(folder, url, make_progress()) as opened:
        closed = fit_now(opened)
    if as_json:
        print_json(dict(closed.as_row()))
    tell_round(closed)


@loop.command()
def status(folder: LoopFolder, url: Url = None, as_json: AsJson = False) -> None:
    """Labels, readers, cost, how well the model stages, and whether more labels are worth it."""
    from fibrostage.loop.opened import open_loop
    from fibrostage.loop.status import status as found
    from fibrostage.views.loop import curve_view, estimates_view, status_view

    with open_loop(folder, url) as opened:
        stands = found(opened)
    if as_json:
        print_json(stands.as_dict())
        return
    show_table(status_view(stands))
    if stands.estimates:
        show_table(estimates_view(stands))
    if stands.curve:
        show_table(curve_view(stands))
    tell(stands.sentence)


@loop.command()
def add(
    folder: LoopFolder,
    cohort: OwnCohort,
    recut: Annotated[
        bool,
        typer.Option("--recut", help="Its pictures take the place of those cut from the same frames before."),
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Bring new exams: a cohort joins, or is found again where it lies now. No pixel is copied."""
    from fibrostage.loop.joining import add as add_now

    joined = add_now(folder, cohort, url, make_progress(), recut)
    if as_json:
        print_json(joined.as_dict())
    if joined.moved:
        tell(f"cohort {joined.name} is in the loop, and lies in {cohort} now")
        return
    tell(
        f"{joined.patients} new patients, {joined.pictures} new pictures, {joined.again} that were there already; "
        f"{joined.stages} patients who were there have a new stage"
    )
    if joined.replaced:
        tell(f"{joined.replaced} pictures take the place of those that were cut from the same frames before")
    if joined.other_cuts:
        tell(f"{joined.other_cuts} pictures are other cuts of frames that the loop has already; --recut replaces those")
    for conflict in joined.conflicts:
        err.print(f"[yellow]two stages[/]: {conflict}; settle it: fibrostage loop settle", soft_wrap=True)
    for pair in joined.shared:
        err.print(f"[yellow]the same picture[/]: patients {pair}", soft_wrap=True)


@loop.command()
def settle(
    folder: LoopFolder,
    key: Annotated[str, typer.Argument(metavar="PATIENT", help="A patient's id, or an item.")],
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="The stage that stands, or 'unusable'.")],
    who: Who = None,
    url: Url = None,
) -> None:
    """Say which stage stands, where readings differ."""
    from fibrostage.loop.answers import settle as settle_now
    from fibrostage.loop.opened import open_loop

    with open_loop(folder, url) as opened:
        settle_now(opened, key, stage, named(who))
        left = len(opened.state.disputed)
    tell(f"{key}: {stage} stands, as {named(who)} says; {left} answers are in dispute")


@loop.command()
def withdraw(
    folder: LoopFolder,
    key: Annotated[str, typer.Argument(metavar="PATIENT", help="A patient's id, or an item.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    who: Who = None,
    url: Url = None,
) -> None:
    """Take an answer back; it stays in the ledger, and may be asked for again."""
    from fibrostage.loop.answers import withdraw as withdraw_now
    from fibrostage.loop.opened import open_loop

    with open_loop(folder, url) as opened:
        count = withdraw_now(opened, key, named(who), reason)
    tell(f"{count} answers to {key} withdrawn")


@loop.command()
def export(
    folder: LoopFolder,
    target: Annotated[Path, typer.Option("--out", help="A new .csv (the answers that stand) or .jsonl (every event).")],
    readings: Annotated[
        bool, typer.Option("--readings", help="Every reading of every reader instead, for 'fibrostage readers'.")
    ] = False,
    boxes: Annotated[
        bool, typer.Option("--boxes", help="The boxes that readers drew anew instead, in stored pixels.")
    ] = False,
    url: Url = None,
) -> None:
    """Write the answers out, with who gave them and when."""
    from fibrostage.ledger.export import export as write
    from fibrostage.loop.opened import open_loop
    from fibrostage.loop.readings_table import write_boxes, write_readings

    if readings or boxes:
        with open_loop(folder, url) as opened:
            written = write_boxes(opened, folder, target, url) if boxes else write_readings(opened, target)
        tell(f"{written} {'boxes' if boxes else 'readings'} in {target}")
        return
    count, sound = write(folder, target, url)
    if not sound:
        err.print("[yellow]the ledger is damaged[/]: this is everything before the damage")
    tell(f"{count} {'events' if target.suffix == '.jsonl' else 'answers'} in {target}")


@loop.command()
def stop(
    folder: LoopFolder,
    reason: Annotated[str, typer.Option(help="Why.")],
    who: Who = None,
    url: Url = None,
) -> None:
    """End a loop: a last model is fitted that learns from the audits too."""
    from fibrostage.loop.fitting import stop as stop_now
    from fibrostage.loop.opened import open_loop

    with open_loop(folder, url, make_progress()) as opened:
        closed = stop_now(opened, named(who), reason)
    if closed is not None:
        tell_round(closed)
    tell(f"the loop has ended; stage with its model: fibrostage predict {folder} COHORT --out P.csv")


def named(who: str | None) -> str:
    """Who speaks: as told, or the user of this computer."""
    if who is not None:
        return who
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def tell_round(closed: Round) -> None:
    """What a fit was made of."""
    tell(f"fitted to {closed.items} answers after round {closed.round}; where it stands: fibrostage loop status")


def answers_text(taken: TakenAnswers, blank: int) -> str:
    """What became of answers, in a line."""
    parts = [f"{taken.asked} answers to what was asked"]
    parts += [f"{taken.unasked} to what was not"] if taken.unasked else []
    parts += [f"{taken.again} further readings"] if taken.again else []
    parts += [f"{taken.repeated} told before"] if taken.repeated else []
    parts += [f"{taken.unusable} unusable"] if taken.unusable else []
    parts += [f"{taken.unsure} unsure"] if taken.unsure else []
    parts += [f"{blank} rows without a stage yet"] if blank else []
    parts += [f"in dispute: {', '.join(taken.disputed)}"] if taken.disputed else []
    return "; ".join(parts)


COMMAND = Command("loop", "Ask and label", loop)
