"""How an object store that speaks S3 is opened with obstore (extra `s3`), and what its errors mean.

Who may is said by the environment, AWS's own files, or the role of the machine, never by an argument. A message names
the place and the code of an answer, and repeats nothing else: answers and addresses may hold what is secret.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fibrostage.ground.errors import ArchiveError

SCHEME = "s3://"
KEY_SETTING = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE of ~/.aws"
TRIES = 4  # of a request
PATIENCE = timedelta(seconds=30)  # that a store may be silent
REACHED = timedelta(seconds=5)  # in which it must be reached
LONG = timedelta(days=1)  # that one object may take
OF_PROFILE = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}
GIVEN = (  # by any of these, a store knows who asks; else the machine may have a role
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
CODE = re.compile(r"<Code>(\w+)</Code>")
STATUS = re.compile(r"status code: (\d{3})")
UNKNOWN = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
OF_MACHINE = ("169.254.", "fd00:ec2", "/latest/api/token", "/latest/meta-data")  # where a machine's role is asked for


def setting(name: str) -> str | None:
    """A setting of the environment, None where it is empty."""
    return os.environ.get(name) or None


def profile_settings() -> dict[str, str]:
    """What AWS's own files say of the profile that the environment names, or of the usual one. Raises `ArchiveError`
    where a named profile is not there, or has no keys as it gets them by another program."""
    name = setting("AWS_PROFILE")
    files = (
        (setting("AWS_CONFIG_FILE") or "~/.aws/config", f"profile {name}" if name else "default"),
        (setting("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials", name or "default"),
    )
    found: dict[str, str] = {}
    there = False
    for file, section in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(Path(file).expanduser(), encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):  # whose message would repeat a line
            raise ArchiveError(f"{file} cannot be read as AWS's tools write it") from None
        there |= parser.has_section(section)
        found |= dict(parser.items(section)) if parser.has_section(section) else {}
    if name and not there:
        raise ArchiveError(f"there is no profile {name!r} in AWS's files (AWS_PROFILE)")
    if name and "aws_secret_access_key" not in found and not setting("AWS_SECRET_ACCESS_KEY"):
        raise ArchiveError(
            f"the profile {name!r} has no keys of its own: 'aws configure export-credentials --format env' prints some "
            "to set in the environment"
        )
    return {own: found[theirs] for theirs, own in OF_PROFILE.items() if theirs in found}


def open_store(bucket: str) -> Any:
    """A bucket of the store that the environment names, else of Amazon's; nothing is asked yet. Raises `ArchiveError`
    where obstore is not installed, or the settings cannot be used."""
    try:
        from obstore.store import S3Store
    except ImportError:
        raise ArchiveError('reading and writing s3:// needs obstore: pip install "fibrostage[s3]"') from None
    known = profile_settings()
    nobody = not known.get("access_key_id") and not any(map(setting, GIVEN))
    if nobody and setting("AWS_EC2_METADATA_DISABLED") == "true":
        raise ArchiveError(f"{SCHEME}{bucket} needs credentials, and there are none: set {KEY_SETTING}")
    if setting("AWS_ACCESS_KEY_ID"):  # keys of the environment go before those of files, as AWS's tools have it
        known = {name: value for name, value in known.items() if name in ("region", "endpoint")}
    region = setting("AWS_REGION") or setting("AWS_DEFAULT_REGION") or known.pop("region", "us-east-1")
    endpoint = setting("AWS_ENDPOINT_URL_S3") or setting("AWS_ENDPOINT_URL") or known.pop("endpoint", None)
    config = {**known, "region": region, **({"endpoint": endpoint} if endpoint else {})}
    if endpoint and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).hostname):
        raise ArchiveError("AWS_ENDPOINT_URL is not the address of a store, such as https://HOST:PORT")
    client = {"allow_http": (endpoint or "").startswith("http://"), "timeout": LONG, "read_timeout": PATIENCE}
    tries = {"max_retries": TRIES - 1, "retry_timeout": LONG}
    make: Any = S3Store  # whose types know no dictionary that is made
    return make(bucket, config=config, client_options={**client, "connect_timeout": REACHED}, retry_config=tries)


@dataclass(frozen=True)
class StoreAnswer:
    """What can be told of an error of obstore: code and status of the answer, "" without one; whether it was `cut`, so
    that there is none, or nobody could say who asks (`of_machine`)."""

    code: str
    status: str
    cut: bool
    of_machine: bool

    @classmethod
    def of(cls, error: Exception) -> StoreAnswer:
        """Reads an error's text, of which nothing but the code goes any further."""
        from obstore.exceptions import GenericError

        text = str(error)
        code, status = CODE.search(text), STATUS.search(text)
        machine = any(word in text for word in OF_MACHINE)
        cut = isinstance(error, GenericError) and status is None
        return cls(code[1] if code else "", status[1] if status else "", cut, machine)

    @property
    def shown(self) -> str:
        return self.code or self.status or "without a code"


@contextmanager
def told(place: object, bucket: str, right: str, name: str = "") -> Iterator[None]:
    """Raises `ArchiveError` for what obstore raises; `right` is what is done at the place, `name` the object that it is
    done with."""
    from obstore.exceptions import BaseError, InvalidPathError

    try:
        yield
    except InvalidPathError:  # whose message would name the object
        raise ArchiveError(
            f"{place} has an object that cannot be a file here, with '//' or '..' in its name; name what lies beside it"
        ) from None
    except BaseError as error:
        raise ArchiveError(reason_of(StoreAnswer.of(error), place, bucket, right, name)) from None
    except FileNotFoundError as error:
        if error.errno is not None:  # a file of this machine
            raise
        raise ArchiveError(reason_of(StoreAnswer.of(error), place, bucket, right, name)) from None


def reason_of(answer: StoreAnswer, place: object, bucket: str, right: str, name: str) -> str:
    """What an error means, and what to do."""
    if answer.of_machine:
        return f"{place} needs credentials, and there are none: set {KEY_SETTING}"
    if answer.code == "NoSuchBucket":
        return f"there is no bucket {bucket!r} at the store that is asked (AWS_ENDPOINT_URL, AWS_REGION)"
    if answer.code in UNKNOWN or answer.status == "401":
        return f"{place} does not accept the credentials ({answer.shown}): set {KEY_SETTING}"
    if answer.status == "403":
        return f"the credentials that are set may not {right} what is at {place} ({answer.shown}); ask who keeps it"
    if name and answer.status in ("404", "412"):
        return f"{place}: an object changed while it was read ({name!r}); call the same again once nobody writes there"
    if answer.status.startswith("3"):
        return f"{place} lies in another region ({answer.status}): set AWS_REGION"
    if answer.cut:
        return (
            f"{place} cannot be reached, or broke off; call the same again, and look at AWS_ENDPOINT_URL, which says "
            "where a store that is not Amazon's lies"
        )
    return f"{place} answers with an error ({answer.shown})"
