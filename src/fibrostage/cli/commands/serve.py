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


Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A run's or a model's folder, or a model on the hub.")]
Host = Annotated[str, typer.Option(help="Where to listen; others than this computer need TLS.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port.")]
Cert = Annotated[Path | None, typer.Option(metavar="PEM", help="A certificate, with --key.")]
Key = Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")]
Proxy = Annotated[bool, typer.Option(help="A proxy before the service encrypts.")]
TokenFile = Annotated[Path | None, typer.Option(help="Tokens of who may ask, one a line (or $FIBROSTAGE_TOKENS).")]
OpenMetrics = Annotated[bool, typer.Option("--open-metrics", help="/metrics without a token.")]
Docs = Annotated[bool, typer.Option("--docs", help="A page about the addresses at /docs.")]
Keep = Annotated[Path | None, typer.Option(metavar="DIR", help="Keep each answer here, as JSON.")]
Seconds = Annotated[float, typer.Option("--timeout", min=1, help="Seconds that an exam may take.")]
Waiting = Annotated[int, typer.Option("--queue", min=1, help="Requests that may wait.")]
Megabytes = Annotated[float, typer.Option("--max-mb", min=0.01, help="MB of a request.")]
Files = Annotated[int, typer.Option("--max-files", min=1, help="Files of a request.")]
Readers = Annotated[int | None, typer.Option(min=1, help="Processes that read exams; one a core, up to four.")]
Together = Annotated[int, typer.Option("--together", min=1, help="Pictures staged in one pass, about.")]
IntakeKey = Annotated[Path | None, typer.Option(help="The key of intake, for its pseudonyms (or $FIBROSTAGE_KEY).")]
Unmasked = Annotated[bool, typer.Option("--accept-unmasked", help="Take pictures that may have names burned in.")]
Coverage = Annotated[float | None, typer.Option(help="How often the possible stages are to hold the true one.")]
Npv = Annotated[float | None, typer.Option(help="How often a cut that is ruled out is to be so.")]
Ppv = Annotated[float | None, typer.Option(help="How often a cut that is ruled in is to be so.")]


def serve(
    run: Model,
    host: Host = "127.0.0.1",
    port: Port = 8480,
    cert: Cert = None,
    key: Key = None,
    behind_proxy: Proxy = False,
    token_file: TokenFile = None,
    open_metrics: OpenMetrics = False,
    docs: Docs = False,
    keep: Keep = None,
    seconds: Seconds = 120,
    waiting: Waiting = 16,
    megabytes: Megabytes = 512,
    files: Files = 500,
    readers: Readers = None,
    pictures: Together = 64,
    intake_key: IntakeKey = None,
    accept_unmasked: Unmasked = False,
    coverage: Coverage = None,
    npv: Npv = None,
    ppv: Ppv = None,
) -> None:
    """Keep a model open, and stage the exams that programs send it over HTTP.

    \f
    Raises `RunError` where the extra is not installed, or it would answer strangers or be open to eavesdroppers.
    """
    try:
        from fibrostage.serve.limits import PATIENCE, Limits, readers_here
        from fibrostage.serve.listen import Listening, ServiceSettings, check_settings, lasting_key
        from fibrostage.serve.listen import serve as answer_all
        from fibrostage.serve.rest import RestSettings
        from fibrostage.serve.tokens import read_tokens
    except ImportError as error:
        raise RunError(f"{NEEDS} ({error.name} is missing)") from None
    tokens = read_tokens(token_file, os.environ)
    at = Listening(host, port, cert, key, behind_proxy)
    limits = Limits(megabytes, files, PATIENCE, waiting, seconds, readers or readers_here(), pictures)
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
