"""Binary targets: logit link and cross-entropy. The optimum of a linear predictor is the logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from straightline.check import Check
from straightline.errors import UserError
from straightline.families.classes import classes_of, reference_first, sorted_numbers
from straightline.families.family import Family, Newton

if TYPE_CHECKING:
    import pandas as pd

    from straightline.families.target import Target

EPSILON = 1e-7  # Keras clips probabilities by this (keras.config.epsilon). The largest cross-entropy of a row is 16.1.
RARE_SHARE, RARE_ROWS = 0.05, 30  # A class with a smaller share, or with fewer rows, is worth a warning.


class Bernoulli(Family):
    """Two distinct values of any type. In sorted order, the first has the label 0 and the second the label 1."""

    name = "bernoulli"
    loss = "binary_crossentropy"
    loss_title = "cross-entropy"
    activation = "sigmoid"
    has_dispersion = False
    is_least_squares = False
    is_separable = True
    is_of_classes = True
    robust_errors = "sandwich"
    metrics: ClassVar = {
        "cross_entropy": "cross-entropy",
        "accuracy": "accuracy",
        "roc_auc": "ROC AUC",
        "brier": "Brier score",
    }
    headline_metrics = ("cross_entropy", "accuracy", "roc_auc")
    baseline_name = "predicting the class shares"
    pictures = ("reliability", "roc", "confusion")
    forest, boosted_trees = "RandomForestClassifier", "HistGradientBoostingClassifier"
    noises = ("coin",)  # The only noise of a binary target is that its labels are drawn by their probability.
    prediction_name = "probability"

    def suits(self, values: pd.Series) -> bool:
        """Return whether there are two distinct values."""
        return bool(values.nunique() == 2)

    def labels(self, values: pd.Series, where: str, reference: str | None = None) -> tuple[pd.Series, list[Any] | None]:
        """Return labels 0 and 1, and the values that they stand for. Raises UserError unless there are two values."""
        classes = classes_of(values)
        if len(classes) != 2:
            raise UserError(
                f"{where} has {len(classes):,} distinct values; expected two for family: bernoulli; set family: "
                "multinomial for classes, or gaussian for amounts"
            )
        if reference is not None:
            classes = reference_first(classes, reference, where)
        return (values == classes[1]).astype(np.int64), classes

    def strata(self, labels: NDArray, classes: Sequence[Any] | None = None) -> NDArray | None:
        """Return the class of each row: its place in sorted order, so that all references get the same folds."""
        return labels.astype(np.int8) if classes is None else sorted_numbers(labels, classes)

    def has_enough_for(self, labels: NDArray, folds: int) -> bool:
        """Return whether the rarer class has at least one row for each fold."""
        return bool(min(labels.sum(), len(labels) - labels.sum()) >= folds)

    def checks(self, labels: NDArray, target: Target) -> list[Check]:
        """Return a check if one class is rare, else an empty list."""
        counts = np.bincount(labels.astype(int), minlength=2)
        rarer = int(counts.argmin())
        if target.classes is None or counts[rarer] >= max(RARE_SHARE * len(labels), RARE_ROWS):
            return []
        message = f"only {counts[rarer]:,} of {len(labels):,} rows are {target.classes[rarer]!r}"
        return [Check("rare-class", message, (target.column,))]

    def is_determined_by(self, column: NDArray, labels: NDArray) -> bool:
        """Return whether a threshold on the column separates the classes."""
        ones, zeros = column[labels > 0], column[labels == 0]
        return bool(ones.min() > zeros.max() or ones.max() < zeros.min())

    def link(self, mean: Any) -> Any:
        """Return the log odds of a probability."""
        from scipy import special

        return float(special.logit(mean))

    def inverse_link(self, predictor: NDArray) -> NDArray:
        """Return the probabilities of log odds."""
        from scipy import special

        return np.asarray(special.expit(predictor))

    def row_losses(self, truth: NDArray, prediction: NDArray) -> NDArray:
        """Return the cross-entropies of probabilities, which are clipped by EPSILON."""
        truth = np.asarray(truth, np.float64)
        clipped = np.clip(np.asarray(prediction, np.float64), EPSILON, 1 - EPSILON)
        return np.negative(truth * np.log(clipped) + (1 - truth) * np.log1p(-clipped))

    def predictor_losses(self, predictor: NDArray, labels: NDArray) -> NDArray:
        """Return the cross-entropies of log odds."""
        return np.logaddexp(0.0, np.where(labels > 0, -predictor, predictor))

    def newton(self, predictor: NDArray, labels: NDArray) -> Newton:
        """Return y - p and p (1 - p), in which y is the label and p the probability."""
        from scipy import special

        probability = special.expit(predictor)
        return Newton(labels - probability, probability * (1 - probability))

    def third_cumulant(self, mean: NDArray) -> NDArray:
        """Return p (1 - p) (1 - 2 p)."""
        return mean * (1 - mean) * (1 - 2 * mean)

    def keras_loss(self, labels: Any, predictor: Any) -> Any:
        """Return `keras.losses.binary_crossentropy` of logits."""
        import keras

        return keras.losses.binary_crossentropy(labels, predictor, from_logits=True)

    def scores(
        self, truth: NDArray, prediction: NDArray, weights: NDArray | None = None, offset: NDArray | None = None
    ) -> dict[str, float | None]:
        """Return `loss`, `cross_entropy`, `accuracy` at 0.5, `roc_auc` (None where `truth` has one class), `brier`."""
        from sklearn import metrics

        loss = self.mean_loss(truth, prediction, weights)
        return {
            "loss": loss,
            "cross_entropy": loss,
            "accuracy": float(np.average((prediction > 0.5) == (truth > 0.5), weights=weights)),
            "roc_auc": float(metrics.roc_auc_score(truth, prediction, sample_weight=weights))
            if np.ptp(truth) > 0
            else None,
            "brier": float(np.average((truth - prediction) ** 2, weights=weights)),
        }

    def predicted_columns(self, target: Target, predictions: NDArray) -> dict[str, list[Any]]:
        """Return the likelier class under the target's name, and the probability of the class with the label 1."""
        first, second = target.classes or (0, 1)
        likelier = [second if probability > 0.5 else first for probability in predictions]
        return {target.column: likelier, f"probability of {second}": predictions.tolist()}

    def predictor_name(self, target: Target) -> str:
        """Return the name of the log odds, with the class with the label 1."""
        return f"log odds of {target.column} = {(target.classes or (0, 1))[1]}"

    def coefficient_unit(self, target: Target) -> str:
        """Return the name of the log odds, with the class with the label 1."""
        return self.predictor_name(target)

    def prediction_note(self, target: Target) -> str | None:
        """Return a sentence that names the class with the label 1."""
        return f"Ones are {target.column} = {(target.classes or (0, 1))[1]}."

    def draw(self, predictor: NDArray, noise: str, scale: float, random: np.random.Generator) -> NDArray:
        """Return labels that are 1 with the probabilities of the log odds `predictor`, else 0."""
        from scipy import special

        return (random.random(len(predictor)) < special.expit(predictor)).astype(np.float64)

    def curve_amplitude(self, gain: float, scale: float, features: NDArray, line: NDArray, curve: NDArray) -> float:
        """Find the factor by a root search, since the best line's expected cross-entropy has no closed form."""
        from scipy import optimize

        return float(
            optimize.brentq(
                lambda factor: _gain_over_line(features, line + factor * curve) - gain, 0.0, 100.0, xtol=1e-3
            )
        )


def _gain_over_line(features: NDArray, log_odds: NDArray) -> float:
    """Return the share of the best line's expected cross-entropy that knowing the true `log_odds` would save."""
    from scipy import special
    from sklearn.linear_model import LogisticRegression

    probability = special.expit(log_odds)
    labels, weights = np.repeat([1, 0], len(features)), np.concatenate([probability, 1 - probability])
    best = LogisticRegression(C=np.inf).fit(np.vstack([features, features]), labels, sample_weight=weights)
    predictor = best.decision_function(features)
    line_loss = np.mean(np.logaddexp(0.0, predictor) - probability * predictor)
    return float(1 - np.mean(special.entr(probability) + special.entr(1 - probability)) / line_loss)
