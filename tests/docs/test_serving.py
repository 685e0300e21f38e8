"""docs/how-to/serving.md: the request that it shows gets an answer from a served champion."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from straightline.results.files import load_results
from straightline.tracking import publication
from tests.fake_project import write_project
from tests.pages import blocks
from tests.servers import server

PAGE = "docs/how-to/serving.md"


@pytest.mark.slow
def test_the_request_of_the_page_gets_a_probability(empty_store: Path, tmp_path: Path) -> None:
    write_project(tmp_path, models=True)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    publication.publish(load_results(tmp_path))
    block, _ = blocks(PAGE, "sh")  # The second one needs Docker.
    with server(tmp_path, "straightline", "serve", "--target", "color", health="/ping") as url:
        command = block.text.replace("http://127.0.0.1:5001", url)
        assert command != block.text
        printed = subprocess.run(["bash", "-ec", command], check=True, capture_output=True, text=True).stdout
    ((row,),) = json.loads(printed).values()
    (probability,) = (value for name, value in row.items() if name.startswith("probability of "))
    assert 0 <= probability <= 1
