"""The interface of a family: everything that depends on what kind of column a target is.

The division of work follows scikit-learn's `_loss` (link, domain, loss) and glum's `_distribution` (deviance, gradient
and curvature by row). In all of it the linear predictor is `b + x w`, and the prediction is the inverse link of it.
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
    """Derivatives of the rows' losses by the linear predictor, `(rows,)`: minus the first, and the second."""

    residual: NDArray
    curvature: NDArray


class Family(ABC):
    """A kind of target. Instances hold no state, so that two of one class are equal.

    `loss` is the name of the loss in the files that the pipeline writes, `loss_title` the same for readers.
    `activation` is the inverse link as a Keras activation of the output layer. `scales_target` says whether gradient
    descent standardises the target. `has_dispersion` says whether the variance about the predictions is estimated, so
    that statistics follow Student's t instead of a normal distribution. `is_least_squares` says whether the optimum has
    a closed form, else Newton's method finds it; `is_separable` whether that may have no finite solution.
    `robust_errors` names the covariance that holds where the model is wrong. `metrics` are titles by key of the scores
    on held-out rows, `headline_metrics` the keys of those that a caption shows. `pictures` names the pictures of
    held-out predictions that suit. `noises` are the kinds of noise that simulated tables may have.
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
    prediction_name: ClassVar[str] = "prediction"
    baseline_name: ClassVar[str] = "predicting the mean"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    # The target's column

    @abstractmethod
    def suits(self, values: pd.Series) -> bool:
        """Return whether a column without gaps and with two distinct values or more is taken for this family."""

    @abstractmethod
    def labels(self, values: pd.Series, where: str) -> tuple[pd.Series, list[Any] | None]:
        """Return the labels as numbers `(rows,)`, and the two values or more that they stand for, if they do.

        Raises UserError, which begins with `where`, for values that this family does not have.
        """

    def strata(self, labels: NDArray) -> NDArray | None:
        """Return the stratum of each row, whose shares all folds keep, or None where there are none."""
        return None

    def has_enough_for(self, labels: NDArray, folds: int) -> bool:
        """Return whether `labels` can be divided into so many folds."""
        return True

    def warnings(self, labels: NDArray, target: Target) -> list[str]:
        """Return a sentence for each thing that is odd about the labels by themselves."""
        return []

    @abstractmethod
    def is_determined_by(self, column: NDArray, labels: NDArray) -> bool:
        """Return whether a column that varies, `(rows,)`, determines the labels by itself."""

    # The loss

    @abstractmethod
    def link(self, mean: float) -> float:
        """Return the linear predictor of a prediction."""

    @abstractmethod
    def inverse_link(self, predictor: NDArray) -> NDArray:
        """Return the predictions of a linear predictor."""

    def baseline(self, labels: NDArray) -> float:
        """Return what is predicted by who knows no column: the mean of the training labels."""
        return float(labels.mean())

    @abstractmethod
    def row_losses(self, truth: NDArray, prediction: NDArray) -> NDArray:
        """Return the loss of each row, float64 `(rows,)`."""

    def mean_loss(self, truth: NDArray, prediction: NDArray) -> float:
        """Return the mean of `row_losses`."""
        return float(self.row_losses(truth, prediction).mean())

    @abstractmethod
    def predictor_losses(self, predictor: NDArray, labels: NDArray) -> NDArray:
        """Return the loss of each row by its linear predictor, `(rows,)`."""

    @abstractmethod
    def newton(self, predictor: NDArray, labels: NDArray) -> Newton:
        """Return residual and curvature of each row's loss at its linear predictor."""

    @abstractmethod
    def keras_loss(self, labels: Any, predictor: Any) -> Any:
        """Return the loss of each row, `(..., rows)`, of labels and linear predictors `(..., rows, 1)` by Keras."""

    def loss_unit(self, target_scale: float) -> float:
        """Return by how much the loss of a target divided by `target_scale` must be multiplied to be the target's."""
        return 1.0

    @abstractmethod
    def scores(self, truth: NDArray, prediction: NDArray) -> dict[str, float | None]:
        """Return the scores on held-out rows by key: `loss`, then those of `metrics`; None where one does not exist."""

    # What readers see

    @abstractmethod
    def predicted_columns(self, target: Target, predictions: NDArray) -> dict[str, list[Any]]:
        """Return predictions `(rows,)` as the named columns that a user gets."""

    def predictor_name(self, target: Target) -> str:
        """Return what the linear predictor predicts, for the left side of an equation."""
        return target.column

    def coefficient_unit(self, target: Target) -> str:
        """Return the unit of a coefficient times its column's."""
        return target.column

    def prediction_note(self, target: Target) -> str | None:
        """Return a sentence that a reader of pictures of predictions needs, or None."""
        return None

    # Simulated tables

    @abstractmethod
    def draw(self, predictor: NDArray, noise: str, scale: float, random: np.random.Generator) -> NDArray:
        """Return labels `(rows,)` whose truth is the linear `predictor`; `scale` is the noise's standard deviation."""

    @abstractmethod
    def curve_amplitude(self, gain: float, scale: float, features: NDArray, line: NDArray, curve: NDArray) -> float:
        """Return the factor of `curve` that costs the best straight line the share `gain` of its loss.

        The truth is `line` plus that factor times `curve`, both `(rows,)`, over `features` `(rows, columns)`.
        """
