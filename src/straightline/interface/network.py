"""The averaged network as an estimator of scikit-learn: chosen on parts of the rows, averaged, blended with a line."""

from __future__ import annotations

import json
import os
import sys
import warnings
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter, ValidationError

from straightline.config.explanation import explain
from straightline.config.settings import Fit
from straightline.data.rows import Rows
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.families import family_of
from straightline.interface.estimator import FamilyEstimator
from straightline.models import Averaged
from straightline.runtime.backend import XLA_FLAGS, import_tensorflow
from straightline.runtime.terminal import silent

if TYPE_CHECKING:
    from straightline.training.fit import Fitted

LARGEST_SEED = 2**32 - 1


class Network(FamilyEstimator):
    """A network that is chosen on parts of the training rows, averaged over members, and blended with the line.

    It is the procedure behind the answer of `straightline.compare`. TensorFlow is loaded when it is fitted.

    Parameters
    ----------
    hidden : sequence of int or None
        The numbers of units of the hidden layers; None chooses, as do the next two.
    learning_rate : float or None
        The learning rate at the start of the cosine schedule.
    l2 : float or None
        The penalty on the squares of all kernels.
    members : int or None
        The number of networks that are averaged: five, or two for a table with many rows.
    line : float or None
        The share of the straight line in the predictions.
    family : {"gaussian", "bernoulli", "multinomial", "poisson", "gamma"}
        What the target is. With classes the estimator is a classifier.
    random_state : int, RandomState or None
        The seed of initial weights, of the order of the rows and of their division.
    formula : str or None
        What becomes of the columns of `X`, as for `Regression`.

    Examples
    --------
    >>> import numpy as np, straightline as sl
    >>> x = np.linspace(-1, 1, 80)[:, np.newaxis]
    >>> net = sl.Network(hidden=(8,), learning_rate=0.01, l2=0.0001, random_state=0).fit(x, x[:, 0] ** 2)
    >>> bool(abs(net.predict(x) - x[:, 0] ** 2).mean() < 0.1)
    True
    """

    _fewest_rows = 2  # to choose on a part of the rows

    def __init__(
        self,
        hidden: Any = None,
        *,
        learning_rate: float | None = None,
        l2: float | None = None,
        members: int | None = None,
        line: float | None = None,
        family: str = "gaussian",
        random_state: Any = None,
        formula: str | None = None,
    ) -> None:
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.l2 = l2
        self.members = members
        self.line = line
        self.family = family
        self.random_state = random_state
        self.formula = formula

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Network:
        """Choose and train the network.

        `X` is `(rows, columns)`, `y` `(rows,)`. Rows with the same value in `groups` `(rows,)` stay together when rows
        are divided. Raises UserError for settings out of range, and if the training diverges.
        """
        from sklearn.utils import check_random_state

        columns, labels, weights, family = self._checked(X, y, sample_weight)
        settings, fit = self._settings(check_random_state(self.random_state))
        table = TrainingTable(
            held(Rows(columns, labels, weights)),
            labels,
            self._names(),
            family,
            standardize=True,
            groups=None if groups is None else pd.factorize(np.asarray(groups))[0],
            weights=weights,
            classes=self.target_.classes,
        )
        _import_tensorflow()
        from straightline.training.averaging import average
        from straightline.training.plan import all_rows

        with silent():
            (found,) = average(table, [all_rows(table)], settings, fit, lambda epoch, running, first: None)
        # In double precision a prediction does not depend on the rows beside it.
        self.average_ = replace(found, members=list(map(_in_double, found.members)))
        self.network_ = self.average_.network
        return self

    def _prediction(self, X: NDArray) -> NDArray:
        _import_tensorflow()
        from straightline.training.averaging import averaged_predictor

        return averaged_predictor(self.average_, self.n_features_in_, family_of(self.target_))(X)

    def _settings(self, random: np.random.RandomState) -> tuple[Averaged, Fit]:
        """Return the settings of conf/ with the parameters of this estimator."""
        given = {
            "hidden": None if self.hidden is None else list(self.hidden),
            "learning_rate": self.learning_rate,
            "l2": self.l2,
            "members": self.members,
            "line": self.line,
        }
        network = _conf("model/neural.yaml") | {name: value for name, value in given.items() if value is not None}
        fit = _conf("fit/adam.yaml") | {"seed": int(random.randint(LARGEST_SEED, dtype=np.int64))}
        try:
            # Strict validation of Python values expects dataclass instances; JSON has no such limit.
            return TypeAdapter(Averaged).validate_json(json.dumps(network)), TypeAdapter(Fit).validate_json(
                json.dumps(fit)
            )
        except ValidationError as error:
            raise UserError(f"Network: {'; '.join(explain(detail) for detail in error.errors())}") from None


def _in_double(member: Fitted) -> Fitted:
    weights, frozen = ([values.astype(np.float64) for values in each] for each in (member.weights, member.frozen))
    return replace(member, weights=weights, frozen=frozen)


def _conf(name: str) -> dict[str, Any]:
    text = (files("straightline.config") / "conf" / name).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def _import_tensorflow() -> None:
    """Import TensorFlow with the flags of XLA that make small networks fast, or warn that it is too late for them."""
    if "tensorflow" in sys.modules and not os.environ.get("XLA_FLAGS", "").count(XLA_FLAGS[0]):
        warnings.warn(
            "TensorFlow was imported before straightline could set XLA's flags, so that training is slower; fit a "
            "Network before TensorFlow is imported",
            stacklevel=3,
        )
    import_tensorflow()
