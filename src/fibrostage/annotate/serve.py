"""The server: where it listens, and under what conditions it does so for others than this computer."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import uvicorn

from fibrostage.annotate.app import make_app
from fibrostage.annotate.desk import Desk
from fibrostage.ground.errors import RunError

GRACE = 5  # seconds that open requests have when the server is told to end


def check_listening(host: str, cert: Path | None, key: Path | None, behind_proxy: bool) -> bool:
    """Whether cookies are for encrypted connections alone.

    Raises `RunError` where others than this computer could listen in: without a certificate, unless something that
    encrypts stands before the server.
    """
    if (cert is None) != (key is None):
        raise RunError("--cert and --key go together: a certificate and its key, both as PEM")
    for file in (cert, key):
        if file is not None and not file.is_file():
            raise RunError(f"no such file: {file}")
    if cert is None and not behind_proxy and not is_own(host):
        raise RunError(
            f"--host {host} would show patients' pictures to whoever listens on the network: give --cert and --key, or "
            "--behind-proxy where a proxy before the server encrypts"
        )
    return cert is not None or behind_proxy


def is_own(host: str) -> bool:
    """Whether an address is this computer's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 8470,
    cert: Path | None = None,
    key: Path | None = None,
    behind_proxy: bool = False,
    ledger_url: str | None = None,
) -> None:
    """Opens a loop's page until it is told to end; raises `RunError` where it must not be opened so."""
    tls = check_listening(host, cert, key, behind_proxy)
    desk = Desk(folder, ledger_url)
    try:
        uvicorn.run(
            make_app(desk, tls), host=host, port=port, log_level="warning", access_log=False, server_header=False,
            ssl_certfile=cert, ssl_keyfile=key, proxy_headers=behind_proxy, timeout_graceful_shutdown=GRACE,
        )  # fmt: skip
    finally:
        desk.close()
