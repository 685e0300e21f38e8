"""Continuous targets: identity link and squared error. The optimum of a linear predictor is ordinary least squares."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from straightline.check import Check
from straightline.errors import UserError
from straightline.families.family import Family, Newton, TargetScaling
from straightline.families.multinomial import MOST_CLASSES
from straightline.families.numbers import refuse_reference, require_finite, require_scale

if TYPE_CHECKING:
    import pandas as pd

    from straightline.families.target import Target

FEW = 10  # With at most so many different whole numbers, each in ten rows on average, a target may hold classes.


LEAST_COUNT, SKEWNESS = 3, 0.5  # Whole numbers that begin so near to 0, and are so skewed, may count something.


def _count_hint(labels: NDArray, target: Target) -> list[Check]:
    """Return a hint if the whole numbers `labels` begin near to 0 and have a long right tail, as counts do."""
    from scipy import stats

    if not 0 <= labels.min() <= LEAST_COUNT or not stats.skew(labels) >= SKEWNESS:
        return []
    return [
        Check(
            "counts",
            f"whole numbers from {labels.min():.0f} to {labels.max():,.0f} with many small ones, predicted as amounts",
            (target.column,),
            "if they count something, set --family poisson",
        )
    ]


class Gaussian(Family):
    """Finite numbers, the largest of which is between 1e-30 and 1e30 without its sign."""

    name = "gaussian"
    loss = "mean_squared_error"
    loss_title = "mean squared error"
    activation = "linear"
    has_dispersion = True
    is_least_squares = True
    is_separable = False
    robust_errors = "HC3"
    metrics: ClassVar = {"mse": "mean squared error", "rmse": "RMSE", "mae": "MAE", "r2": "R²"}
    headline_metrics = ("rmse", "mae", "r2")
    pictures = ("truth", "residuals")
    has_intervals = True
    loss_factor = 2.0
    noises = ("normal", "heavy")  # `heavy` is Student's t with 3 degrees of freedom, which has no fourth moment.

    def suits(self, values: pd.Series) -> bool:
        """Return True, since a column that suits no other family is expected to hold numbers."""
        return True

    def labels(self, values: pd.Series, where: str, reference: str | None = None) -> tuple[pd.Series, list[Any] | None]:
        """Return the numbers as float64, and None. Raises UserError for words, and for numbers that are not usable."""
        import pandas as pd

        is_number = pd.to_numeric(values, errors="coerce").notna()
        if not pd.api.types.is_numeric_dtype(values) and is_number.mean() < 0.5:
            words = sorted(values.unique().tolist(), key=lambda value: (str(type(value)), value))
            shown = ", ".join(map(str, words[:3])) + (", ..." if len(words) > 3 else "")
            raise UserError(
                f"{where} has {len(words):,} different words ({shown}); expected numbers, or at most {MOST_CLASSES} "
                "classes: join rare classes into one, or keep only the rows of the commonest"
            )
        refuse_reference(reference, self.name, where)
        require_finite(values, where)
        require_scale(values, where)
        return values.astype(np.float64), None

    def checks(self, labels: NDArray, target: Target) -> list[Check]:
        """Return a hint if the labels are a few whole numbers, which may be classes or ratings, or look like counts."""
        values = np.unique(labels)
        if (values % 1).any():
            return []
        if len(values) > FEW or FEW * len(values) > len(labels):
            return _count_hint(labels, target)
        shown = ", ".join(f"{value:.0f}" for value in values)
        poisson = " (or poisson, if they count something)" if values[0] >= 0 else ""
        return [
            Check(
                "whole-numbers",
                f"only the whole numbers {shown}, predicted as amounts",
                (target.column,),
                f"if they stand for classes, set --family multinomial{poisson}",
            )
        ]

    def is_determined_by(self, column: NDArray, labels: NDArray) -> bool:
        """Return whether the labels are a linear function of the column."""
        return bool(abs(np.corrcoef(column, labels)[0, 1]) > 1 - 1e-9)

    def link(self, mean: Any) -> Any:
        """Return the mean itself."""
        return mean

    def inverse_link(self, predictor: NDArray) -> NDArray:
        """Return the predictor itself."""
        return predictor

    def row_losses(self, truth: NDArray, prediction: NDArray) -> NDArray:
        """Return the squared errors."""
        return np.square(np.asarray(truth, np.float64) - np.asarray(prediction, np.float64))

    def predictor_losses(self, predictor: NDArray, labels: NDArray) -> NDArray:
        """Return the squared errors."""
        return np.asarray((labels - predictor) ** 2)

    def newton(self, predictor: NDArray, labels: NDArray) -> Newton:
        """Return the derivatives of half the squared error."""
        return Newton(labels - predictor, np.ones_like(predictor))

    def keras_loss(self, labels: Any, predictor: Any) -> Any:
        """Return `keras.losses.mean_squared_error`."""
        import keras

        return keras.losses.mean_squared_error(labels, predictor)

    def target_scaling(self, mean: float, deviation: float, offset_center: float) -> TargetScaling:
        """Return the scaling to mean 0 and standard deviation 1."""
        return TargetScaling(mean, deviation, mean, deviation)

    def target_scaling_without_intercept(self, root_mean_square: float, offset_center: float) -> TargetScaling:
        """Return the scaling to a root mean square of 1."""
        return TargetScaling(0.0, root_mean_square, 0.0, root_mean_square)

    def loss_unit(self, target_scale: float) -> float:
        """Return the square of the scale."""
        return target_scale**2

    def scores(
        self, truth: NDArray, prediction: NDArray, weights: NDArray | None = None, offset: NDArray | None = None
    ) -> dict[str, float | None]:
        """Return `loss`, `mse`, `rmse`, `mae`, and `r2` about the mean of `truth` (None if `truth` is constant)."""
        from sklearn import metrics

        loss = self.mean_loss(truth, prediction, weights)
        return {
            "loss": loss,
            "mse": loss,
            "rmse": float(np.sqrt(loss)),
            "mae": float(metrics.mean_absolute_error(truth, prediction, sample_weight=weights)),
            "r2": float(metrics.r2_score(truth, prediction, sample_weight=weights)) if np.ptp(truth) > 0 else None,
        }

    def predicted_columns(self, target: Target, predictions: NDArray) -> dict[str, list[Any]]:
        """Return the predictions under the target's name."""
        return {target.column: predictions.tolist()}

    def draw(self, predictor: NDArray, noise: str, scale: float, random: np.random.Generator) -> NDArray:
        """Return the predictor plus noise with the standard deviation `scale`."""
        rows = len(predictor)
        standard = random.standard_normal(rows) if noise == "normal" else random.standard_t(3, rows) / math.sqrt(3)
        return np.asarray(predictor + scale * standard)

    def curve_amplitude(self, gain: float, scale: float, features: NDArray, line: NDArray, curve: NDArray) -> float:
        """Return the factor a for a curve of variance 1 that is uncorrelated with the features.

        The loss of the best line is then scale^2 + a^2.
        """
        return scale * math.sqrt(gain / (1 - gain))
