"""MLflow's server as `straightline ui` starts it: it shows runs, and lets requests change only what cannot harm."""

import os
import re

from flask import Response, request

from straightline.serving.guard import Guarded, Refusal

ASSISTANT = "/ajax-api/3.0/mlflow/assistant"  # runs programs on this machine for anyone who can send it a message
READING = {"GET", "HEAD", "OPTIONS"}
# All that may be asked with another method than GET. Files of models, versions and their tags are not among it, since
# `straightline serve` trusts them; neither are uploads, jobs, webhooks, and the gateway.
WRITABLE = re.compile(
    r"/(?:ajax-)?api/[23]\.0/?mlflow/(?:experiments/.+|"
    r"runs/(?:create|update|delete|restore|log-(?:batch|metric|parameter|inputs)|(?:set|delete)-tag)|.+/search[\w-]*|"
    r"traces/(?:batchGetInfos|calculate-filter-correlation|metrics)|registered-models/(?:alias|update)|"
    r"registered-models/get-latest-versions|model-versions/update)|/graphql"
)


def create_app() -> Guarded:
    """Return the app; MLflow's option `--app-name` calls this function."""
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app

    flask_app.before_request(_require_usual_location)
    origins = os.environ.get("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "").split(",")
    return Guarded(app, frozenset(origins), _refusal)


def _refusal(method: str, path: str) -> Refusal | None:
    if path.startswith(ASSISTANT):
        return Refusal(404, "MLflow's assistant is off")
    if path == "/graphql" and method in READING:
        return Refusal(405, "expected POST")
    if method not in READING and not WRITABLE.fullmatch(path):
        return Refusal(403, f"{method} {path} is off in `straightline ui` (docs/security.md)")
    return None


def _require_usual_location() -> Response | None:
    """Refuse an experiment with a location of its own, through which files could be read and written anywhere."""
    from mlflow.protos.service_pb2 import CreateExperiment
    from mlflow.server.handlers import _get_request_message

    if not request.path.endswith("/experiments/create"):
        return None
    if _get_request_message(CreateExperiment()).artifact_location:
        return Response("an experiment's artifact_location cannot be chosen here (docs/security.md)", 403)
    return None
