"""The exact regression of a family as an estimator of scikit-learn, without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from straightline.data.rows import Rows
from straightline.data.source import held_in_groups
from straightline.families import Family, family_of
from straightline.interface.estimator import FamilyEstimator
from straightline.interface.summary import Summary
from straightline.regression import exact, ridge
from straightline.regression.coefficients import coefficient_table
from straightline.regression.optimum import Inference
from straightline.runtime.terminal import silent

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ExactCertificate:
    """How the optimum was found, and what to know about it.

    `method` is `exact` or `firth` (the penalised estimate where the labels are separated). `loss` is the mean loss on
    the fitted rows. `standard_errors` names their kind, and `messages` are sentences for the user.
    """

    method: str
    rows: int
    loss: float
    condition_number: float
    standard_errors: str
    messages: tuple[str, ...]


class Regression(FamilyEstimator):
    """Linear, logistic, multinomial, Poisson or gamma regression: the exact optimum with its inference.

    Parameters
    ----------
    family : {"gaussian", "bernoulli", "multinomial", "poisson", "gamma"}
        What the target is. With classes the estimator is a classifier.
    l2 : float
        The penalty of a ridge regression: half of it times the squares of the slopes of standardised columns is added
        to half the mean deviance. There are no standard errors with a penalty.
    fit_intercept : bool
        Whether there is an intercept.
    robust : bool
        Whether standard errors stay valid if the model is wrong (HC3, or the sandwich).
    quasi : bool
        Whether the variance of counts about their means is estimated, instead of equal to the mean.
    formula : str or None
        What becomes of the columns of `X`, such as "size * C(city)", in formulaic's grammar. With a target on the left,
        "price ~ size * C(city)", `fit` takes the whole table and no `y`.

    Examples
    --------
    >>> import numpy as np, straightline as sl
    >>> x = np.arange(6.0)[:, np.newaxis]
    >>> line = sl.Regression().fit(x, 2 * x[:, 0] + 1)
    >>> line.coef_.round(6).tolist(), round(float(line.intercept_), 6)
    ([2.0], 1.0)
    """

    def __init__(
        self,
        family: str = "gaussian",
        *,
        l2: float = 0.0,
        fit_intercept: bool = True,
        robust: bool = False,
        quasi: bool = False,
        formula: str | None = None,
    ) -> None:
        self.family = family
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.robust = robust
        self.quasi = quasi
        self.formula = formula

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> Regression:
        """Compute the optimum.

        `X` is `(rows, columns)`, `y` `(rows,)`. A row with the weight k counts as k equal rows. `offset` `(rows,)` is
        added to the linear predictor of counts and amounts, such as the logarithm of an exposure.
        """
        columns, labels, weights, family = self._checked(X, y, sample_weight)
        rows = Rows(columns, labels, weights, None if offset is None else np.asarray(offset, np.float64))
        with silent():
            self._solve(rows, family)
        return self

    def _solve(self, rows: Rows, family: Family) -> None:
        intercept = self.fit_intercept and (self.formula is None or self.design_.has_intercept)
        names, numbers = self._names(), [np.arange(len(rows), dtype=np.int32)]
        inference = Inference(self.robust, self.quasi)
        (self.optimum_,) = exact.optima(
            held_in_groups(rows),
            numbers,
            family,
            names,
            inference=inference,
            intercept=intercept,
            classes=self.target_.classes,
        )
        coefficients = self.optimum_.coefficients
        if self.l2:
            (line,) = ridge.lines(held_in_groups(rows), numbers, family, [self.l2], intercept)
            coefficients = line.coefficients
        self._coefficients = coefficients
        self.intercept_, self.coef_ = coefficients[0], coefficients[1:].T
        self.certificate_ = ExactCertificate(
            self.optimum_.method,
            len(rows),
            self.optimum_.loss,
            self.optimum_.condition_number,
            self.optimum_.errors,
            tuple(self.optimum_.messages),
        )

    def tidy(self, confidence: float = CONFIDENCE) -> pd.DataFrame:
        """Return the coefficients as a table with a row for each term, and for each class if there are several.

        The columns are `term,estimate,std_error,statistic,p_value,ci_low,ci_high`, with `class` before them. What does
        not exist is NaN. Ends of intervals have the level `confidence`.
        """
        check_is_fitted(self)
        known = self.target_.classes
        classes = list(map(str, known[1:])) if known is not None and len(known) > 2 else None
        best = self.optimum_
        table = coefficient_table(best, self._names(), best.coefficients, confidence, classes)
        return table.drop(columns=["trained", "scale"]).reset_index(drop=True)

    def summary(self) -> Summary:
        """Return the coefficients with their notes: it prints as text, and shows itself in a notebook."""
        table, found = self.tidy(), self.certificate_
        notes = [f"{found.method}; standard errors: {found.standard_errors}; rows: {found.rows:,}"]
        if self.l2:
            notes.append(f"predictions are those of a ridge regression with the penalty {self.l2:g}")
        return Summary(table, f"{self.family} regression", [*notes, *(f"Note: {each}." for each in found.messages)])

    def _prediction(self, X: NDArray) -> NDArray:
        return family_of(self.target_).inverse_link(np.add(self._coefficients[0], X @ self._coefficients[1:]))
