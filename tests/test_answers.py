"""The answers on real tables, with default settings: each read, trained, and compared by the pipeline's own stages."""

from pathlib import Path

import pytest
import yaml

from straightline.artifacts import read_json
from straightline.errors import UserError
from straightline.stages import compare, data, train
from tests.conftest import FOUND
from tests.textbook_tables import table

ENOUGH = {"regression_better", "practically_equivalent", "regression_enough"}
ANSWERS = {  # the findings that the rows may lead to
    "D3_wage1_lwage": ENOUGH | {"undecided"},
    "D4_spector": ENOUGH | {"undecided"},
    "D5_mroz": ENOUGH | {"undecided"},
    "D6_islr_default": ENOUGH,
    "D8_diamonds_price": {"neural_better"},
}


def project(root: Path, params: dict, name: str, **settings: object) -> None:
    rows, _, target = table(name)
    rows.to_csv(root / "table.csv", index=False)
    values = params | {
        "data": FOUND
        | {
            "source": "table",
            "path": "table.csv",
            "target": target,
            "seed": 0,
            "held_out": 0.2,
            "standardize": True,
        }
        | settings,
        "targets": {"target": {"column": target, "task": "auto"}},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    data.run(root)


@pytest.mark.parametrize("name", ANSWERS)
def test_the_finding_is_the_one_that_the_rows_allow(tmp_path: Path, params: dict, name: str) -> None:
    # Of 32 rows a fifth held out leaves too few of a class for ten folds.
    project(tmp_path, params, name, **({"held_out": 0} if name == "D4_spector" else {}))
    for model in params["models"]:
        train.run(tmp_path, "target", model)
    compare.run(tmp_path)
    verdict = read_json(tmp_path / "verdicts/target.json")
    assert verdict["finding"] in ANSWERS[name]


def test_too_few_rows_for_ten_folds_are_said(tmp_path: Path, params: dict) -> None:
    project(tmp_path, params, "D4_spector")
    with pytest.raises(UserError, match="the rarer class has 9 training rows, too few for 10 folds"):
        train.run(tmp_path, "target", "regression")
