"""MLflow's server as `straightline ui` starts it, with additional checks of each request (docs/security.md)."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

LIMIT = 16 * 2**20  # bytes of a request
ARTIFACT_LIMIT = 2**30  # bytes of a request that uploads a file
ARTIFACTS = ("/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/")
ASSISTANT = "/ajax-api/3.0/mlflow/assistant"  # runs programs on this machine for anyone who can send it a message

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]


class Guarded:
    """An ASGI app in front of `app` that refuses large requests, requests of foreign pages, and MLflow's assistant.

    A body above the limit is answered with status 413, a body of unknown length with 411, and the assistant with 404. A
    request with an Origin that is not in MLFLOW_SERVER_CORS_ALLOWED_ORIGINS is answered with 403, because MLflow itself
    lets every page of this machine write, whatever its port.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Serve one request."""
        refusal = _refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, reason = refusal
        headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": reason})


def create_app() -> Guarded:
    """Return the app; MLflow's option `--app-name` calls this function."""
    from mlflow.server.fastapi_app import app

    return Guarded(app)


def _refusal(scope: Scope) -> tuple[int, bytes] | None:
    """Return the status and the reason with which a request is refused, or None if it is allowed."""
    if scope["path"].startswith(ASSISTANT):
        return 404, b"MLflow's assistant is off"
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    if origin and origin not in os.environ.get("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "").split(","):
        return 403, b"pages of another origin may not use this server"
    if b"transfer-encoding" in headers:
        return 411, b"expected a Content-Length"
    limit = ARTIFACT_LIMIT if scope["path"].startswith(ARTIFACTS) else LIMIT
    if int(headers.get(b"content-length", 0)) > limit:
        return 413, b"expected at most %d bytes" % limit
    return None
