"""What families with the logarithm as link share: their labels are positive, and their loss is the mean deviance."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from straightline.families.family import Family, TargetScaling

if TYPE_CHECKING:
    import pandas as pd

    from straightline.families.target import Target


class LogLink(Family):
    """The prediction is the exponential of the linear predictor, so that effects of columns are factors.

    An offset, such as the logarithm of an exposure, is added to the linear predictor. It multiplies predictions, also
    averages of them, so that a model may predict for the offset 0.
    """

    loss = "mean_deviance"
    loss_title = "mean deviance"
    activation = "exponential"
    is_least_squares = False
    robust_errors = "sandwich"
    has_offset = True
    has_factors = True
    loss_factor = 2.0
    metrics: ClassVar = {
        "deviance": "mean deviance",
        "d2": "D²",
        "rmse": "RMSE",
        "mae": "MAE",
    }
    headline_metrics = ("deviance", "d2", "mae")
    scores_note = "D² is the share of the deviance about the mean of the held-out rows that a model explains."
    pictures = ("truth", "calibration")

    def suits(self, values: pd.Series) -> bool:
        """Return False: the family is taken only where it is asked for."""
        return False

    def is_determined_by(self, column: NDArray, labels: NDArray) -> bool:
        """Return whether the labels are proportional to the column, or their logarithms a linear function of it."""
        if np.abs(np.corrcoef(column, labels)[0, 1]) > 1 - 1e-9:
            return True
        return bool((labels > 0).all() and abs(np.corrcoef(column, np.log(labels))[0, 1]) > 1 - 1e-9)

    def link(self, mean: Any) -> Any:
        """Return the logarithm."""
        return float(np.log(mean))

    def inverse_link(self, predictor: NDArray) -> NDArray:
        """Return the exponential."""
        return exponential(predictor)

    def baseline(self, labels: NDArray, weights: NDArray | None = None, offset: NDArray | None = None) -> Any:
        """Return the mean of the labels, or with an `offset` the best prediction for the offset 0."""
        mean = float(np.average(labels, weights=weights))
        return mean if offset is None else self._rate(labels, weights, np.exp(offset))

    @abstractmethod
    def _rate(self, labels: NDArray, weights: NDArray | None, exposure: NDArray) -> float:
        """Return the prediction for the exposure 1 that has the lowest loss if rows have an `exposure` `(rows,)`."""

    def with_offset(self, prediction: NDArray, offset: NDArray | None) -> NDArray:
        """Return the predictions times the exponential of the offset."""
        return prediction if offset is None else prediction * np.exp(offset)

    @abstractmethod
    def half_deviances(self, predictor: Any, labels: Any, exp: Any) -> Any:
        """Return half the deviance of each row without the part that depends on labels alone.

        `exp` is the exponential function of the library of the arrays.
        """

    @abstractmethod
    def least(self, labels: NDArray) -> NDArray:
        """Return the least that `half_deviances` can be for each of the `labels`: where the prediction is the label."""

    def row_losses(self, truth: NDArray, prediction: NDArray) -> NDArray:
        """Return the deviances."""
        with np.errstate(divide="ignore"):
            predictor = np.log(np.asarray(prediction, np.float64))
        return self.predictor_losses(np.maximum(predictor, SMALLEST_PREDICTOR), np.asarray(truth, np.float64))

    def predictor_losses(self, predictor: NDArray, labels: NDArray) -> NDArray:
        """Return the deviances of linear predictors."""
        deviances = 2 * (self.half_deviances(predictor, labels, exponential) - self.least(labels))
        return np.asarray(np.maximum(deviances, 0.0))  # Rounding errors may make a deviance of 0 negative.

    def target_scaling(self, mean: float, deviation: float, offset_center: float) -> TargetScaling:
        """Return the scaling to mean 1, after which the linear predictor of the mean is 0."""
        mean = mean or 1.0  # Some of the rows of a table may have counts of 0 alone.
        return TargetScaling(0.0, mean, float(np.log(mean)) - offset_center, 1.0)

    def target_scaling_without_intercept(self, root_mean_square: float, offset_center: float) -> TargetScaling:
        """Return the scaling by the exponential of the offset's center, which leaves the linear predictor as it is."""
        return TargetScaling(0.0, float(np.exp(offset_center)), 0.0, 1.0)

    def scores(
        self, truth: NDArray, prediction: NDArray, weights: NDArray | None = None, offset: NDArray | None = None
    ) -> dict[str, float | None]:
        """Return `loss`, `deviance`, `d2` (None if `truth` is constant), `rmse` and `mae`.

        D2 compares with the mean of `truth`, or with its mean rate if rows have an `offset`, as R's null deviance does.
        """
        from sklearn import metrics

        loss = self.mean_loss(truth, prediction, weights)
        is_constant = np.ptp(truth) == 0
        mean = self.with_offset(np.full(len(truth), self.baseline(truth, weights, offset)), offset)
        return {
            "loss": loss,
            "deviance": loss,
            "d2": None if is_constant else 1 - loss / self.mean_loss(truth, mean, weights),
            "rmse": float(metrics.root_mean_squared_error(truth, prediction, sample_weight=weights)),
            "mae": float(metrics.mean_absolute_error(truth, prediction, sample_weight=weights)),
        }

    def predicted_columns(self, target: Target, predictions: NDArray) -> dict[str, list[Any]]:
        """Return the predictions under the target's name."""
        return {target.column: predictions.tolist()}

    def predictor_name(self, target: Target) -> str:
        """Return the name of the logarithm."""
        return f"log of {target.column}" + (f" per {target.exposure}" if target.exposure else "")

    def coefficient_unit(self, target: Target) -> str:
        """Return the name of the logarithm."""
        return self.predictor_name(target)

    def baseline_title(self, target: Target) -> str:
        """Return the name of the prediction, which is a mean rate if there is an exposure."""
        if target.exposure is not None:
            return f"predicting the mean rate times {target.exposure}"
        return self.baseline_name if target.offset is None else f"predicting the mean, with the offset {target.offset}"

    def curve_amplitude(self, gain: float, scale: float, features: NDArray, line: NDArray, curve: NDArray) -> float:
        """Find the factor by a root search, since the best line's expected deviance has no closed form."""
        from scipy import optimize

        def excess(factor: float) -> float:
            mean = np.exp(line + factor * curve)
            best = self._best_line(features, mean)
            # The expected deviance of a prediction is that of the true mean plus the deviance between the two.
            least = self._expected_deviance(mean, scale)
            return 1 - least / (least + self.mean_loss(mean, best)) - gain

        upper = 0.125
        while excess(upper) < 0:  # Means grow exponentially with the factor, so that it must not start too large.
            upper *= 2
        return float(optimize.brentq(excess, 0.0, upper, xtol=1e-3))

    @abstractmethod
    def _best_line(self, features: NDArray, mean: NDArray) -> NDArray:
        """Return the predictions `(rows,)` of the regression with the lowest expected loss if labels have this mean."""

    @abstractmethod
    def _expected_deviance(self, mean: NDArray, scale: float) -> float:
        """Return the expected mean deviance of the true `mean`."""


SMALLEST_PREDICTOR = -700.0  # Its exponential is still a positive number.
LARGEST_PREDICTOR = 300.0  # The square of its exponential is still finite.


def exponential(predictor: NDArray) -> NDArray:
    """Return the exponential of a linear predictor, which is cut off where numbers end."""
    return np.exp(np.minimum(predictor, LARGEST_PREDICTOR))
