"""The predictions of a model on held-out rows, as the stage `evaluate` writes them (predictions/*.parquet)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.runtime.artifacts import read_parquet, write_parquet

PROBABILITY = "probability_"  # The names of the columns of several classes are this and the number of the class.


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out rows: the `truth` as labels `(rows,)`, the `prediction` `(rows,)` or `(rows, classes)`, and `weights`.

    `weights` `(rows,)` are those of the rows, or None.
    """

    truth: NDArray
    prediction: NDArray
    weights: NDArray | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def write(self, path: Path) -> None:
        """Write the table `truth,prediction`, or `truth,probability_0,probability_1,...`, with a column `weight`."""
        columns = {"truth": self.truth}
        if self.prediction.ndim == 1:
            columns["prediction"] = self.prediction
        else:
            columns |= {f"{PROBABILITY}{number}": column for number, column in enumerate(self.prediction.T)}
        if self.weights is not None:
            columns["weight"] = self.weights
        write_parquet(path, pd.DataFrame(columns))


def read_held_out(path: Path) -> HeldOut:
    """Return the predictions in the file `path`. Raises FileNotFoundError if it does not exist."""
    table = read_parquet(path)
    names = [name for name in table.columns if name.startswith(PROBABILITY)] or "prediction"
    weights = table["weight"].to_numpy(np.float64) if "weight" in table else None
    return HeldOut(table["truth"].to_numpy(np.float64), table[names].to_numpy(np.float64), weights)
