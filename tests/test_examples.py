"""examples/: its tables are what its script makes, and its commands give the answers that its page shows."""

import re
import runpy
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.runtime.artifacts import read_json
from tests.conftest import ROOT

FOLDER = ROOT / "examples"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
BUILD = runpy.run_path(str(FOLDER / "build.py"))
CASES = BUILD["CASE"].findall(PAGE)
# The regression is exact in float64. The network is trained by XLA, whose last bits differ between processors, so that
# one of its 300 fold fits may stop at another epoch: a loss twice the others' would move the gain by 1/300. (XLA kept
# to SSE4.2, or to AVX2, moves the ends of the intervals by less than 5e-5; another seed by up to .2.)
TOLERANCE = 0.005
SHARES = re.compile(r"neural (lowers|raises) the loss by ([\d.]+) % \(90 % interval (-?[\d.]+) % to (-?[\d.]+) %")
FIGURE = re.compile(r"(?<![\w.=])-?\d+(?:\.\d+)?(?!\w)")


def test_tables_are_what_the_script_makes() -> None:
    made = BUILD["tables"]()
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(made) == {name for _, name, _ in CASES}
    for name, text in made.items():
        assert (FOLDER / f"{name}.csv").read_text(encoding="utf-8") == text
        assert len(text) < 100_000


def test_pictures_are_there_and_small() -> None:
    for _, name, _ in CASES:
        assert f"({name}.png)" in PAGE
        assert (FOLDER / f"{name}.png").stat().st_size < 150_000


def test_the_text_has_no_figure_that_the_command_does_not_print() -> None:
    for section in PAGE.split("\n## ")[1:-1]:
        ((_, _, answer),) = BUILD["CASE"].findall(section)
        prose = re.sub(r"```.*?```|`[^`]*`", "", section, flags=re.DOTALL)
        assert set(FIGURE.findall(prose)) <= set(FIGURE.findall(answer))


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("command", "name", "shown"),
    [pytest.param(*case, id=case[1]) for case in CASES],
)
def test_a_command_gives_the_answer_that_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str, shown: str
) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copy(FOLDER / f"{name}.csv", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, shlex.split(command)[1:])
    assert found.exit_code == 0, found.output
    (path,) = (tmp_path / f"straightline-{name}/verdicts").glob("*.json")
    verdict = read_json(path)
    assert (
        verdict["answer"] == {"Yes": "yes", "No,": "no", "Und": "undecided", "Nei": "neither"}[shown[:3]] == told(name)
    )
    assert f"{verdict['losses']['regression']:.5g}" in row(shown, "regression")
    assert row(found.stdout, "regression") == row(shown, "regression")
    direction, *shares = SHARES.search(" ".join(shown.split())).groups()  # type: ignore[union-attr]
    gain, low, high = (float(share) / 100 for share in shares)
    known = [gain, low, high] if direction == "lowers" else [-gain, -high, -low]
    assert [verdict["relative_gain"], *verdict["relative_gain_interval"]] == pytest.approx(known, abs=TOLERANCE)


def told(name: str) -> str:
    """Return the answer in the heading above the picture of a case."""
    heading = PAGE.partition(f"({name}.png)")[0].rpartition("\n## ")[2]
    return heading.partition(":")[0].lower()


def row(printed: str, model: str) -> list[str]:
    """Return the cells of a model in the table of models."""
    (line,) = (line for line in printed.splitlines() if line.startswith(f"│ {model} "))
    return line.strip("│ ").replace("│", " ").split()
