"""Positive amounts, such as costs and durations: log link and the deviance of the gamma distribution."""

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


class Gamma(LogLink):
    """Numbers above 0, whose standard deviation is proportional to their mean.

    Half the deviance of a row is y exp(-eta) + eta plus a number that depends on y alone. The expected curvature of
    that is 1 and differs from the observed one; standard errors use the expected one, as R's `glm` does.
    """

    name = "gamma"
    has_dispersion = True
    is_separable = False
    classical_errors = "expected information"
    variance_unit = "square of the mean"
    noises = ("gamma",)
    boosted_options: ClassVar = {"loss": "gamma"}

    def labels(self, values: pd.Series, where: str, reference: str | None = None) -> tuple[pd.Series, list[Any] | None]:
        """Return the amounts as float64, and None. Raises UserError for words, and for numbers that are not above 0."""
        refuse_reference(reference, self.name, where)
        require_finite(values, where)
        require_scale(values, where)
        amounts = values.astype(np.float64)
        if (zero := amounts == 0).any():
            raise UserError(
                f"{where}, {first_row(zero)}: is 0 in {zero.sum():,} of {len(values):,} rows; expected amounts above 0 "
                "for family: gamma; keep the rows above 0 and predict apart whether an amount is above 0, or set "
                "family: gaussian"
            )
        if (negative := amounts < 0).any():
            raise UserError(
                f"{where}, {first_row(negative)}: {amounts[negative].iloc[0]:g} is negative; expected amounts above 0 "
                "for family: gamma; set family: gaussian"
            )
        return amounts, None

    def half_deviances(self, predictor: Any, labels: Any, exp: Any) -> Any:
        """Return y exp(-eta) + eta."""
        return labels * exp(-predictor) + predictor

    def least(self, labels: NDArray) -> NDArray:
        """Return 1 + log(y)."""
        return np.asarray(1 + np.log(labels))

    def newton(self, predictor: NDArray, labels: NDArray) -> Newton:
        """Return y / mu - 1 and y / mu, in which mu is the exponential of the predictor."""
        ratio = labels * exponential(-predictor)
        return Newton(ratio - 1, ratio)

    def information(self, predictor: NDArray, labels: NDArray) -> NDArray:
        """Return ones, the expected curvature."""
        return np.ones_like(predictor)

    def variance(self, mean: NDArray) -> NDArray:
        """Return the square of the mean."""
        return np.square(mean)

    def keras_loss(self, labels: Any, predictor: Any) -> Any:
        """Return the deviance."""
        import keras

        deviances = self.half_deviances(predictor, labels, keras.ops.exp) - 1 - keras.ops.log(labels)
        return keras.ops.mean(2 * deviances, axis=-1)

    def without_offset(
        self, labels: NDArray, weights: NDArray | None, offset: NDArray | None
    ) -> tuple[NDArray, NDArray | None]:
        """Return amounts for the exposure 1, whose deviance is that of the amounts."""
        return (labels, weights) if offset is None else (labels / np.exp(offset), weights)

    def _rate(self, labels: NDArray, weights: NDArray | None, exposure: NDArray) -> float:
        return float(np.average(labels / exposure, weights=weights))

    def draw(self, predictor: NDArray, noise: str, scale: float, random: np.random.Generator) -> NDArray:
        """Return amounts with the means of `predictor` and a standard deviation of `scale` times the mean."""
        shape = 1 / scale**2
        return random.gamma(shape, np.exp(predictor) / shape)

    def _best_line(self, features: NDArray, mean: NDArray) -> NDArray:
        from sklearn.linear_model import GammaRegressor

        line = GammaRegressor(alpha=0, solver="newton-cholesky", tol=1e-8, max_iter=1000).fit(features, mean)
        return np.asarray(line.predict(features))

    def _expected_deviance(self, mean: NDArray, scale: float) -> float:
        from scipy import special

        shape = 1 / scale**2
        return float(2 * (np.log(shape) - special.digamma(shape)))
