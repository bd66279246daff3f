"""The server: where it listens, for this computer alone or encrypted."""

from __future__ import annotations

from pathlib import Path

import uvicorn

from fibrostage.annotate.app import make_app
from fibrostage.annotate.desk import Desk
from fibrostage.ground.listening import check_listening

GRACE = 5  # seconds that open requests have when the server is told to end


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
