"""Formulas such as `price ~ size * C(city)`: from the columns of a table to the columns that models see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from straightline.errors import UserError, message

INTERCEPT = "Intercept"


@dataclass(frozen=True)
class Design:
    """What the right side of a formula makes of a table.

    `spec` is formulaic's model specification, which remembers the levels of categories and the state of transforms.
    """

    spec: Any
    formula: str

    @property
    def has_intercept(self) -> bool:
        """Whether the formula has an intercept, as it has unless it says `- 1`."""
        return INTERCEPT in self.spec.column_names

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the columns of the formula for the rows of `frame`, without the intercept.

        Raises UserError if a column is absent or has gaps.
        """
        import formulaic

        _require_no_gaps(self.formula, frame, self.spec.required_variables)
        try:
            matrix = self.spec.get_model_matrix(frame, context={}, na_action="raise")
        except formulaic.errors.FormulaicError as error:
            raise _explained(self.formula, error) from None
        return _columns(matrix)


def designed(formula: str, frame: pd.DataFrame) -> tuple[Design, pd.DataFrame, pd.Series | None]:
    """Return the design that `formula` makes of `frame`, its columns, and the target, or None without a left side.

    A left side that is the name of a column gives the column as it is, so that words stay classes. Raises UserError for
    a formula that cannot be read or computed, and if formulaic is not installed.
    """
    try:
        import formulaic
    except ModuleNotFoundError as error:
        raise UserError(message(error)) from None
    try:
        parsed = formulaic.Formula(formula)
        right = getattr(parsed, "rhs", parsed)
        left = getattr(parsed, "lhs", None)
        _require_no_gaps(formula, frame, right.required_variables)
        matrix = right.get_model_matrix(frame, context={}, na_action="raise")
        target = None if left is None else _target(formula, left, frame)
    except formulaic.errors.FormulaicError as error:
        raise _explained(formula, error) from None
    columns = _columns(matrix)
    if columns.empty:
        raise UserError(f"formula {formula!r}: has no column to predict from; expected one such as 'price ~ size'")
    return Design(matrix.model_spec, formula), columns, target


def _target(formula: str, left: Any, frame: pd.DataFrame) -> pd.Series:
    name = str(left)
    if name in frame.columns:
        return frame[name]
    values = pd.DataFrame(left.get_model_matrix(frame, context={}, na_action="raise"))
    if values.shape[1] != 1:
        raise UserError(f"formula {formula!r}: has {values.shape[1]} columns on the left; expected one to predict")
    return values.iloc[:, 0]


def _columns(matrix: Any) -> pd.DataFrame:
    return pd.DataFrame(matrix).drop(columns=INTERCEPT, errors="ignore").astype("float64")


def _require_no_gaps(formula: str, frame: pd.DataFrame, variables: Any) -> None:
    for name in sorted(set(map(str, variables)) & set(frame.columns)):
        if (is_gap := frame[name].isna().to_numpy()).any():
            raise UserError(
                f"formula {formula!r}: column {name!r} has {is_gap.sum():,} gaps, first in row "
                f"{int(is_gap.argmax()) + 1}; fill or drop these rows, or leave the formula out: gaps are then filled"
            )


def _explained(formula: str, error: Exception) -> UserError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return UserError(f"formula {formula!r}: {reason}")
