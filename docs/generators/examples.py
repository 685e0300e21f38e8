"""The gallery: a card for each case of examples/README.md, with its picture and its answer."""

import re
from pathlib import Path

CASE = re.compile(
    r"^## (?P<title>[^\n]+)\n\n(?P<question>[^\n]+(?:\n[^\n]+)*)\n.*?"
    r"^```sh\n(?P<command>[^\n]+)\n```\n\n```text\n(?P<answer>.*?)\.\n.*?"
    r"^!\[(?P<alt>[^\]]*)\]\((?P<picture>[^)]+)\)",
    re.MULTILINE | re.DOTALL,
)


def markdown(folder: Path) -> str:
    """Return a grid of cards; each leads to the section of its case on the same page. `folder` is examples/."""
    cases = CASE.finditer((folder / "README.md").read_text(encoding="utf-8"))
    return "\n".join([":::::{grid} 1 1 2 2\n:gutter: 3\n", *map(_card, cases), ":::::\n"])


def _card(case: re.Match[str]) -> str:
    answer = " ".join(case["answer"].split())
    anchor = re.sub(r"[^\w\- ]", "", case["title"].lower()).replace(" ", "-")
    return f"""::::{{grid-item-card}} {case["title"]}
:img-top: ../examples/{case["picture"]}
:img-alt: {case["alt"]}
:link: "#{anchor}"
:link-type: url
:link-alt: {case["title"]}

{answer}.
::::
"""
