"""`straightline judge`: the answers at another margin or confidence, from the losses that are there."""

from collections.abc import Mapping
from pathlib import Path

from straightline.config.settings import load
from straightline.errors import UserError
from straightline.interface.judging import judged, rewrite
from straightline.outputs.folder import MANIFEST
from straightline.results import json_output, terminal
from straightline.results.files import load_results
from straightline.runtime.terminal import say


def run(root: Path, rules: Mapping[str, float], as_json: bool) -> None:
    """Judge the results below `root` with other `rules`, such as {"margin": 0.1}, and print the answers.

    In an output of `straightline run` the settings, the verdicts and the report become those of the new rules. In a
    project, whose settings come from conf/, nothing is written. Raises UserError for invalid rules or missing results,
    before anything is written.
    """
    if not rules:
        raise UserError("judge: expected --margin or --confidence, such as --margin 0.1")
    results = load_results(root)
    load(root / "params.yaml")
    results = judged(results, rules)
    is_output = (root / MANIFEST).is_file()
    if is_output:
        rewrite(root, rules)
    if as_json:
        say(json_output.as_text(results))
        return
    terminal.show(results)
    if not is_output:
        overrides = " ".join(f"-S verdict.{key}={value}" for key, value in rules.items())
        say(f"Nothing was written. To keep these answers: dvc exp run {overrides}, or change conf/verdict/default.yaml")
