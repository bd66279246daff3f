"""Who may ask: whoever brings one of the tokens that the service was started with."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import LARGEST_TEXT, read_whole
from fibrostage.ground.listening import is_own

VARIABLE = "FIBROSTAGE_TOKENS"
SHORTEST = 16  # characters: fewer can be guessed
PLAIN = re.compile(r"[A-Za-z0-9._~+/=-]+")  # what a header can carry (RFC 6750, 2.1)
MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe())'"


@dataclass(frozen=True)
class Tokens:
    """The tokens' SHA-256; without any everybody may ask."""

    digests: tuple[bytes, ...] = ()

    def admit(self, token: str | None) -> bool:
        """Whether who brings this token may ask; takes as long for a wrong one as for a right one."""
        if not self.digests:
            return True
        own = digest(token or "")
        return sum(hmac.compare_digest(own, each) for each in self.digests) > 0


def digest(token: str) -> bytes:
    """A token's SHA-256."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def read_tokens(file: Path | None, environment: Mapping[str, str]) -> Tokens:
    """The tokens of a file, one a line, what follows # being a comment, and those of $FIBROSTAGE_TOKENS.

    Raises `RunError` where the file cannot be read or holds none, or a token could be guessed or not be sent.
    """
    found = re.split(r"[\s,]+", environment.get(VARIABLE, "").strip())
    if file is not None:
        try:
            lines = read_whole(file, LARGEST_TEXT).decode("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"cannot read the tokens in {file}: {getattr(error, 'strerror', 'it is no text')}") from None
        listed = [token for line in lines if (token := line.partition("#")[0].strip())]
        if not listed:
            raise RunError(f"{file} holds no token; make one with {MAKE_ONE}")
        found += listed
    return Tokens(tuple(digest(token) for token in checked(filter(None, found))))


def checked(tokens: Iterable[str]) -> list[str]:
    """The tokens; raises `RunError`, without saying it, where one is short or has a character that cannot be sent."""
    result = list(dict.fromkeys(tokens))
    for number, token in enumerate(result, start=1):
        if len(token) < SHORTEST or not PLAIN.fullmatch(token):
            raise RunError(
                f"token {number} of {len(result)} is too short or cannot be sent: it needs at least {SHORTEST} "
                f"letters, digits or . _ ~ + / = -; make one with {MAKE_ONE}"
            )
    return result


def check_tokens(host: str, tokens: Tokens) -> None:
    """Raises `RunError` where others than this computer could ask without a token."""
    if not tokens.digests and not is_own(host):
        raise RunError(
            f"--host {host} would answer whoever asks: give --token-file, or {VARIABLE} in the environment; without a "
            "token only this computer is answered (--host 127.0.0.1)"
        )
