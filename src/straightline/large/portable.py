"""Predictors that can be sent to other processes, which make them again: compiled functions cannot be sent."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from straightline.families import Family
from straightline.models import Neural
from straightline.training import fit
from straightline.training.networks import built
from straightline.training.predictors import network_predictors
from straightline.training.scoring import Predictor


@dataclass(frozen=True, eq=False)
class Portable:
    """The predictor that `make` returns for `arguments`, made where it is used first."""

    make: Callable[..., Predictor]
    arguments: tuple[Any, ...]

    def __call__(self, features: NDArray) -> NDArray:
        """Return the predictions of `features` `(rows, columns)`, for the offset 0."""
        return self._predictor(features)

    @cached_property
    def _predictor(self) -> Predictor:
        return self.make(*self.arguments)

    def __reduce__(self) -> tuple[type["Portable"], tuple[Any, ...]]:
        """Leave out what was made here."""
        return Portable, (self.make, self.arguments)


def network_predictor(settings: Neural, fitted: fit.Fitted, inputs: int, family: Family) -> Predictor:
    """Return the predictor of a network of `inputs` columns."""
    model = built(settings, inputs, family.outputs, str(fitted.weights[0].dtype))
    (predict,) = network_predictors(model, [fitted], family)
    return predict
