"""What the estimators of this package share: labels, predictions and scores by the family of the target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from straightline.errors import UserError
from straightline.families import FAMILIES, Family, family_of
from straightline.families.target import Target
from straightline.interface.formula import designed
from straightline.interface.frames import as_pandas


def _has_classes(estimator: Any) -> bool:
    return estimator.family in FAMILIES and FAMILIES[estimator.family].is_of_classes


class FamilyEstimator(BaseEstimator):
    """An estimator with the parameter `family`. With a family of classes it is a classifier, else a regressor."""

    family: str
    formula: str | None
    _fewest_rows = 1

    def _prediction(self, X: NDArray) -> NDArray:
        """Return the predictions of the fitted model, `(rows,)` or `(rows, classes)`, in the order of its labels."""
        raise NotImplementedError

    @available_if(_has_classes)
    def predict_proba(self, X: ArrayLike) -> NDArray:
        """Return the probabilities of the classes, `(rows, classes)`, in the order of `classes_`."""
        found = self._predicted(X)
        shares = found if found.ndim == 2 else np.column_stack([1 - found, found])
        return shares[:, self._order]

    def predict(self, X: ArrayLike, offset: ArrayLike | None = None) -> NDArray:
        """Return the predictions `(rows,)`: means, or the likeliest class of each row.

        `offset` `(rows,)` is that of counts and amounts, such as the logarithm of an exposure.
        """
        check_is_fitted(self)
        if not _has_classes(self):
            shift = None if offset is None else np.asarray(offset, np.float64)
            return family_of(self.target_).with_offset(self._predicted(X), shift)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return R2 for a gaussian target, the accuracy for classes, else the share of the deviance explained (D2)."""
        from sklearn import metrics

        predicted = self.predict(X)
        if _has_classes(self):
            return float(metrics.accuracy_score(y, predicted, sample_weight=sample_weight))
        if self.family == "gaussian":
            return float(metrics.r2_score(y, predicted, sample_weight=sample_weight))
        power = 1 if self.family == "poisson" else 2
        return float(metrics.d2_tweedie_score(y, predicted, sample_weight=sample_weight, power=power))

    def _checked(
        self, X: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> tuple[NDArray, NDArray, NDArray | None, Family]:
        """Return columns, labels and weights of the rows with a weight, and the family. Remembers the classes."""
        if self.family not in FAMILIES:
            raise ValueError(f"family: expected one of {', '.join(FAMILIES)}, got {self.family!r}")
        if self.formula is not None:
            X, y = self._designed(X, y)
        options = {"y_numeric": not _has_classes(self), "ensure_min_samples": self._fewest_rows}
        checked = validate_data(self, X, y, dtype=np.float64, **options)
        columns, values = map(np.asarray, checked)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, columns, dtype=np.float64, ensure_non_negative=True)
            counts = weights > 0
            columns, values, weights = columns[counts], values[counts], weights[counts]
        try:
            labels = self._classes(values) if _has_classes(self) else self._numbers(values)
        except UserError as error:  # scikit-learn expects a ValueError for data that do not fit.
            raise ValueError(str(error)) from None
        return columns, labels, weights, family_of(self.target_)

    def _numbers(self, y: NDArray) -> NDArray:
        self.target_ = Target("y", self.family)
        if self.family == "poisson" and (y >= 0).all():
            return np.asarray(y, np.float64)  # Rates are taken too, as scikit-learn does.
        labels, _ = FAMILIES[self.family].labels(pd.Series(y), "y")
        return labels.to_numpy(np.float64)

    def _classes(self, y: NDArray) -> NDArray:
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise UserError(f"y: expected two classes or more, got one class only: {self.classes_[0]!r}")
        # Two classes have one linear predictor, whichever of the two families is asked for.
        name = "bernoulli" if len(self.classes_) == 2 else "multinomial"
        labels, known = FAMILIES[name].labels(pd.Series(y), "y")
        self.target_ = Target("y", name, known)
        self._order = [(known or []).index(each) for each in self.classes_.tolist()]
        return labels.to_numpy(np.float64)

    def _designed(self, X: Any, y: Any) -> tuple[pd.DataFrame, Any]:
        """Return the columns of the formula, and the target if the formula has one. Remembers the design."""
        self.design_, columns, target = designed(str(self.formula), as_pandas(X))
        if target is not None and y is not None:
            raise UserError(f"{type(self).__name__}: expected a target in the formula or as y, got both")
        return columns, y if target is None else target

    def _predicted(self, X: Any) -> NDArray:
        check_is_fitted(self)
        X = X if self.formula is None else self.design_(as_pandas(X))
        return self._prediction(validate_data(self, X, dtype=np.float64, reset=False))

    def _names(self) -> list[str]:
        names = getattr(self, "feature_names_in_", [f"x{number}" for number in range(self.n_features_in_)])
        return list(map(str, names))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags

        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        if _has_classes(self):
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
            tags.target_tags.positive_only = self.family in ("poisson", "gamma")
        return tags
