"""Stage `compare`: turn the fold losses of all models of a target into verdicts/<target>.json."""

from pathlib import Path

from straightline.runtime.processor import use_common_instructions
from straightline.runtime.terminal import say

use_common_instructions()

import pandas as pd

from straightline.comparison.judgement import Rules, judge
from straightline.comparison.verdict import Verdict
from straightline.config.settings import Config, load
from straightline.data.schema import Schema, read_schema
from straightline.errors import UserError
from straightline.models import baseline_of
from straightline.runtime.artifacts import write_json
from straightline.runtime.stage import stage


def run(root: Path) -> None:
    """Write verdicts/<target>.json below `root` for each target."""
    for target, verdict in verdicts(root, load(root / "params.yaml")).items():
        write_json(root / f"verdicts/{target}.json", verdict.to_json())
        finding = "" if verdict.answer == "neither" else f" ({verdict.finding})"
        say(f"compare: {target}: is a straight line enough? {verdict.answer}{finding}")


def verdicts(root: Path, config: Config) -> dict[str, Verdict]:
    """Return the verdict on each target, by the fold losses below `root` and the rules in `config`."""
    schema = read_schema(root)
    return {target: _verdict(root, config, schema, target) for target in config.targets}


def _verdict(root: Path, config: Config, schema: Schema, target: str) -> Verdict:
    return judge(
        schema=schema,
        target=target,
        baseline=baseline_of(config.models),
        folds={name: _losses(root / "runs" / target / name / "folds.csv") for name in config.models},
        configs={name: getattr(model, "selected_from", 1) for name, model in config.models.items()},
        rules=Rules(config.folds.k, config.verdict.margin, config.verdict.confidence, config.verdict.ladder),
        reference=None if config.reference == "none" else _losses(root / f"references/{target}.csv"),
    )


def _losses(path: Path) -> pd.DataFrame:
    """Return a table of fold losses. Raises UserError if it is missing or damaged."""
    try:
        table = pd.read_csv(path)
        damage = None if {"repeat", "fold", "loss"} <= {*table.columns} else "it has no columns repeat, fold and loss"
    except (OSError, ValueError) as error:
        damage = " ".join(str(error).split())
    if damage is not None:
        raise UserError(f"{path}: is missing or damaged ({damage}); train again")
    return table


if __name__ == "__main__":
    with stage("compare"):
        run(Path("."))
