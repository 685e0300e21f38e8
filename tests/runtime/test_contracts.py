"""Contracts: what is written as JSON is read as it was, and a missing or wrong field is one line."""

import json
from typing import Any

import pytest

from straightline.check import Check
from straightline.comparison.verdict import Ladder, Rung, Verdict
from straightline.data.schema import Division, Feature, RowCounts, Schema
from straightline.errors import UserError
from straightline.families.target import Target
from straightline.regression.certificate import Certificate
from straightline.runtime.contracts import Contract
from tests.builders import challenger, verdict

SCHEMA = Schema(
    encoding=[
        Feature("size", "number", fill=3.5),
        Feature("kind", "category", levels=("flat", "house"), reference="flat"),
    ],
    standardize=True,
    split=Division("groups", "shop"),
    targets={"sold": Target("sold", "bernoulli", ["no", "yes"]), "price": Target("price", "gaussian")},
    rows=RowCounts(80, 20),
    checks=[Check("constant", "the same in every row", ("size",))],
)
CERTIFICATE = Certificate(
    loss="mean_squared_error",
    method="exact",
    rows=80,
    descent_loss=1.0000001,
    exact_loss=1.0,
    gap=1e-7,
    tolerance=1e-3,
    converged=True,
    digits=None,
    condition_number=None,
    standard_errors="HC3",
    messages=["size is constant"],
    fold_messages=[],
)
LADDER = Ladder("line", "line", "net", {"line": Rung(2.0, 0.01, 0.0, "within")}, "Ladder: line is enough")
VERDICT = verdict(ladder=LADDER, challengers={"neural": challenger(relative_gain_interval=(None, None))})


@pytest.mark.parametrize("contract", [SCHEMA, CERTIFICATE, VERDICT], ids=lambda contract: type(contract).__name__)
def test_a_contract_is_read_as_it_was_written(contract: Contract) -> None:
    assert type(contract).from_json(json.loads(json.dumps(contract.to_json()))) == contract


def test_keys_of_another_version_are_ignored() -> None:
    assert Verdict.from_json(VERDICT.to_json() | {"later": 1}) == VERDICT


@pytest.mark.parametrize(
    ("contract", "change", "message"),
    [
        (VERDICT, {"margin": ...}, "verdicts/y.json: margin: field required; "),
        (VERDICT, {"finding": "neural_better"}, "verdicts/y.json: finding: input should be 'challenger_better'"),
        (SCHEMA, {"rows": {"train": 80}}, "verdicts/y.json: rows.test: field required; "),
        (CERTIFICATE, {"gap": "small"}, "verdicts/y.json: gap: input should be a valid number"),
    ],
)
def test_a_missing_or_wrong_field_is_one_line(contract: Contract, change: dict[str, Any], message: str) -> None:
    values = {key: value for key, value in (contract.to_json() | change).items() if value is not ...}
    with pytest.raises(UserError) as caught:
        type(contract).from_json(values, "verdicts/y.json")
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("run `dvc repro`")
    assert "\n" not in str(caught.value)
