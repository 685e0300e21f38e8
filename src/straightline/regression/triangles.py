"""Triangular factors of rows, which are joined part by part.

Their products with themselves are sums over rows (Demmel, Grigori, Hoemmen and Langou 2012, section 3).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg


def triangle(rows: NDArray) -> NDArray:
    """Return the triangular factor of `rows`. It overwrites `rows` in memory; scipy.linalg.qr would make two copies."""
    return np.triu(linalg.lapack.dgeqrf(rows, overwrite_a=True)[0][: rows.shape[1]])


def joined(first: NDArray, second: NDArray) -> NDArray:
    """Return the triangular factor of all rows behind two triangular factors."""
    return triangle(np.vstack([first, second]))


def root_of(matrix: NDArray) -> NDArray:
    """Return a matrix whose product with itself, transposed first, is the symmetric positive `matrix`."""
    values, vectors = linalg.eigh(matrix)
    return np.asarray(np.sqrt(np.maximum(values, 0.0))[:, np.newaxis] * vectors.T)
