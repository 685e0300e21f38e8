"""Counts: log link and the deviance of the Poisson distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from straightline.errors import UserError
from straightline.families.family import Newton
from straightline.families.log_link import LogLink, exponential
from straightline.families.numbers import first_row, refuse_reference, require_finite, require_scale

if TYPE_CHECKING:
    import pandas as pd


class Poisson(LogLink):
    """Whole numbers from 0 on. Half the deviance of a row is exp(eta) - y eta plus a number that depends on y alone."""

    name = "poisson"
    has_dispersion = False
    is_separable = True
    is_count = True
    variance_unit = "mean"
    noises = ("counts",)
    forest_options: ClassVar = {"criterion": "poisson"}
    boosted_options: ClassVar = {"loss": "poisson"}

    def labels(self, values: pd.Series, where: str, reference: str | None = None) -> tuple[pd.Series, list[Any] | None]:
        """Return the counts as float64, and None. Raises UserError for negative numbers, fractions and words."""
        refuse_reference(reference, self.name, where)
        require_finite(values, where)
        require_scale(values, where)
        counts = values.astype(np.float64)
        if (negative := counts < 0).any():
            raise UserError(
                f"{where}, {first_row(negative)}: {counts[negative].iloc[0]:g} is negative; expected counts from 0 on "
                "for family: poisson; set family: gaussian"
            )
        if (broken := counts % 1 != 0).any():
            raise UserError(
                f"{where}, {first_row(broken)}: {counts[broken].iloc[0]:g} is no whole number; expected counts for "
                "family: poisson; set family: gamma for positive amounts, or predict the count and give --exposure"
            )
        return counts, None

    def half_deviances(self, predictor: Any, labels: Any, exp: Any) -> Any:
        """Return exp(eta) - y eta."""
        return exp(predictor) - labels * predictor

    def least(self, labels: NDArray) -> NDArray:
        """Return y - y log(y)."""
        from scipy import special

        return np.asarray(labels - special.xlogy(labels, labels))

    def newton(self, predictor: NDArray, labels: NDArray) -> Newton:
        """Return y - mu and mu, in which mu is the exponential of the predictor."""
        mean = exponential(predictor)
        return Newton(labels - mean, mean)

    def variance(self, mean: NDArray) -> NDArray:
        """Return the mean."""
        return mean

    def third_cumulant(self, mean: NDArray) -> NDArray:
        """Return the mean, as all cumulants of a count are."""
        return mean

    def separating_contrasts(self, labels: NDArray) -> tuple[NDArray, NDArray]:
        """Return the rows that may only fall if they are 0, and must not change otherwise.

        The optimum is not finite if a direction lowers the linear predictors of zeros alone (Correia, Guimaraes and
        Zylkin 2019, "Verifying the existence of maximum likelihood estimates for generalized linear models",
        theorem 1).
        """
        rows = np.arange(len(labels))
        positive = rows[labels > 0]
        signs = np.concatenate([np.where(labels > 0, 1.0, -1.0), -np.ones(len(positive))])
        return np.concatenate([rows, positive]), signs[:, np.newaxis]

    def keras_loss(self, labels: Any, predictor: Any) -> Any:
        """Return the deviance. Unlike `keras.losses.poisson` it adds nothing inside a logarithm of the prediction."""
        import keras

        positive = keras.ops.maximum(labels, 1e-30)  # Where the label is 0, its logarithm is multiplied by 0.
        least = labels - labels * keras.ops.log(positive)
        return keras.ops.mean(2 * (self.half_deviances(predictor, labels, keras.ops.exp) - least), axis=-1)

    def loss_unit(self, target_scale: float) -> float:
        """Return the scale."""
        return target_scale

    def without_offset(
        self, labels: NDArray, weights: NDArray | None, offset: NDArray | None
    ) -> tuple[NDArray, NDArray | None]:
        """Return rates, weighted by the exposure, whose deviance is that of the counts."""
        if offset is None:
            return labels, weights
        exposure = np.exp(offset)
        return labels / exposure, exposure if weights is None else weights * exposure

    def _rate(self, labels: NDArray, weights: NDArray | None, exposure: NDArray) -> float:
        return float(np.average(labels, weights=weights) / np.average(exposure, weights=weights))

    def draw(self, predictor: NDArray, noise: str, scale: float, random: np.random.Generator) -> NDArray:
        """Return counts with the means of `predictor`."""
        return random.poisson(np.exp(predictor)).astype(np.float64)

    def _best_line(self, features: NDArray, mean: NDArray) -> NDArray:
        from sklearn.linear_model import PoissonRegressor

        line = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-8, max_iter=1000).fit(features, mean)
        return np.asarray(line.predict(features))

    def _expected_deviance(self, mean: NDArray, scale: float) -> float:
        from scipy import stats

        counts = np.arange(stats.poisson.isf(1e-12, mean.max()) + 1)
        shares = stats.poisson.pmf(counts, mean[:, np.newaxis])
        return float((shares * self.row_losses(counts, mean[:, np.newaxis])).sum(axis=1).mean())
