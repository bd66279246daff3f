"""`fibrostage serve`: a model that answers over HTTP, and as a DICOM node."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, tell
from fibrostage.ground.errors import PlanError, RunError

if TYPE_CHECKING:
    from fibrostage.deploy.station import Station
    from fibrostage.serve.listen import ServiceSettings
    from fibrostage.serve.node import NodeSettings

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
DicomPort = Annotated[int | None, typer.Option(min=1, max=65535, help="Be a DICOM node too, at this port.")]
Title = Annotated[str, typer.Option("--ae-title", help="What the node is called.")]
Allow = Annotated[
    list[str] | None, typer.Option("--allow", metavar="AET[@HOST]", help="Who may send studies (repeat for several).")
]
SendTo = Annotated[
    str | None, typer.Option("--send-to", metavar="AET@HOST:PORT", help="Where reports go back by C-STORE.")
]
DicomWeb = Annotated[str | None, typer.Option("--dicomweb", metavar="URL", help="Or where they go over DICOMweb.")]
SpoolFolder = Annotated[
    Path | None, typer.Option("--spool", metavar="DIR", help="Where studies wait, on a lasting disk.")
]
QuietFor = Annotated[
    float, typer.Option("--quiet-for", min=0, metavar="SECONDS", help="A study is complete when nothing came.")
]
KeepHours = Annotated[
    float, typer.Option("--keep-hours", min=0, help="How long its pictures stay after its report was sent.")
]
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
    dicom_port: DicomPort = None,
    ae_title: Title = "FIBROSTAGE",
    allow: Allow = None,
    send_to: SendTo = None,
    dicomweb: DicomWeb = None,
    spool: SpoolFolder = None,
    quiet_for: QuietFor = 30,
    keep_hours: KeepHours = 24,
    coverage: Coverage = None,
    npv: Npv = None,
    ppv: Ppv = None,
) -> None:
    """Keep a model open, and stage the exams that come over HTTP or from an archive.

    \f
    Raises `RunError` where the extra is not installed, or it would answer strangers or be open to eavesdroppers, and
    `PlanError` for a DICOM node that could not work.
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
    node = None
    if dicom_port is not None:
        node = node_settings(
            host, dicom_port, ae_title, allow or [], send_to, dicomweb, spool,
            quiet=quiet_for, keep=3600 * keep_hours, accept_unmasked=accept_unmasked,
        )  # fmt: skip
    elif any(each is not None for each in (allow, send_to, dicomweb, spool)):
        raise PlanError("--allow, --send-to, --dicomweb and --spool are of a DICOM node: give its --dicom-port")
    station = opened_station(run, coverage=coverage, npv=npv, ppv=ppv)
    announce(station, settings)
    with beside(station, node):
        answer_all(station, settings)


def node_settings(
    host: str,
    port: int,
    title: str,
    allow: list[str],
    send_to: str | None,
    dicomweb: str | None,
    spool: Path | None,
    **more: Any,
) -> NodeSettings:
    """How the DICOM node works; raises `PlanError` for what it cannot work with."""
    from fibrostage.serve.associations import parse_caller
    from fibrostage.serve.node import NodeSettings
    from fibrostage.serve.send import parse_peer

    if spool is None:
        raise PlanError("a DICOM node needs --spool, a folder on a lasting disk where studies wait")
    callers = tuple(map(parse_caller, allow))
    peer = None if send_to is None else parse_peer(send_to)
    settings = NodeSettings(spool, port, title, host, callers, peer, dicomweb, **more)
    settings.check()
    return settings


@contextmanager
def beside(station: Station, node: NodeSettings | None) -> Iterator[None]:
    """Runs a DICOM node beside the service, where one is wanted."""
    if node is None:
        yield
        return
    from fibrostage.serve.node import open_node

    with open_node(station, node, lambda line: err.print(line, markup=False, soft_wrap=True)):
        err.print(f"studies are taken by {node.title} at {node.host} port {node.port}", markup=False, soft_wrap=True)
        yield


def opened_station(run: Path, **asked: float | None) -> Station:
    """The model, asked for other values than its own where they are given."""
    from fibrostage.deploy.station import open_station

    station = open_station(run)
    return replace(station, asked=replace(station.asked, decision=station.asked.decision.asked_for(**asked)))


def announce(station: Station, settings: ServiceSettings) -> None:
    """Says where the service is, for whom, and what of it is not to be believed."""
    from fibrostage.learn.model import is_simulated

    err.print(
        f"exams are answered at {settings.listening.address}/exams (Ctrl-C ends it)", markup=False, soft_wrap=True
    )
    if is_simulated(station.model):
        err.print(f"[yellow]{SIMULATED}[/]: this model learned from patients who do not exist.")
    err.print(RESEARCH_USE, markup=False, soft_wrap=True)
    if not settings.rest.tokens.digests:
        err.print("whoever is on this computer may ask: no token was given (--token-file)", soft_wrap=True)
    if settings.rest.key is None:
        tell("pseudonyms are the same for as long as the service runs; with --intake-key, for good")


COMMAND = Command("serve", "Train and stage", serve)
