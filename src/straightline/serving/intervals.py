"""Prediction intervals from held-out rows: split conformal prediction.

The rows that a saved model was not trained on show how far its predictions are off. That holds for any model and any
distribution of the errors (Vovk, Gammerman and Shafer 2005; Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018,
"Distribution-free predictive inference for regression").
"""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from straightline.errors import UserError


def half_width(residuals: NDArray, level: float) -> float:
    """Return the distance from a prediction to both ends of its interval, in units of the target.

    `residuals` are those of the held-out rows, `(rows,)`. The distance is the k-th smallest of their absolute values
    with k = ceil((rows + 1) level). If a new row and the held-out rows are exchangeable, its interval contains the
    truth with a probability of at least `level`, on average over tables. Raises UserError if `level` is not between 0
    and 1, or if there are too few rows for it.
    """
    if not 0 < level < 1:
        raise UserError(f"--interval: expected a probability between 0 and 1, such as 0.9, got {level:g}")
    share = Fraction(repr(float(level)))  # as it was typed: in binary, ceil(100 * 0.07) is 8
    rows = len(residuals)
    rank = math.ceil((rows + 1) * share)
    if rank > rows:
        needed = math.ceil(share / (1 - share))
        raise UserError(
            f"--interval {level:g}: expected at least {needed:,} held-out rows, got {rows:,}; ask for a lower "
            "probability, or hold out more rows (data.held_out)"
        )
    return float(np.partition(np.abs(residuals), rank - 1)[rank - 1])
