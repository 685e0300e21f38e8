"""The site, built once for all workers: without the outputs of notebooks, which slow tests add."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, shared

NO_NETWORK = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


def build(out: Path, *options: str, source: str | Path = "docs") -> None:
    """Build the pages of `source` in `out` as `make docs` does. A warning is an error."""
    words = [sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-q", "-b", "html", *options]
    done = subprocess.run(
        [*words, "-d", out.with_suffix(".read"), source, out],
        cwd=ROOT,
        env=os.environ | NO_NETWORK,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stdout + done.stderr


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site without the outputs of notebooks."""
    return shared(tmp_path_factory, "site", lambda out: build(out, "-D", "nb_execution_mode=off"))


@pytest.fixture(scope="session")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    return shared(tmp_path_factory, "whole_site", build)
