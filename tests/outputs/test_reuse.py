"""A stage is computed again exactly if something that dvc.yaml says it depends on has changed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from straightline.outputs import reuse
from straightline.outputs.folder import MANIFEST
from straightline.outputs.reuse import Earlier, earlier_outputs

PARAMS = """
targets: {price: {column: price, family: auto}, sold: {column: sold, family: auto}}
models: {regression: {l2: null}, neural: {hidden: [4]}}
fit: {epochs: 4}
folds: {k: 3}
verdict: {margin: 0.05}
data: {path: houses.csv, delimiter: null}
"""
ITEM = {"target": "price", "model": "neural"}
OUT = "runs/price/neural"


def prepared(root: Path) -> Path:
    """Make a folder in which the stage `train` may run."""
    (root / "data").mkdir(parents=True)
    (root / "data/train.parquet").write_bytes(b"rows")
    (root / "data/schema.json").write_bytes(b"columns")
    (root / "params.yaml").write_text(PARAMS)
    return root


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder in which the stage `train` has run."""
    root = prepared(tmp_path / "earlier")
    (root / OUT).mkdir(parents=True)
    (root / OUT / "folds.csv").write_text("losses")
    Earlier(root, []).keep("train", **ITEM)
    return root


def is_taken(earlier: Path, root: Path) -> bool:
    return Earlier(root, [root.parent / "nowhere", earlier]).take("train", **ITEM)


def replaced(name: str, old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text((root / name).read_text().replace(old, new))


@pytest.mark.parametrize(
    "change",
    [
        replaced("params.yaml", "margin: 0.05", "margin: 0.1"),
        replaced("params.yaml", "delimiter: null", "delimiter: ','"),
        replaced("params.yaml", "sold, family: auto", "sold, family: gaussian"),
        replaced("params.yaml", "l2: null", "l2: 1"),
    ],
)
def test_what_it_does_not_depend_on_changes_nothing(earlier: Path, tmp_path: Path, change: Callable) -> None:
    root = prepared(tmp_path / "new")
    change(root)
    assert is_taken(earlier, root)
    assert (root / OUT / "folds.csv").read_text() == "losses"
    shutil.rmtree(earlier)
    assert is_taken(root, prepared(tmp_path / "third"))  # What was taken can be taken again.


@pytest.mark.parametrize(
    "change",
    [
        replaced("data/train.parquet", "rows", "other rows"),
        replaced("data/schema.json", "columns", "other columns"),
        replaced("params.yaml", "price, family: auto", "price, family: gaussian"),
        replaced("params.yaml", "hidden: [4]", "hidden: [8]"),
        replaced("params.yaml", "epochs: 4", "epochs: 5"),
        replaced("params.yaml", "k: 3", "k: 5"),
    ],
)
def test_each_input_and_setting_counts(earlier: Path, tmp_path: Path, change: Callable) -> None:
    root = prepared(tmp_path / "new")
    change(root)
    assert not is_taken(earlier, root)
    assert not (root / "runs").exists()


def test_code_and_libraries_count(earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(reuse, "version", lambda name: "0")
        assert not is_taken(earlier, prepared(tmp_path / "libraries"))
    package = shutil.copytree(reuse.PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(reuse, "PACKAGE", package)
    with (package / "report/content.py").open("a") as file:
        file.write("# other")
    assert is_taken(earlier, prepared(tmp_path / "report"))
    with (package / "training/fit.py").open("a") as file:
        file.write("# other")
    assert not is_taken(earlier, prepared(tmp_path / "training"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda root: (root / OUT / "folds.csv").write_text("other losses"),
        lambda root: (root / OUT / "folds.csv").unlink(),
        lambda root: shutil.rmtree(root / OUT),
        lambda root: (root / reuse.RECORDS).unlink(),
        lambda root: (root / reuse.RECORDS).write_text("{"),
        lambda root: (root / reuse.RECORDS).write_text("[1]"),
    ],
)
def test_damaged_outputs_are_not_taken(earlier: Path, tmp_path: Path, damage: Callable) -> None:
    damage(earlier)
    root = prepared(tmp_path / "new")
    assert not is_taken(earlier, root)
    assert not (root / OUT).exists()


def test_it_is_looked_for_in_outputs_beside_that_are_this_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b", "a", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MANIFEST).touch()
    (tmp_path / "other").mkdir()
    assert earlier_outputs(tmp_path / "out") == [tmp_path / name for name in ("out", "a", "b")]
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert earlier_outputs(tmp_path / "out") == [tmp_path / "out"]
