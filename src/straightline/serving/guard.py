"""Checks that every request to a server of this package passes before the server itself sees it (docs/security.md)."""

import hmac
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

LIMIT = 16 * 2**20  # bytes of a request
TOKEN = "STRAIGHTLINE_TOKEN"  # the environment variable that brings the token, since other users see arguments
COOKIE = "straightline_token"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Refusal:
    """The status with which a request is refused, and the reason."""

    status: int
    reason: str


def require_token() -> str:
    """Return the token of the environment, or a new random token that the servers of this process will require."""
    os.environ[TOKEN] = os.environ.get(TOKEN) or secrets.token_urlsafe(24)
    return os.environ[TOKEN]


class Guarded:
    """An ASGI app in front of `app` that refuses foreign pages, large requests, and those that `refusal` refuses.

    A body above 16 MiB is answered with status 413, a body of unknown length with 411. A request with an Origin that is
    not among `origins` is answered with 403. If the environment has a token, every request must bring it: as
    `Authorization: Bearer`, or as a cookie, which a browser gets by opening `/?token=...`. Web sockets are closed.
    """

    def __init__(self, app: App, origins: frozenset[str], refusal: Callable[[str, str], Refusal | None]) -> None:
        self._app = app
        self._origins = origins
        self._refusal = refusal
        self._token = os.environ.get(TOKEN, "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if self._token and _same(_token_in_address(scope), self._token):
            scope["query_string"] = b""  # which the server's log of requests would show
            await _answer(send, 303, "", {"location": "/", "set-cookie": _cookie(self._token)})
            return
        refusal = self._refused(scope, headers)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _answer(send, refusal.status, refusal.reason, {"connection": "close"})

    def _refused(self, scope: Scope, headers: Mapping[str, str]) -> Refusal | None:
        if headers.get("origin", "") not in {"", *self._origins}:
            return Refusal(403, "pages of another origin may not use this server")
        if self._token and not _same(_token_in_headers(headers), self._token):
            return Refusal(401, "expected the token that the server printed: Authorization: Bearer TOKEN, or /?token=")
        if "transfer-encoding" in headers:
            return Refusal(411, "expected a Content-Length")
        if int(headers.get("content-length", 0)) > LIMIT:
            return Refusal(413, f"expected at most {LIMIT} bytes")
        return self._refusal(scope["method"], scope["path"])


async def _answer(send: Send, status: int, text: str, headers: Mapping[str, str]) -> None:
    fields = {"content-type": "text/plain", **headers}
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": text.encode()})


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _token_in_address(scope: Scope) -> str:
    values = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
    return values[0] if scope["method"] == "GET" else ""


def _token_in_headers(headers: Mapping[str, str]) -> str:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _cookie(token: str) -> str:
    cookie: SimpleCookie = SimpleCookie({COOKIE: token})
    for attribute, value in (("path", "/"), ("samesite", "Strict"), ("httponly", "yes")):
        cookie[COOKIE][attribute] = value
    return cookie[COOKIE].OutputString()
