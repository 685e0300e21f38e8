"""The interface of a family: everything that depends on the kind of the target column.

Its methods follow scikit-learn's `_loss` (link, domain, loss) and glum's `_distribution` (deviance, gradient and
curvature by row). The linear predictor is `b + x w`, and the prediction is its inverse link.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from straightline.check import Check
    from straightline.families.target import Target


class Newton(NamedTuple):
    """Derivatives of each row's loss, or of half its deviance, by its linear predictor, `(rows,)`.

    `residual` is the negative first derivative, `curvature` the second derivative.
    """

    residual: NDArray
    curvature: NDArray


class TargetScaling(NamedTuple):
    """How gradient descent scales a target: labels are (label - center) / scale.

    The linear predictor of the labels is `predictor_center` plus `predictor_scale` times that of the scaled labels.
    """

    center: float
    scale: float
    predictor_center: float
    predictor_scale: float


AS_IT_IS = TargetScaling(0.0, 1.0, 0.0, 1.0)


class Family(ABC):
    """A kind of target. Two families of the same class with as many outputs are equal.

    - `loss` is the name of the loss in the files that the pipeline writes, `loss_title` its name for readers.
    - `activation` is the inverse link as a Keras activation of the output layer.
    - `has_dispersion` says whether the variance about the predictions is estimated. If so, statistics follow Student's
      t distribution instead of a normal distribution.
    - `is_least_squares` says whether the optimum has a closed form. Otherwise Newton's method finds it.
    - `is_of_classes` says whether the labels stand for classes, and predictions are probabilities.
    - `is_count` says whether the labels are counts, whose variance the model fixes.
    - `has_offset` says whether a known offset of the linear predictor, or an exposure, may be given.
    - `is_separable` says whether an optimum with finite coefficients may not exist.
    - `classical_errors` and `robust_errors` name the usual covariance, and the one that stays valid if the model is
      wrong.
    - `metrics` maps the keys of the scores on held-out rows to their titles.
    - `headline_metrics` lists the keys of the scores that a caption shows.
    - `scores_note` explains scores to readers, or is None.
    - `pictures` lists the pictures of held-out predictions that suit the family.
    - `has_intervals` says whether predictions are numbers that an interval can surround.
    - `forest` and `boosted_trees` are the names of scikit-learn's models of trees for the family, `forest_options` and
      `boosted_options` their options.
    - `has_factors` says whether the link is the logarithm, so that exponentials of coefficients multiply predictions.
    - `variance_unit` names what the dispersion multiplies, if readers see a dispersion.
    - `loss_factor` is the loss of a row divided by what `newton` differentiates.
    - `noises` lists the kinds of noise that simulated tables may have.
    - `outputs` is the number of linear predictors of a row. With one, arrays of linear predictors, coefficients and
      predictions have no axis for it. With more, predictors are `(rows, outputs)`, coefficients
      `(1 + columns, outputs)`, and predictions `(rows, classes)`.
    """

    name: ClassVar[str]
    loss: ClassVar[str]
    loss_title: ClassVar[str]
    activation: ClassVar[str]
    has_dispersion: ClassVar[bool]
    is_least_squares: ClassVar[bool]
    is_separable: ClassVar[bool]
    robust_errors: ClassVar[str]
    metrics: ClassVar[dict[str, str]]
    headline_metrics: ClassVar[tuple[str, ...]]
    pictures: ClassVar[tuple[str, ...]]
    noises: ClassVar[tuple[str, ...]]
    is_count: ClassVar[bool] = False
    is_of_classes: ClassVar[bool] = False
    has_offset: ClassVar[bool] = False
    has_intervals: ClassVar[bool] = False
    classical_errors: ClassVar[str] = "classical"
    forest: ClassVar[str] = "RandomForestRegressor"
    boosted_trees: ClassVar[str] = "HistGradientBoostingRegressor"
    forest_options: ClassVar[dict[str, Any]] = {}
    boosted_options: ClassVar[dict[str, Any]] = {}
    prediction_name: ClassVar[str] = "prediction"
    baseline_name: ClassVar[str] = "predicting the mean"
    has_factors: ClassVar[bool] = False
    scores_note: ClassVar[str | None] = None
    variance_unit: ClassVar[str | None] = None
    loss_factor: ClassVar[float] = 1.0
    outputs: int = 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Family) and (type(self), self.outputs) == (type(other), other.outputs)

    def __hash__(self) -> int:
        return hash((type(self), self.outputs))

    def of(self, target: Target) -> Family:
        """Return the family with as many outputs as the classes of `target` need."""
        return self

    # The target's column

    @abstractmethod
    def suits(self, values: pd.Series) -> bool:
        """Return whether `family: auto` takes this family for a column without gaps and with two or more values."""

    @abstractmethod
    def labels(self, values: pd.Series, where: str, reference: str | None = None) -> tuple[pd.Series, list[Any] | None]:
        """Return the labels as numbers `(rows,)`, and the classes that they stand for, or None.

        The class `reference`, as text, gets the label 0. None leaves the choice to the family. Raises UserError, with a
        message that begins with `where`, for values that do not suit the family.
        """

    def strata(self, labels: NDArray, classes: Sequence[Any] | None = None) -> NDArray | None:
        """Return the stratum of each row, or None if there are no strata. All folds keep the shares of the strata.

        `classes` are the classes with the labels 0, 1, and so on, if they have names.
        """
        return None

    def has_enough_for(self, labels: NDArray, folds: int) -> bool:
        """Return whether `labels` can be divided into `folds` folds."""
        return True

    def checks(self, labels: NDArray, target: Target) -> list[Check]:
        """Return what is odd about the labels alone."""
        return []

    @abstractmethod
    def is_determined_by(self, column: NDArray, labels: NDArray) -> bool:
        """Return whether a column alone determines the labels. The column, `(rows,)`, is not constant."""

    # The loss

    @abstractmethod
    def link(self, mean: Any) -> Any:
        """Return the linear predictor that gives the prediction `mean`: a number, or `(outputs,)` for `(classes,)`."""

    @abstractmethod
    def inverse_link(self, predictor: NDArray) -> NDArray:
        """Return the predictions of a linear predictor, with the same shape, or `(rows, classes)`."""

    def baseline(self, labels: NDArray, weights: NDArray | None = None, offset: NDArray | None = None) -> Any:
        """Return the prediction that uses no column: the mean of the training labels `(rows,)`.

        With an `offset` `(rows,)` it is the prediction for the offset 0. Shares of classes are `(classes,)`.
        """
        return float(np.average(labels, weights=weights))

    def with_offset(self, prediction: NDArray, offset: NDArray | None) -> NDArray:
        """Return the predictions of rows with an `offset` `(rows,)`, from those for the offset 0."""
        return prediction

    def without_offset(
        self, labels: NDArray, weights: NDArray | None, offset: NDArray | None
    ) -> tuple[NDArray, NDArray | None]:
        """Return labels and weights for a model that knows no offset and shall predict for the offset 0."""
        return labels, weights

    @abstractmethod
    def row_losses(self, truth: NDArray, prediction: NDArray) -> NDArray:
        """Return the loss of each row, float64 `(rows,)`."""

    def mean_loss(self, truth: NDArray, prediction: NDArray, weights: NDArray | None = None) -> float:
        """Return the mean of `row_losses`, weighted by `weights` `(rows,)`."""
        return float(np.average(self.row_losses(truth, prediction), weights=weights))

    @abstractmethod
    def predictor_losses(self, predictor: NDArray, labels: NDArray) -> NDArray:
        """Return the loss of each row, `(rows,)`, from its linear predictor."""

    @abstractmethod
    def newton(self, predictor: NDArray, labels: NDArray) -> Newton:
        """Return residual and curvature of each row's loss at its linear predictor.

        A family with several outputs has no such arrays: `regression/multinomial.py` has its derivatives.
        """

    def information(self, predictor: NDArray, labels: NDArray) -> NDArray:
        """Return the curvature that standard errors use, `(rows,)`: the expected one if it differs."""
        return self.newton(predictor, labels).curvature

    def variance(self, mean: NDArray) -> NDArray:
        """Return the variance of labels with the mean `mean`, divided by the dispersion."""
        return np.ones_like(mean)

    def third_cumulant(self, mean: NDArray) -> NDArray:
        """Return the third cumulant of labels with the mean `mean`, for families that may have no finite optimum."""
        return np.zeros_like(mean)

    def separating_contrasts(self, labels: NDArray) -> tuple[NDArray, NDArray]:
        """Return which products of a direction with rows may not be negative if the direction separates the labels.

        The result are row numbers `(contrasts,)` and factors of the row's linear predictors `(contrasts, outputs)`.
        """
        return np.arange(len(labels)), np.where(labels > 0, 1.0, -1.0)[:, np.newaxis]

    @abstractmethod
    def keras_loss(self, labels: Any, predictor: Any) -> Any:
        """Return Keras's loss of each row, `(..., rows)`.

        `labels` are `(..., rows, 1)`, and the linear predictors `(..., rows, outputs)`.
        """

    def target_scaling(self, mean: float, deviation: float, offset_center: float) -> TargetScaling:
        """Return the scaling of labels with this mean and standard deviation.

        Gradient descent subtracts `offset_center` from all offsets.
        """
        return AS_IT_IS

    def target_scaling_without_intercept(self, root_mean_square: float, offset_center: float) -> TargetScaling:
        """Return the scaling of labels for a model without an intercept, whose linear predictor cannot be shifted."""
        return AS_IT_IS

    def loss_unit(self, target_scale: float) -> float:
        """Return the factor that converts the loss of a target divided by `target_scale` into the target's units."""
        return 1.0

    @abstractmethod
    def scores(
        self, truth: NDArray, prediction: NDArray, weights: NDArray | None = None, offset: NDArray | None = None
    ) -> dict[str, float | None]:
        """Return the scores on held-out rows by key: `loss`, then the keys of `metrics`. An undefined score is None.

        `weights` `(rows,)` are the weights of the rows. Predictions have the `offset` `(rows,)` of the rows in them.
        """

    # What readers see

    @abstractmethod
    def predicted_columns(self, target: Target, predictions: NDArray) -> dict[str, list[Any]]:
        """Return the columns of a table of predictions for users, from predictions `(rows,)` or `(rows, classes)`."""

    def predictor_name(self, target: Target) -> str:
        """Return the name of the linear predictor, for the left side of an equation."""
        return target.column

    def predictor_names(self, target: Target) -> list[str]:
        """Return the names of all linear predictors, `outputs` of them."""
        return [self.predictor_name(target)]

    def coefficient_unit(self, target: Target) -> str:
        """Return the unit of the product of a coefficient and its column."""
        return target.column

    def baseline_title(self, target: Target) -> str:
        """Return the name of the prediction that uses no column, with the exposure or offset that it uses."""
        return self.baseline_name

    def prediction_note(self, target: Target) -> str | None:
        """Return a sentence that explains pictures of predictions, or None if they need none."""
        return None

    # Simulated tables

    @abstractmethod
    def draw(self, predictor: NDArray, noise: str, scale: float, random: np.random.Generator) -> NDArray:
        """Return labels `(rows,)` drawn around the true linear `predictor`.

        `noise` is one of `noises`, and `scale` is its standard deviation.
        """

    @abstractmethod
    def curve_amplitude(self, gain: float, scale: float, features: NDArray, line: NDArray, curve: NDArray) -> float:
        """Return the factor of `curve` for which the share `gain` of the best straight line's loss could be saved.

        The truth is `line` plus the factor times `curve`, as functions of `features` `(rows, columns)`. `line` is a
        linear predictor, `curve` is `(rows,)` and is added to the first linear predictor of a row. `scale` is the
        standard deviation of the noise.
        """
