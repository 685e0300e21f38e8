"""Warnings about a table: each by a table that deserves it, and none by one that does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from straightline.data import balloons
from straightline.data.checks import checks
from straightline.families.target import Target
from tests.builders import small, user_table
from tests.conftest import run_stages

PRICE, SOLD = {"price": Target("price", "gaussian", None)}, {"sold": Target("sold", "bernoulli", ["no", "yes"])}
ROWS = 200


def table(**columns: np.ndarray) -> pd.DataFrame:
    random = np.random.default_rng(0)
    plain = {name: random.normal(size=ROWS) for name in ("size", "rooms", "price")}
    return pd.DataFrame(plain | columns)


def sentences(*arguments: Any, **options: Any) -> list[str]:
    return list(map(str, checks(*arguments, **options)))


def test_a_plain_table_deserves_none() -> None:
    assert sentences(table(), PRICE) == []
    targets = {"num_balloons": Target("num_balloons", "gaussian", None), "color": Target("color", "bernoulli", [0, 1])}
    assert sentences(balloons.generate(5000, 0, 0.1), targets) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: pd.concat([rows, rows.head(3)]), "3 of 203 rows repeat another row"),
        (lambda rows: rows.head(2), "only 2 rows for 2 columns"),
        (
            lambda rows: rows.assign(price=np.arange(ROWS) % 3),
            "price: only the whole numbers 0, 1, 2, predicted as amounts; if they stand for classes",
        ),
        (lambda rows: rows.assign(size=4.0), "size: the same in every row"),
        (
            lambda rows: rows.assign(id=np.random.default_rng(1).permutation(ROWS)),
            "id: a different whole number in every row",
        ),
        (lambda rows: rows.assign(area=3 * rows["size"] + 1), "size, area: nearly the same; keep one of them"),
        (
            lambda rows: rows.assign(sum=rows["size"] - 2 * rows["rooms"]),
            "size, rooms, sum: nearly collinear; leave one of them out",
        ),
        (
            lambda rows: rows.assign(net=5 - rows["price"] / 3),
            "price: net alone determines it; is it known before price is?",
        ),
        (lambda rows: rows.sort_values("price"), "price: neighbouring rows are alike (correlation 1.00)"),
    ],
)
def test_each_warning_of_a_continuous_target(change: Callable[[pd.DataFrame], pd.DataFrame], told: str) -> None:
    assert any(warning.startswith(told) for warning in sentences(change(table()), PRICE))


def test_days_are_no_row_numbers_and_amounts_no_classes() -> None:
    days = table(day=np.random.default_rng(1).permutation(ROWS))
    assert sentences(days, PRICE)[0].startswith("day: a different whole number in every row")
    assert sentences(days, PRICE, dates=["day"]) == []
    for price in (np.arange(ROWS) % 3 + 0.5, np.arange(ROWS) % 50):
        assert not [told for told in sentences(table(price=price), PRICE) if "whole numbers" in told]


@pytest.mark.parametrize(
    ("sold", "extra", "told"),
    [
        (np.arange(ROWS) % 20 == 3, None, "sold: only 10 of 200 rows are 'yes'"),
        (np.arange(ROWS) % 2 == 0, -1.0, "sold: fee alone determines it"),
        (np.arange(ROWS) > 100, None, "sold: neighbouring rows are alike"),
    ],
)
def test_each_warning_of_a_binary_target(sold: np.ndarray, extra: float | None, told: str) -> None:
    rows = table(sold=sold.astype(int)).drop(columns="price")
    if extra is not None:
        rows["fee"] = np.where(sold, extra, rows["size"].abs())
    assert any(warning.startswith(told) for warning in sentences(rows, SOLD))


def test_many_columns_are_not_all_named() -> None:
    rows = table(**{f"flat{number}": np.zeros(ROWS) for number in range(9)})
    assert "flat0, flat1, flat2, flat3, flat4 and 4 more: the same in every row" in sentences(rows, PRICE)


def test_the_report_has_them_once(tmp_path: Path, params: dict) -> None:
    table(id=np.arange(ROWS)).to_csv(tmp_path / "own.csv", index=False)
    values = small(params, folds__seeds=1, fit__epochs=3)
    targets = {"price": {"column": "price", "family": "auto"}}
    run_stages(tmp_path, values | {"data": user_table("own.csv", "price"), "targets": targets}, pictures=False)
    page = (tmp_path / "reports/index.html").read_text()
    assert page.count("id: a different whole number in every row, like a row number; exclude it if it is one.") == 1
