"""`straightline ui`: MLflow's server, with features off that are a risk and on by default (docs/security.md)."""

import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from straightline.errors import UserError, require
from straightline.runtime.terminal import say
from straightline.serving.guard import TOKEN, require_token
from straightline.tracking.identity import experiment_of, shown_uri, store_uri

HARDENED = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
}


def run(root: Path, port: int, host: str, with_token: bool) -> NoReturn:
    """Replace this process by MLflow's server at `host`. It answers only requests for that address.

    With a token, only whoever opens the printed address, or sends the token in it, gets an answer.
    Raises UserError if other machines can reach the address, unless a password for the admin is set.
    """
    require("mlflow")
    if store_uri(root).startswith("http"):
        raise UserError(f"MLFLOW_TRACKING_URI is set: the runs are at {shown_uri(root)}; open the UI of that server")
    # The environment, unlike an argument, hides a password in the URI from other users.
    os.environ |= HARDENED | {"MLFLOW_BACKEND_STORE_URI": store_uri(root)}
    options = ["--app-name", "straightline"] if is_loopback(host) else _authenticated(host)
    if with_token and not is_loopback(host):
        raise UserError(f"--token: expected a --host that only this machine reaches, got {host}; MLflow has passwords")
    names = {host, "localhost", "127.0.0.1"} if is_loopback(host) else {host, socket.gethostname(), socket.getfqdn()}
    hosts = sorted(f"{f'[{name}]' if ':' in name else name}:{port}" for name in names)
    origins = [f"http://{name}" for name in hosts]
    has_token = is_loopback(host) and bool(with_token or os.environ.get(TOKEN))
    token = f"?token={quote(require_token())}" if has_token else ""
    say(f"MLflow UI: http://{hosts[0]}/{token}{_place(root)} (Ctrl-C stops it)")
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", host, "--port", str(port)]
    command += ["--allowed-hosts", ",".join(hosts), "--cors-allowed-origins", ",".join(origins), *options]
    os.execv(sys.executable, command)


def _place(root: Path) -> str:
    """Return the part of the address that opens the runs of this package, if there are any."""
    experiment = experiment_of(root)
    return "" if experiment is None else f"#/experiments/{experiment}/runs"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _authenticated(host: str) -> list[str]:
    if not os.environ.get("MLFLOW_AUTH_ADMIN_PASSWORD") or not os.environ.get("MLFLOW_FLASK_SERVER_SECRET_KEY"):
        raise UserError(
            f"--host: other machines can reach {host}; expected 127.0.0.1, or MLFLOW_AUTH_ADMIN_PASSWORD and "
            "MLFLOW_FLASK_SERVER_SECRET_KEY in the environment, so that MLflow asks for a password (docs/security.md)"
        )
    return ["--app-name", "basic-auth"]
