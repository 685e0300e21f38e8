"""The scoring server of `straightline serve`: MLflow's protocol, with checks of each request (docs/security.md)."""

import csv
import io
import json
from pathlib import Path

from straightline.runtime.backend import import_mlflow

import_mlflow()

import mlflow
import mlflow.pyfunc
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from straightline.serving.guard import Guarded

HOSTS = ["127.0.0.1", "localhost"]
COLUMNS = 10_000  # of a CSV body


def create_app(folder: Path) -> Guarded:
    """Return a server for the model in `folder`, which the caller has checked.

    `/invocations` takes and returns what MLflow's scoring server does. A request that cannot be read, or that the model
    cannot answer, gets a status from 400 on and a message, without a stack trace.
    """
    model = mlflow.pyfunc.load_model(str(folder))
    schema = model.metadata.get_input_schema()

    async def invocations(request: Request) -> Response:
        kind = request.headers.get("content-type", "")
        body = await request.body()
        if problem := _problem(kind, body):
            return JSONResponse({"error_code": "INVALID_PARAMETER_VALUE", "message": problem}, 400)
        try:
            answer = await run_in_threadpool(scoring_server.invocations, body, kind, model, schema)
        except MlflowException as error:
            return JSONResponse(_without_trace(error), error.get_http_status_code())
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            reason = f"the request cannot be read: {error}"
            return JSONResponse({"error_code": "INVALID_PARAMETER_VALUE", "message": reason}, 400)
        return Response(answer.response, answer.status, media_type=answer.mimetype)

    async def ping(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def version(_: Request) -> Response:
        return PlainTextResponse(mlflow.__version__)

    routes = [Route("/invocations", invocations, methods=["POST"]), Route("/version", version)]
    routes += [Route(path, ping) for path in ("/ping", "/health")]
    app = Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)])
    return Guarded(app, frozenset(), lambda method, path: None)


def _problem(kind: str, body: bytes) -> str | None:
    """Return why a body is refused before MLflow reads it, or None."""
    if "parquet" in kind:
        return "expected application/json or text/csv; a small Parquet file may expand to any size"
    if not kind.startswith("text/csv"):
        return _problem_of_json(body)
    lengths = [len(row) for row in csv.reader(io.StringIO(body.decode("utf-8", errors="replace"), newline="")) if row]
    if lengths and lengths[0] > COLUMNS:
        return f"expected at most {COLUMNS:,} columns, got {lengths[0]:,}"
    # pandas would take a value more than the header has for a name of the row, and shift the columns.
    uneven = [number for number, length in enumerate(lengths) if length != lengths[0]]
    return (
        f"row {uneven[0]}: expected {lengths[0]} values as in the header, got {lengths[uneven[0]]}" if uneven else None
    )


def _problem_of_json(body: bytes) -> str | None:
    """Return why `dataframe_split` is no table, or None. MLflow would take it, and shift or repeat columns."""
    try:
        table = json.loads(body)["dataframe_split"]
        columns, rows = table["columns"], table["data"]
        if len(set(columns)) < len(columns):
            return "dataframe_split: expected columns that differ"
        uneven = [number for number, row in enumerate(rows, start=1) if len(row) != len(columns)]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None  # MLflow answers what it cannot read, and takes other inputs than dataframe_split.
    return (
        f"dataframe_split: row {uneven[0]}: expected {len(columns)} values, one for each column, got "
        f"{len(rows[uneven[0] - 1])}"
        if uneven
        else None
    )


def _without_trace(error: MlflowException) -> dict[str, str]:
    return {key: value for key, value in json.loads(error.serialize_as_json()).items() if key != "stack_trace"}
