"""`straightline judge`: other rules for the losses that are there, as if they had been set from the start."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from straightline.__main__ import app
from straightline.config.table_options import with_settings
from straightline.errors import UserError
from straightline.outputs.folder import MANIFEST
from straightline.runtime.artifacts import read_json
from straightline.stages import compare

OPTIONS = ("--margin", "0.3", "--confidence", "0.9")


def judge(root: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["judge", str(root), *options])


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def output(reported: Path, tmp_path: Path) -> Path:
    """The output of `straightline run`; without its manifest it is as good as a project."""
    root = Path(shutil.copytree(reported, tmp_path / "output"))
    (root / MANIFEST).touch()
    (root / "command.txt").write_text("straightline run a.csv --target num_balloons verdict.margin=0.05 'a.b=[1, 2]'\n")
    return root


def test_an_output_becomes_what_these_rules_give(output: Path, tmp_path: Path, without_pictures: None) -> None:
    before = contents(output)
    found = judge(output, *OPTIONS)
    assert found.exit_code == 0, found.output
    assert "margin 30 %" in found.output
    after = contents(output)
    known = Path(shutil.copytree(output, tmp_path / "known"))
    shutil.rmtree(known / "verdicts")
    compare.run(known)
    for target in ("color", "num_balloons"):
        verdict = read_json(output / f"verdicts/{target}.json")
        assert (verdict["margin"], verdict["confidence"]) == (0.3, 0.9)
        assert verdict == read_json(known / f"verdicts/{target}.json")
    values = yaml.safe_load(before["params.yaml"])
    values["verdict"] |= {"margin": 0.3, "confidence": 0.9}
    assert yaml.safe_load(after["params.yaml"]) == values
    command = "straightline run a.csv --target num_balloons 'a.b=[1, 2]' verdict.margin=0.3 verdict.confidence=0.9\n"
    assert after["command.txt"].decode() == command
    assert "verdict.margin=0.3 verdict.confidence=0.9" in after["reports/report.md"].decode()
    assert before.keys() == after.keys()
    written = ("verdicts/", "reports/", "params.yaml", "command.txt")
    assert all(before[name] == after[name] for name in before if not name.startswith(written))


def test_in_a_project_nothing_is_written(output: Path) -> None:
    (output / MANIFEST).unlink()
    before = contents(output)
    found = judge(output, *OPTIONS)
    assert "margin 30 %" in found.output
    assert "Nothing was written" in found.output
    assert "dvc exp run -S verdict.margin=0.3 -S verdict.confidence=0.9" in found.output
    assert contents(output) == before
    shown = json.loads(judge(output, *OPTIONS, "--json").output)
    assert shown["targets"]["color"]["verdict"]["margin"] == 0.3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "judge: expected --margin or --confidence"),
        (("--margin", "5"), "judge: verdict.margin: expected less than 1, got 5.0"),
        (("--confidence", "0.5"), "judge: verdict.confidence: expected greater than 0.5"),
    ],
)
def test_wrong_rules_are_refused_before_anything_is_written(output: Path, options: tuple[str, ...], told: str) -> None:
    before = contents(output)
    error = judge(output, *options).exception
    assert isinstance(error, UserError)
    assert told in str(error)
    assert contents(output) == before


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    for command in ("show", "judge"):
        options = [] if command == "show" else list(OPTIONS)
        error = CliRunner().invoke(app, [command, str(tmp_path / "none"), *options]).exception
        assert "none: no results here; expected an output of `straightline run`" in str(error)


def test_show_takes_the_folder_and_there_is_a_version(output: Path) -> None:
    assert "a straight line" in CliRunner().invoke(app, ["show", str(output)]).output
    assert CliRunner().invoke(app, ["--version"]).output.startswith("straightline ")


def test_settings_of_a_command_are_replaced() -> None:
    assert with_settings("straightline run a.csv +x=1 y=2", {"x": 3}) == "straightline run a.csv y=2 x=3"
