"""Tables at addresses: downloaded by fsspec, and errors that say what is missing."""

import functools
import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from straightline.config.streams import address
from straightline.errors import UserError
from straightline.large.addresses import fetched


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and prints nothing."""

    def log_message(self, *message: object) -> None:
        """Print nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Yield a folder, and the address at which its files are."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    pd.DataFrame({"x": np.arange(5)}).to_csv(folder / "table.csv", index=False)
    (file,) = fetched(Path(f"{url}/table.csv"), tmp_path)
    assert file.label == f"{url}/table.csv"
    assert file.path.suffix == ".csv"
    assert file.path.read_bytes() == (folder / "table.csv").read_bytes()


def test_several_files_are_downloaded_in_the_order_of_their_names(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    for name in ("b.csv", "a.csv", "c.txt"):
        (there / name).write_text(name)
    files = fetched(Path(f"file://{there}/*.csv"), here)
    assert [file.path.read_text() for file in files] == ["a.csv", "b.csv"]
    assert [file.path.read_text() for file in fetched(Path(f"file://{there}"), here)] == ["a.csv", "b.csv", "c.txt"]


def test_an_address_without_a_file(served: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"http://127.0.0.1:\d+/none.csv: cannot be read \(.*\); check the address"):
        fetched(Path(f"{served[1]}/none.csv"), tmp_path)


def test_a_package_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"s3://bucket/b.csv: cannot be read \(Install s3fs to access S3\)"):
        fetched(Path("s3://bucket/b.csv"), tmp_path)


def test_without_fsspec_the_user_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UserError, match=r"https://a.org/b.csv: is an address, expected a file.*curl -LO"):
        fetched(Path("https://a.org/b.csv"), tmp_path)


@pytest.mark.parametrize("text", ["https://a.org/b.csv?c=1", "s3://bucket/b.csv", "gs://bucket/*.parquet"])
def test_an_address_survives_a_path(text: str) -> None:
    assert address(Path(text)) == text
    assert address(Path("folder") / text) == text
    assert address(Path("folder/b.csv")) is None
