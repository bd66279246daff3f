"""Services that tests start for themselves on 127.0.0.1: a PostgreSQL server, a browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def postgres_programs() -> Path | None:
    """The folder of initdb and postgres."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of the tests' own on 127.0.0.1."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    import psycopg

    folder = Path(tempfile.mkdtemp(prefix="fibrostage-postgres-"))
    as_user = []
    if os.getuid() == 0:  # the server refuses to be run by root
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    port, data = free_port(), folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    subprocess.run([*as_user, programs / "initdb", "-D", data, "-A", "trust", "-U", "tester"], check=True, **quiet)
    where = ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k", folder]
    server = subprocess.Popen([*as_user, programs / "postgres", "-D", data, *map(str, where)], **quiet)
    url = f"postgresql://tester@127.0.0.1:{port}/postgres"
    try:
        for _ in range(150):
            try:
                psycopg.connect(url, connect_timeout=2).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.2)
        yield url
    finally:
        subprocess.run([*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=False, **quiet)
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
