"""The interface of a family: everything that depends on the kind of the target column.

Its methods follow scikit-learn's `_loss` (link, domain, loss) and glum's `_distribution` (deviance, gradient and
curvature by row). The linear predictor is `b + x w`, and the prediction is its inverse link.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from straightline.families.target import Target


class Newton(NamedTuple):
    """Derivatives of each row's loss by its linear predictor, `(rows,)`.

    `residual` is the negative first derivative, `curvature` the second derivative.
    """

    residual: NDArray
    curvature: NDArray


class Family(ABC):
    """A kind of target. Instances have no state, so that two instances of one class are equal.

    - `loss` is the name of the loss in the files that the pipeline writes, `loss_title` its name for readers.
    - `activation` is the inverse link as a Keras activation of the output layer.
    - `scales_target` says whether gradient descent standardises the target.
    - `has_dispersion` says whether the variance about the predictions is estimated. If so, statistics follow Student's
      t distribution instead of a normal distribution.
    - `is_least_squares` says whether the optimum has a closed form. Otherwise Newton's method finds it.
    - `is_separable` says whether an optimum with finite coefficients may not exist.
    - `robust_errors` names the covariance that stays valid if the model is wrong.
    - `metrics` maps the keys of the scores on held-out rows to their titles.
    - `headline_metrics` lists the keys of the scores that a caption shows.
    - `pictures` lists the pictures of held-out predictions that suit the family.
    - `has_intervals` says whether predictions are numbers that an interval can surround.
    - `forest` and `boosted_trees` are the names of scikit-learn's models of trees for the family.
    - `noises` lists the kinds of noise that simulated tables may have.
    """

    name: ClassVar[str]
    loss: ClassVar[str]
    loss_title: ClassVar[str]
    activation: ClassVar[str]
    scales_target: ClassVar[bool]
    has_dispersion: ClassVar[bool]
    is_least_squares: ClassVar[bool]
    is_separable: ClassVar[bool]
    robust_errors: ClassVar[str]
    metrics: ClassVar[dict[str, str]]
    headline_metrics: ClassVar[tuple[str, ...]]
    pictures: ClassVar[tuple[str, ...]]
    noises: ClassVar[tuple[str, ...]]
    has_intervals: ClassVar[bool] = False
    forest: ClassVar[str] = "RandomForestRegressor"
    boosted_trees: ClassVar[str] = "HistGradientBoostingRegressor"
    prediction_name: ClassVar[str] = "prediction"
    baseline_name: ClassVar[str] = "predicting the mean"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    # The target's column

    @abstractmethod
    def suits(self, values: pd.Series) -> bool:
        """Return whether `family: auto` takes this family for a column without gaps and with two or more values."""

    @abstractmethod
    def labels(self, values: pd.Series, where: str) -> tuple[pd.Series, list[Any] | None]:
        """Return the labels as numbers `(rows,)`, and the classes that they stand for, or None.

        Raises UserError, with a message that begins with `where`, for values that do not suit the family.
        """

    def strata(self, labels: NDArray) -> NDArray | None:
        """Return the stratum of each row, or None if there are no strata. All folds keep the shares of the strata."""
        return None

    def has_enough_for(self, labels: NDArray, folds: int) -> bool:
        """Return whether `labels` can be divided into `folds` folds."""
        return True

    def warnings(self, labels: NDArray, target: Target) -> list[str]:
        """Return a sentence for each problem of the labels alone."""
        return []

    @abstractmethod
    def is_determined_by(self, column: NDArray, labels: NDArray) -> bool:
        """Return whether a column alone determines the labels. The column, `(rows,)`, is not constant."""

    # The loss

    @abstractmethod
    def link(self, mean: float) -> float:
        """Return the linear predictor that gives the prediction `mean`."""

    @abstractmethod
    def inverse_link(self, predictor: NDArray) -> NDArray:
        """Return the predictions of a linear predictor, with the same shape."""

    def baseline(self, labels: NDArray) -> float:
        """Return the prediction that uses no column: the mean of the training labels."""
        return float(labels.mean())

    @abstractmethod
    def row_losses(self, truth: NDArray, prediction: NDArray) -> NDArray:
        """Return the loss of each row, float64 `(rows,)`."""

    def mean_loss(self, truth: NDArray, prediction: NDArray) -> float:
        """Return the mean of `row_losses`."""
        return float(self.row_losses(truth, prediction).mean())

    @abstractmethod
    def predictor_losses(self, predictor: NDArray, labels: NDArray) -> NDArray:
        """Return the loss of each row, `(rows,)`, from its linear predictor."""

    @abstractmethod
    def newton(self, predictor: NDArray, labels: NDArray) -> Newton:
        """Return residual and curvature of each row's loss at its linear predictor."""

    @abstractmethod
    def keras_loss(self, labels: Any, predictor: Any) -> Any:
        """Return Keras's loss of each row, `(..., rows)`, from labels and linear predictors `(..., rows, 1)`."""

    def loss_unit(self, target_scale: float) -> float:
        """Return the factor that converts the loss of a target divided by `target_scale` into the target's units."""
        return 1.0

    @abstractmethod
    def scores(self, truth: NDArray, prediction: NDArray) -> dict[str, float | None]:
        """Return the scores on held-out rows by key: `loss`, then the keys of `metrics`. An undefined score is None."""

    # What readers see

    @abstractmethod
    def predicted_columns(self, target: Target, predictions: NDArray) -> dict[str, list[Any]]:
        """Return the columns of a table of predictions for users, from predictions `(rows,)`."""

    def predictor_name(self, target: Target) -> str:
        """Return the name of the linear predictor, for the left side of an equation."""
        return target.column

    def coefficient_unit(self, target: Target) -> str:
        """Return the unit of the product of a coefficient and its column."""
        return target.column

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

        The truth is `line` plus the factor times `curve`, both `(rows,)`, as functions of `features` `(rows, columns)`.
        `scale` is the standard deviation of the noise.
        """
