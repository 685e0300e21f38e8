"""docs/tutorial.md: its commands, run in their order in a new folder, print what stands below them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pages import Block, blocks

PAGE = "docs/tutorial.md"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?( %)?")
# Digits of a network differ between processors (tests/test_examples.py says why).
RELATIVE, ABSOLUTE, PERCENT = 0.01, 0.005, 0.5


def agrees(shown: str, printed: str) -> bool:
    """Return whether two lines have the same words, and numbers that are equal up to a network's last digits."""
    if NUMBER.sub("#", " ".join(shown.split())) != NUMBER.sub("#", " ".join(printed.split())):
        return False
    pairs = zip(NUMBER.finditer(shown), NUMBER.finditer(printed), strict=True)
    return all(_close(known[0], found[0]) for known, found in pairs)


def _close(known: str, found: str) -> bool:
    is_share = known.endswith("%")
    first, second = (float(text.removesuffix(" %")) for text in (known, found))
    return abs(first - second) <= max(PERCENT if is_share else ABSOLUTE, RELATIVE * abs(first))


def is_printed(shown: str, printed: str) -> bool:
    """Return whether the parts of `shown`, between lines of three dots, are in `printed` in their order."""
    lines = printed.splitlines()
    for part in (part.strip("\n").splitlines() for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE)):
        starts = range(len(lines) - len(part) + 1)
        found = [at for at in starts if all(map(agrees, part, lines[at : at + len(part)]))]
        if not found:
            return False
        lines = lines[found[0] + len(part) :]
    return True


def steps() -> list[tuple[Block, Block | None]]:
    """Return each block of commands after the installation, with the output that stands below it."""
    found = blocks(PAGE, "sh", "text")[1:]
    after = [*found[1:], None]
    return [
        (block, output if output and output.kind == "text" else None)
        for block, output in zip(found, after, strict=True)
        if block.kind == "sh"
    ]


def run(folder: Path, *command: str) -> str:
    """Run a command in `folder` and return its output."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_block_prints_what_stands_below_it(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    for path in (ROOT / "examples").glob("*.csv"):
        shutil.copy(path, tmp_path / "examples")
    for block, output in steps():
        printed = run(tmp_path, "bash", "-ec", block.text)
        assert output is None or is_printed(output.text, printed), (block.line, printed)
    (python,) = blocks(PAGE, "python")
    printed = run(tmp_path, sys.executable, "-c", python.text)
    assert is_printed("Yes, a straight line is enough to predict bp:", printed[:45])
    assert "bmi" in printed


def test_answers_are_those_of_the_examples() -> None:
    """Those are compared with what the commands print, by tests/test_examples.py."""
    page = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    answers = [(block.text, output.text) for block, output in steps() if output and "straightline run" in block.text]
    assert len(answers) == 2
    for command, answer in answers:
        assert command in page
        assert is_printed(answer, page.partition(command)[2])


def test_looking_at_a_table_prints_it() -> None:
    block, output = steps()[0]
    assert block.text.startswith("head")
    assert output is not None
    assert run(ROOT, "bash", "-ec", block.text) == output.text


def test_an_output_that_is_not_printed_is_found() -> None:
    printed = "Yes, it is.\nloss 130.87\nmore\ngain 79.3 %\n"
    assert is_printed("Yes, it is.\n...\ngain 79.1 %\n", printed)
    for shown in (
        "No, it is.\n",
        "loss 140.87\n",
        "gain 78.3 %\n",
        "gain 79.3 %\n...\nYes, it is.\n",
        "loss 130.87\ngain",
    ):
        assert not is_printed(shown, printed)
