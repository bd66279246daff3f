"""Under what conditions a server may listen for others than this computer: encrypted, or behind what encrypts."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from fibrostage.ground.errors import RunError


def check_listening(host: str, cert: Path | None, key: Path | None, behind_proxy: bool) -> bool:
    """Whether connections are encrypted, here or by the proxy.

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
