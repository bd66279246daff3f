"""What is around every answer: headers, its count, and the place of an error that nobody has foreseen, without its
words, which may name somebody."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fibrostage.serve.counters import FAILED, Counters

LOG = logging.getLogger("fibrostage.serve")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Envelope:
    """Puts headers on everything that is sent, and counts the requests to the address `counted` by their outcome."""

    def __init__(self, app: ASGIApp, counters: Counters, counted: str, tls: bool = False) -> None:
        self.app, self.counters, self.counted = app, counters, counted
        self.headers = HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            LOG.error("an error that nobody has foreseen, at %s", place_of(error))
            if not status:
                await JSONResponse({"detail": "the service failed; its log says where"}, FAILED)(
                    scope, receive, sending
                )
        finally:
            if scope["path"] == self.counted:
                self.counters.requested(status or FAILED)


def place_of(error: Exception) -> str:
    """Where an error was raised, by files and lines, innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[::-1]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[:12])
