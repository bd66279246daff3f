"""What keeps a page with patients' pictures safe: headers on every answer, sizes, and patience with logins."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
LARGEST = 2 * 2**20  # bytes that somebody may send at once
Handler = Callable[[Request], Awaitable[Response]]


class Guard(BaseHTTPMiddleware):
    """Refuses what is too large, and puts the headers on everything that is sent."""

    def __init__(self, app: ASGIApp, tls: bool) -> None:
        super().__init__(app)
        self.headers = HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if tls else {})

    async def dispatch(self, request: Request, call_next: Handler) -> Response:
        """Passes a request on, unless it is too large or does not say how large it is."""
        length = request.headers.get("content-length")
        sends = request.method not in ("GET", "HEAD", "OPTIONS")
        if sends and "chunked" in request.headers.get("transfer-encoding", ""):
            response: Response = PlainTextResponse("say how long it is", 411)
        elif length is not None and (not length.isdigit() or int(length) > LARGEST):
            response = PlainTextResponse(f"at most {LARGEST // 2**20} MB at once", 413)
        else:
            response = await call_next(request)
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        return response


class Patience:
    """How often a login may fail: so many times in so many seconds, by name and by address."""

    def __init__(self, most: int = 10, seconds: float = 600.0) -> None:
        self.most, self.seconds = most, seconds
        self._failed: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def exhausted(self, *keys: str) -> bool:
        """Whether one of these has failed too often of late."""
        with self._lock:
            return any(len(self._recent(key)) >= self.most for key in keys)

    def failed(self, *keys: str) -> None:
        """Notes a failure."""
        with self._lock:
            for key in keys:
                self._recent(key).append(time.monotonic())

    def _recent(self, key: str) -> deque[float]:
        if len(self._failed) > 10_000:  # a flood of names: the oldest are forgotten, the address is not
            self._failed = {old: times for old, times in self._failed.items() if old.startswith("at ")}
        times = self._failed.setdefault(key, deque(maxlen=self.most))
        while times and times[0] < time.monotonic() - self.seconds:
            times.popleft()
        return times
