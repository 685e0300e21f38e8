"""What an exact regression is: its coefficients, their covariance, and which covariance was asked for."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Optimum:
    """The best linear predictor: `coefficients` `(1 + columns,)`, intercept first, in the columns' original units.

    Several linear predictors have `(1 + columns, outputs)`. `method` is `exact` or `firth`, and `loss` is the mean loss
    on the fitted rows. `estimates` are the coefficients, with NaN for each coefficient that the data do not determine.
    `covariance` is the covariance of the estimates, those of one linear predictor after those of another, or None if it
    does not exist, and `errors` is its kind: `classical`, `expected information`, `HC3` or `sandwich`.
    `degrees_of_freedom` belongs to the residuals (inf for a logistic regression, since its statistic is asymptotically
    normal). Without an `intercept`, the first coefficient is 0 and the first estimate is NaN. `scales` `(columns,)` are
    the standard deviations of the columns. `dispersion` is the variance about the predictions divided by that of the
    family, or None if it was not estimated.
    """

    coefficients: NDArray
    estimates: NDArray
    covariance: NDArray | None
    loss: float
    method: str
    degrees_of_freedom: float
    condition_number: float
    errors: str
    scales: NDArray
    intercept: bool = True
    dispersion: float | None = None
    messages: list[str] = field(default_factory=list)

    @property
    def identified(self) -> NDArray:
        """Which coefficients the data determine, with the shape of `coefficients`."""
        return np.isfinite(self.estimates)

    def predict(self, features: NDArray) -> NDArray:
        """Return the linear predictor, `(rows,)` or `(rows, outputs)`, of `features` `(rows, columns)`."""
        return np.add(self.coefficients[0], features @ self.coefficients[1:])


@dataclass(frozen=True)
class Inference:
    """Which covariance is computed.

    A `robust` covariance needs another pass and stays valid if the model is wrong: HC3 for least squares (MacKinnon and
    White 1985, eq. 12), the sandwich for maximum likelihood (White 1982, theorem 3.2). With `quasi` the variance of
    counts about their means is estimated too (McCullagh and Nelder 1989, section 6.2.3). Weights that come from
    `sampling` need a robust covariance, in which a row counts once, however large its weight is.
    """

    robust: bool = False
    quasi: bool = False
    sampling: bool = False


CLASSICAL = Inference()
