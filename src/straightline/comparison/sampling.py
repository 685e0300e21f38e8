"""Select some of many rows, the same rows every time."""

import numpy as np
from numpy.typing import NDArray


def evenly(rows: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of the numbers 0 to `rows` - 1, ascending and evenly spaced from the first to the last."""
    return np.linspace(0, rows - 1, min(rows, most)).round().astype(np.int64)
