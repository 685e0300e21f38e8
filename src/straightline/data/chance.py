"""Chances of rows: pseudo-random numbers that depend on a seed and on the row alone, so that no list of rows is kept.

Rows of a large table are divided by them: rows with a chance below .1 are a tenth of the table, whatever block of rows
is looked at.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LARGE_ROWS = 250_000  # Tables with more rows, held-out rows included, are divided by chances instead of lists of rows.


def chances(keys: NDArray, *seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each of `keys` (whole numbers from 0), uniform and independent between seeds.

    The hash is the finalizer of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
    generators", figure 17), applied to each key at the distance of the seed.
    """
    start, gap = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    hashed = keys.astype(np.uint64)
    hashed *= gap | np.uint64(1)
    hashed += start
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        hashed ^= hashed >> np.uint64(shift)
        hashed *= np.uint64(factor)
    hashed ^= hashed >> np.uint64(31)
    return np.asarray((hashed >> np.uint64(11)) * 2.0**-53)


def group_keys(values: pd.Series) -> NDArray[np.uint64]:
    """Return a key for each row that is the same for equal values, whatever rows are beside them."""
    return np.asarray(pd.util.hash_pandas_object(values, index=False), np.uint64)
