"""Every fenced block of every page is run, or compared with what is printed, by a test that is named here."""

import re
from collections.abc import Sequence

import pytest
import yaml

from tests.conftest import ROOT
from tests.pages import Block, blocks, pages

COMMANDS = "tests/test_readme.py"  # each command is known to its program; slow tests run the commands
SITE = "tests/docs/conftest.py"  # a directive of Sphinx, or a cell of a notebook: run when the site is built
DIAGRAM = re.compile(r"--([a-z]+)(?:@\S+)?-->")
# The test of a block, by its kind; where kinds are run page by page, by page and kind.
RUN = {"sh": COMMANDS, "{toctree}": SITE, "{eval-rst}": SITE, "{code-cell} ipython3": SITE}
RUN_BY_PAGE = {
    ("README.md", "python"): COMMANDS,
    ("README.md", "text"): COMMANDS,
    ("docs/how-to/models.md", "python"): "tests/data/test_encoding.py",
    ("docs/how-to/pipeline.md", "text"): COMMANDS,
    ("docs/how-to/python.md", "python"): "tests/interface/test_page.py",
    ("docs/peers.md", "python"): "tests/interface/test_peers.py",
    ("docs/peers.md", "text"): "tests/interface/test_peers.py",
    ("docs/tutorial.md", "python"): "tests/docs/test_tutorial.py",
    ("docs/tutorial.md", "text"): "tests/docs/test_tutorial.py",
    ("examples/README.md", "text"): "tests/test_examples.py",
}


def all_blocks() -> list[Block]:
    return [block for page in pages() for block in blocks(page)]


def diagrams() -> list[Block]:
    return [block for block in all_blocks() if block.kind == "text" and DIAGRAM.search(block.text)]


def unknown(found: Sequence[Block]) -> list[Block]:
    """Return the blocks that no test runs."""
    return [block for block in found if block.kind not in RUN and (block.page, block.kind) not in RUN_BY_PAGE]


def test_a_test_runs_every_block() -> None:
    drawn = diagrams()
    assert unknown([block for block in all_blocks() if block not in drawn]) == []
    assert len(all_blocks()) > 60


def test_a_block_that_no_test_runs_is_found() -> None:
    blocks = [Block("README.md", 1, kind, "x\n") for kind in ("", "julia", "sh")]
    blocks.append(Block("docs/decision.md", 1, "python", "x\n"))
    assert unknown(blocks) == [blocks[0], blocks[1], blocks[3]]


@pytest.mark.parametrize(("page", "kind"), RUN_BY_PAGE)
def test_the_tests_that_are_named_read_the_blocks(page: str, kind: str) -> None:
    assert blocks(page, kind)
    text = (ROOT / RUN_BY_PAGE[page, kind]).read_text(encoding="utf-8")
    assert any(name in text for name in (f'"{page}"', f'"{page.rpartition("/")[2]}"'))


def test_every_kind_that_a_test_runs_is_there() -> None:
    assert set(RUN) <= {block.kind for block in all_blocks()}


def test_a_diagram_of_the_pipeline_names_all_of_its_stages() -> None:
    stages = set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert len(diagrams()) == 2
    for block in diagrams():
        assert set(DIAGRAM.findall(block.text)) == stages, block.page


def test_how_much_changes_with_the_rows_is_what_the_code_says() -> None:
    """docs/how-to/large-tables.md names the limits of the plan and of the training table."""
    from straightline.data import training_table
    from straightline.training import plan

    page = (ROOT / "docs/how-to/large-tables.md").read_text(encoding="utf-8")
    assert f"| more than {plan.CHOICE_ROWS:,} | a fold chooses" in page
    assert f"| {plan.FEW_MEMBERS_ROWS:,} or more | a network averages two" in page
    assert plan.FEW_MEMBERS == 2
    assert f"| more than {plan.MANY_ROWS // 2:,} | the folds are made once" in page
    assert training_table.HELD_VALUES == 2**22
    assert "more than 2²² values" in page


def test_what_large_tables_do_is_what_the_code_says() -> None:
    from straightline.config.settings import Folds, Growth
    from straightline.data import chance
    from straightline.large import growth, held_out, trees, variants

    page = " ".join((ROOT / "docs/how-to/large-tables.md").read_text(encoding="utf-8").split())
    assert f"With more than {chance.LARGE_ROWS:,} rows in the file" in page
    assert "**Models are fitted in five of the folds.**" in page
    assert Folds(k=10, repeats=None, seeds=None, seed=0).large == 5
    assert f"At most {held_out.HELD_OUT:,} rows are held out" in page
    assert f"is about {variants.DESCENT_ROWS:,} rows" in page
    settings = Growth()
    assert f"{settings.first:,} rows, then four times as many" in page
    assert settings.factor == 4
    assert f"(`fit.growth.clear_gain`, {settings.clear_gain:.0%}".replace("%", " %") in page
    assert (settings.flat, settings.confidence) == (0.005, 0.95)
    assert f"up to all rows or {growth.MOST_ROWS:,}" in page
    assert f"are scored on {trees.SCORED_ROWS:,} rows" in page
