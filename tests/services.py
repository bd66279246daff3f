"""Services that tests start for themselves on 127.0.0.1: a PostgreSQL server, an archive, an object store."""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


ORTHANC = Path("/usr/sbin/Orthanc")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass
class Orthanc:
    """An archive of the tests' own: DICOM and DICOMweb on 127.0.0.1, with what was stored in a folder that outlives
    it. It knows one other node, FIBROSTAGE."""

    folder: Path
    node_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    dicom_port: int = field(default_factory=free_port)
    server: subprocess.Popen[bytes] | None = None

    @property
    def web(self) -> str:
        """The address of its DICOMweb, as commands take it."""
        return f"dicomweb://127.0.0.1:{self.http_port}/dicom-web"

    def start(self) -> None:
        """Starts it, or starts it again, and waits until it answers."""
        storage = str(self.folder / "storage")
        setting = {
            "Name": "archive", "StorageDirectory": storage, "IndexDirectory": storage, "Plugins": [str(DICOMWEB)],
            "HttpPort": self.http_port, "DicomPort": self.dicom_port, "DicomAet": "ORTHANC",
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomServerEnabled": True,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "DicomModalities": {"node": ["FIBROSTAGE", "127.0.0.1", self.node_port]},
        }  # fmt: skip
        (self.folder / "orthanc.json").write_text(json.dumps(setting))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.server = subprocess.Popen([ORTHANC, self.folder / "orthanc.json"], **quiet)
        for _ in range(200):
            try:
                self.ask("system")
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("Orthanc does not start")

    def kill(self) -> None:
        """Ends it at once, as a machine that loses its power."""
        if self.server is not None:
            self.server.kill()
            self.server.wait(30)
            self.server = None

    def ask(self, path: str, content: object = None) -> object:
        """What its own interface answers, to a POST where there is content."""
        data = None if content is None else json.dumps(content).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/{path}", data, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """An archive that is empty."""
    if not ORTHANC.is_file() or not DICOMWEB.is_file():
        pytest.skip("Orthanc with DICOMweb is not installed (Debian: apt-get install orthanc orthanc-dicomweb)")
    (tmp_path / "orthanc").mkdir()
    archive = Orthanc(tmp_path / "orthanc")
    archive.start()
    try:
        yield archive
    finally:
        archive.kill()


@dataclass
class BucketOfTests:
    """An empty bucket of the tests' own store, asked past what is tested."""

    name: str
    client: Any

    @property
    def address(self) -> str:
        return f"s3://{self.name}"

    def named(self, name: str) -> BucketOfTests:
        """Another bucket of the store, as a document calls it."""
        self.client.create_bucket(Bucket=name)
        return BucketOfTests(name, self.client)

    def put(self, key: str, content: bytes = b"x") -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Every file below a folder, under a prefix."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", ())]

    def forbid(self, *actions: str) -> None:
        """Lets nobody do something in this bucket any more."""
        where = [f"arn:aws:s3:::{self.name}", f"arn:aws:s3:::{self.name}/*"]
        statement = {"Effect": "Deny", "Principal": "*", "Action": list(actions), "Resource": where}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.client.put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))


@dataclass(frozen=True)
class ObjectStore:
    """A store that speaks S3, by its address, and a client that is let in."""

    address: str
    client: Any


KEY_ID, SECRET = "AKIATESTER", "not-to-be-shown"


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """An object store, begun once for all tests that ask for it."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    who = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    yield ObjectStore(f"http://{host}:{port}", boto3.client("s3", endpoint_url=f"http://{host}:{port}", **who))
    server.stop()


@pytest.fixture
def bucket(object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BucketOfTests:
    """A bucket, with the environment that leads to it and lets us in; nothing of the user's own is read."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    setting = {
        "AWS_ENDPOINT_URL": object_store.address, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }  # fmt: skip
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    name = f"tests-{secrets.token_hex(6)}"
    object_store.client.create_bucket(Bucket=name)
    return BucketOfTests(name, object_store.client)
