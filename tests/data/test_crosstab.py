"""Cross-tables: the cells of a table of counts become the cases that they stand for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from straightline.data import crosstab
from straightline.data.preparation import Prepared, prepare
from straightline.errors import UserError
from tests.data.test_row_values import settings
from tests.family_tables import housing

SATISFACTION = {"Sat": {"column": "Sat", "family": "multinomial"}}
NOTE = "Freq: rows that differ in the target only are cells of a cross-table"


def prepared(params: dict, table: pd.DataFrame, targets: dict = SATISFACTION, **data: object) -> Prepared:
    return prepare(settings(params, targets, **data), table)


def cases(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[table.index.repeat(table["Freq"])].drop(columns="Freq").reset_index(drop=True)


def test_a_cross_table_is_the_table_of_its_cases(params: dict) -> None:
    cells = housing()
    found = prepared(params, cells, weights="Freq", weights_are="frequency")
    known = prepared(params, cases(cells))
    for side in ("train", "test"):
        columns = list(getattr(known, side))
        pd.testing.assert_frame_equal(
            getattr(found, side)[columns].reset_index(drop=True), getattr(known, side).reset_index(drop=True)
        )
    assert f"{NOTE}, written out as a row for each of the 1,681 cases" in found.schema.warnings
    assert (found.schema.weights, found.schema.weights_are) == (None, None)
    assert not {"duplicates", "ordered"} & {check.code for check in found.schema.checks}
    assert replace(found.schema, checks=[]) == replace(known.schema, checks=[])


def test_too_many_cases_stay_rows_with_weights(params: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crosstab, "MOST_CASES", 1_680)
    found = prepared(params, housing(), weights="Freq", weights_are="frequency")
    assert (found.schema.weights, found.schema.weights_are) == ("Freq", "frequency")
    assert found.schema.rows.train + found.schema.rows.test == 72
    (note,) = (note for note in found.schema.warnings if note.startswith(NOTE))
    assert "; 1,681 cases are too many to get a row each, so that folds hold out whole cells" in note


def test_weights_from_sampling_stay_weights(params: dict) -> None:
    found = prepared(params, housing(), weights="Freq", weights_are="sampling")
    assert (found.schema.weights, found.schema.rows.train + found.schema.rows.test) == ("Freq", 72)


def test_rows_that_differ_in_their_columns_stay_weighted(params: dict) -> None:
    found = prepared(params, housing().assign(area=np.arange(72) ** 2), weights="Freq", weights_are="frequency")
    assert (found.schema.weights, found.schema.rows.train + found.schema.rows.test) == ("Freq", 72)


def test_an_error_in_a_cell_names_its_row(params: dict) -> None:
    broken = housing().assign(claims=1)
    broken.loc[50, "claims"] = -1
    targets = {"claims": {"column": "claims", "family": "poisson"}}
    with pytest.raises(UserError, match="row 51: -1 is negative"):
        prepared(params, broken, targets, weights="Freq", weights_are="frequency")


def test_the_reference_changes_neither_held_out_rows_nor_folds(params: dict) -> None:
    table = cases(housing())
    held_out = []
    for reference in ("Low", "Medium", "High"):
        found = prepared(params, table, {"Sat": SATISFACTION["Sat"] | {"reference": reference}})
        assert found.schema.targets["Sat"].classes is not None
        assert found.schema.targets["Sat"].classes[0] == reference
        held_out.append(found.test.index.tolist())
    assert held_out[0] == held_out[1] == held_out[2]
