"""Targets of three or more classes: softmax and cross-entropy. The best linear predictors are the multinomial logit.

The first class is the reference: its linear predictor is 0, since only differences of linear predictors count.
"""

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

EPSILON = 1e-7  # Probabilities are clipped as in Keras (keras.config.epsilon). The largest loss of a row is 16.1.
FEWEST_CLASSES, MOST_CLASSES = 3, 30
RARE_SHARE, RARE_ROWS = 0.02, 20  # A class with a smaller share, or with fewer rows, is worth a warning.


class Multinomial(Family):
    """Three to thirty distinct values of any type, the reference first. Labels are the numbers of the classes."""

    name = "multinomial"
    loss = "categorical_crossentropy"
    loss_title = "cross-entropy"
    activation = "softmax"
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
    scores_note = (
        "ROC AUC is the mean of the areas of each class against all others, weighted by the rows of the classes; the "
        "Brier score is a sum over the classes."
    )
    baseline_name = "predicting the class shares"
    pictures = ("confusion", "roc", "reliability")
    forest, boosted_trees = "RandomForestClassifier", "HistGradientBoostingClassifier"
    noises = ("choice",)  # The only noise of a target of classes is that they are drawn by their probabilities.
    prediction_name = "probability"

    def __init__(self, classes: int = FEWEST_CLASSES) -> None:
        self.outputs = classes - 1

    def of(self, target: Target) -> Multinomial:
        """Return the family with an output for each class but the first."""
        return Multinomial(len(target.classes or range(FEWEST_CLASSES)))

    def suits(self, values: pd.Series) -> bool:
        """Return whether the column has three to thirty different words."""
        import pandas as pd

        if pd.api.types.is_numeric_dtype(values) or not FEWEST_CLASSES <= values.nunique() <= MOST_CLASSES:
            return False
        return bool(pd.to_numeric(values, errors="coerce").notna().mean() < 0.5)

    def labels(self, values: pd.Series, where: str, reference: str | None = None) -> tuple[pd.Series, list[Any] | None]:
        """Return the numbers of the classes, and the classes. Without a `reference` the most frequent class is first.

        Raises UserError unless there are three to thirty classes, with `reference` among them.
        """
        classes = classes_of(values)
        if len(classes) < FEWEST_CLASSES:
            raise UserError(
                f"{where} has {len(classes)} distinct values; expected at least {FEWEST_CLASSES} for family: "
                "multinomial; set family: bernoulli"
            )
        if len(classes) > MOST_CLASSES:
            shown = ", ".join(map(str, classes[:3]))
            raise UserError(
                f"{where} has {len(classes):,} classes ({shown}, ...); expected at most {MOST_CLASSES}: join rare "
                "classes into one, or keep only the rows of the commonest; set family: gaussian if they are amounts"
            )
        if reference is None:
            counts = values.value_counts()
            most = max(classes, key=lambda value: counts[value])
            classes = [most, *(value for value in classes if value != most)]
        else:
            classes = reference_first(classes, reference, where)
        numbers = {value: number for number, value in enumerate(classes)}
        return values.map(numbers).astype(np.int64), classes

    def strata(self, labels: NDArray, classes: Sequence[Any] | None = None) -> NDArray | None:
        """Return the class of each row: its place in sorted order, so that all references get the same folds."""
        return labels.astype(np.int8) if classes is None else sorted_numbers(labels, classes)

    def has_enough_for(self, labels: NDArray, folds: int) -> bool:
        """Return whether each class has at least one row for each fold."""
        return bool(np.bincount(labels.astype(int), minlength=self.outputs + 1).min() >= folds)

    def checks(self, labels: NDArray, target: Target) -> list[Check]:
        """Return a check that names rare classes, if there are any; if all are rare, how many there are."""
        counts = np.bincount(labels.astype(int), minlength=self.outputs + 1)
        fewest = max(RARE_SHARE * len(labels), RARE_ROWS)
        rare = [
            f"{name} ({count:,})" for name, count in zip(target.classes or (), counts, strict=False) if count < fewest
        ]
        if not rare:
            return []
        message = f"few of the {len(labels):,} rows are {', '.join(rare)}"
        if len(rare) == len(counts):
            message = f"only {len(labels):,} rows for {len(counts)} classes"
        return [Check("rare-class", message, (target.column,))]

    def is_determined_by(self, column: NDArray, labels: NDArray) -> bool:
        """Return whether the classes have ranges of the column that do not overlap."""
        order = np.argsort(column, kind="stable")
        sorted_column, sorted_labels = column[order], labels[order]
        changes = sorted_labels[1:] != sorted_labels[:-1]
        has_ties = bool((sorted_column[1:][changes] == sorted_column[:-1][changes]).any())
        return int(changes.sum()) == self.outputs and not has_ties

    def link(self, mean: Any) -> Any:
        """Return the log odds `(outputs,)` of shares `(classes,)` against the first class."""
        with np.errstate(divide="ignore"):
            logarithms = np.log(np.asarray(mean, np.float64))
        return logarithms[1:] - logarithms[0]

    def inverse_link(self, predictor: NDArray) -> NDArray:
        """Return the probabilities `(rows, classes)` of linear predictors `(rows, outputs)`."""
        from scipy import special

        return np.asarray(special.softmax(_with_reference(predictor), axis=-1))

    def baseline(self, labels: NDArray, weights: NDArray | None = None, offset: NDArray | None = None) -> Any:
        """Return the shares of the classes, `(classes,)`."""
        counts = np.bincount(labels.astype(int), weights=weights, minlength=self.outputs + 1)
        return counts / counts.sum()

    def row_losses(self, truth: NDArray, prediction: NDArray) -> NDArray:
        """Return the cross-entropies of probabilities, which are clipped by EPSILON."""
        chosen = np.take_along_axis(np.asarray(prediction, np.float64), _column(truth), axis=1)[:, 0]
        return np.negative(np.log(np.clip(chosen, EPSILON, 1 - EPSILON)))

    def predictor_losses(self, predictor: NDArray, labels: NDArray) -> NDArray:
        """Return the cross-entropies of linear predictors `(rows, outputs)`."""
        from scipy import special

        logits = _with_reference(predictor)
        chosen = np.take_along_axis(logits, _column(labels), axis=-1)[..., 0]
        return np.asarray(special.logsumexp(logits, axis=-1) - chosen)

    def newton(self, predictor: NDArray, labels: NDArray) -> Newton:
        """Raise TypeError, since the curvature is a matrix for each row."""
        raise TypeError("the curvature of a multinomial loss is a matrix for each row (regression/multinomial.py)")

    def separating_contrasts(self, labels: NDArray) -> tuple[NDArray, NDArray]:
        """Return for each row the differences between the linear predictor of its class and of each other class."""
        classes = self.outputs + 1
        others = np.array([[other for other in range(classes) if other != each] for each in range(classes)])
        units = np.eye(classes)[:, 1:]  # The linear predictor of the first class is 0.
        differences = units[:, np.newaxis] - units[others]
        return np.repeat(np.arange(len(labels)), self.outputs), differences[labels.astype(int)].reshape(
            -1, self.outputs
        )

    def keras_loss(self, labels: Any, predictor: Any) -> Any:
        """Return `keras.losses.sparse_categorical_crossentropy` of the logits, with a zero for the first class."""
        import keras

        logits = keras.ops.concatenate([keras.ops.zeros_like(predictor[..., :1]), predictor], axis=-1)
        numbers = keras.ops.cast(labels[..., 0], "int32")
        return keras.losses.sparse_categorical_crossentropy(numbers, logits, from_logits=True)

    def scores(
        self, truth: NDArray, prediction: NDArray, weights: NDArray | None = None, offset: NDArray | None = None
    ) -> dict[str, float | None]:
        """Return `loss`, `cross_entropy`, `accuracy` of the likeliest class, `roc_auc` and `brier`.

        The area is the mean of those of each class against all others, weighted by the rows of the classes. It is None
        if a class has no row, or all. The Brier score is the sum of the squares over the classes.
        """
        from sklearn import metrics

        numbers, classes = truth.astype(int), np.arange(self.outputs + 1)
        loss = self.mean_loss(truth, prediction, weights)
        area = None
        if len(np.unique(numbers)) == len(classes):
            is_class = numbers[:, np.newaxis] == classes
            area = float(metrics.roc_auc_score(is_class, prediction, average="weighted", sample_weight=weights))
        errors = np.square(np.eye(len(classes))[numbers] - prediction).sum(axis=1)
        return {
            "loss": loss,
            "cross_entropy": loss,
            "accuracy": float(np.average(prediction.argmax(axis=1) == numbers, weights=weights)),
            "roc_auc": area,
            "brier": float(np.average(errors, weights=weights)),
        }

    def predicted_columns(self, target: Target, predictions: NDArray) -> dict[str, list[Any]]:
        """Return the likeliest class under the target's name, and the probability of each class."""
        classes = target.classes or list(range(self.outputs + 1))
        likeliest = [classes[number] for number in predictions.argmax(axis=1)]
        shares = {
            f"probability of {name}": column.tolist() for name, column in zip(classes, predictions.T, strict=True)
        }
        return {target.column: likeliest} | shares

    def predictor_name(self, target: Target) -> str:
        """Return the name of the log odds of any class, with the reference."""
        return f"log odds of {target.column} against {_names(target)[0]}"

    def predictor_names(self, target: Target) -> list[str]:
        """Return the name of the log odds of each class but the reference."""
        reference, *others = _names(target)
        return [f"log odds of {target.column} = {name} against {reference}" for name in others]

    def coefficient_unit(self, target: Target) -> str:
        """Return the name of the log odds of the class in whose row a coefficient is, with the reference."""
        return f"log odds of the class against {_names(target)[0]}"

    def draw(self, predictor: NDArray, noise: str, scale: float, random: np.random.Generator) -> NDArray:
        """Return the numbers of classes, drawn with the probabilities of `predictor` `(rows, outputs)`."""
        cumulated = self.inverse_link(predictor).cumsum(axis=1)
        cumulated[:, -1] = 1.0
        return (random.random((len(predictor), 1)) > cumulated).sum(axis=1).astype(np.float64)

    def curve_amplitude(self, gain: float, scale: float, features: NDArray, line: NDArray, curve: NDArray) -> float:
        """Find the factor by a root search, since the best line's expected cross-entropy has no closed form."""
        from scipy import optimize

        first = np.eye(self.outputs)[0]

        def excess(factor: float) -> float:
            return self._gain_over_line(features, line + factor * curve[:, np.newaxis] * first) - gain

        return float(optimize.brentq(excess, 0.0, 100.0, xtol=1e-3))

    def _gain_over_line(self, features: NDArray, predictor: NDArray) -> float:
        """Return the share of the best line's expected cross-entropy that knowing the true `predictor` would save."""
        from scipy import special
        from sklearn.linear_model import LogisticRegression

        probabilities = self.inverse_link(predictor)
        rows, classes = probabilities.shape
        best = LogisticRegression(C=np.inf).fit(
            np.tile(features, (classes, 1)), np.repeat(range(classes), rows), sample_weight=probabilities.T.ravel()
        )
        line_loss = -np.sum(probabilities * best.predict_log_proba(features))
        return float(1 - special.entr(probabilities).sum() / line_loss)


def _names(target: Target) -> list[str]:
    return list(map(str, target.classes or range(FEWEST_CLASSES)))


def _with_reference(predictor: NDArray) -> NDArray:
    return np.concatenate([np.zeros_like(predictor[..., :1]), predictor], axis=-1)


def _column(labels: NDArray) -> NDArray:
    return np.asarray(labels).astype(int)[..., np.newaxis]
