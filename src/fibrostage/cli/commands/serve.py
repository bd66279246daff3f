"""`fibrostage serve`: a model that answers over HTTP."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, tell
from fibrostage.ground.errors import RunError

if TYPE_CHECKING:
    from fibrostage.deploy.station import Station
    from fibrostage.serve.listen import ServiceSettings

NEEDS = "the service needs more packages: install fibrostage with its extra [serve]"


def serve(
    run: Annotated[Path, typer.Argument(metavar="MODEL", help="A run's or a model's folder, or a model on the hub.")],
    host: Annotated[str, typer.Option(help="Where to listen; others than this computer need TLS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8480,
    cert: Annotated[Path | None, typer.Option(metavar="PEM", help="A certificate, with --key.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    behind_proxy: Annotated[bool, typer.Option(help="A proxy before the service encrypts.")] = False,
    token_file: Annotated[
        Path | None, typer.Option(help="Tokens of who may ask, one a line (or $FIBROSTAGE_TOKENS).")
    ] = None,
    open_metrics: Annotated[bool, typer.Option("--open-metrics", help="/metrics without a token.")] = False,
    docs: Annotated[bool, typer.Option("--docs", help="A page about the addresses at /docs.")] = False,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep each answer here, as JSON.")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that an exam may take.")] = 120,
    waiting: Annotated[int, typer.Option("--queue", min=1, help="Requests that may wait.")] = 16,
    megabytes: Annotated[float, typer.Option("--max-mb", min=0.01, help="MB of a request.")] = 512,
    files: Annotated[int, typer.Option("--max-files", min=1, help="Files of a request.")] = 500,
    readers: Annotated[
        int | None, typer.Option(min=1, help="Exams read at once, each by a process; one a core, up to four.")
    ] = None,
    pictures: Annotated[int, typer.Option("--together", min=1, help="Pictures staged in one pass, about.")] = 64,
    intake_key: Annotated[
        Path | None, typer.Option(help="The key of intake, for its pseudonyms (or $FIBROSTAGE_KEY).")
    ] = None,
    accept_unmasked: Annotated[
        bool, typer.Option("--accept-unmasked", help="Take pictures that may have names burned into them.")
    ] = False,
    coverage: Annotated[
        float | None, typer.Option(help="How often the set of possible stages is to hold the true one.")
    ] = None,
    npv: Annotated[float | None, typer.Option(help="How often a cut that is ruled out is to be so.")] = None,
    ppv: Annotated[float | None, typer.Option(help="How often a cut that is ruled in is to be so.")] = None,
) -> None:
    """Keep a model open, and stage the exams that programs send it over HTTP.

    \f
    Raises `RunError` where the extra is not installed, or it would answer strangers or be open to eavesdroppers.
    """
    try:
        from fibrostage.serve.limits import Limits, readers_here
        from fibrostage.serve.listen import Listening, ServiceSettings, check_settings, lasting_key
        from fibrostage.serve.listen import serve as answer_all
        from fibrostage.serve.rest import RestSettings
        from fibrostage.serve.tokens import read_tokens
    except ImportError as error:
        raise RunError(f"{NEEDS} ({error.name} is missing)") from None
    tokens = read_tokens(token_file, os.environ)
    at = Listening(host, port, cert, key, behind_proxy)
    limits = Limits(
        megabytes, files, waiting=waiting, seconds=timeout, readers=readers or readers_here(), pictures=pictures
    )
    rest = RestSettings(tokens, lasting_key(intake_key), keep, accept_unmasked, open_metrics, docs)
    settings = ServiceSettings(at, limits, rest)
    check_settings(settings)
    station = opened_station(run, coverage=coverage, npv=npv, ppv=ppv)
    announce(station, settings)
    answer_all(station, settings)


def opened_station(run: Path, **asked: float | None) -> Station:
    """The model, asked for other values than its own where they are given."""
    from fibrostage.deploy.station import open_station

    station = open_station(run)
    return replace(station, asked=replace(station.asked, decision=station.asked.decision.asked_for(**asked)))


def announce(station: Station, settings: ServiceSettings) -> None:
    """Says where the service is, for whom, and what of it is not to be believed."""
    from fibrostage.deploy.station import is_simulated

    err.print(
        f"exams are answered at {settings.listening.address}/exams (Ctrl-C ends it)", markup=False, soft_wrap=True
    )
    if is_simulated(station):
        err.print(f"[yellow]{SIMULATED}[/]: this model learned from patients who do not exist.")
    err.print(RESEARCH_USE, markup=False, soft_wrap=True)
    if not settings.rest.tokens.digests:
        err.print("whoever is on this computer may ask: no token was given (--token-file)", soft_wrap=True)
    if settings.rest.key is None:
        tell("pseudonyms are the same for as long as the service runs; with --intake-key, for good")


COMMAND = Command("serve", "Train and stage", serve)
