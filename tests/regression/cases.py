"""Rows of every family that no direction separates, with weights and offsets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from straightline.data.rows import Rows
from straightline.data.source import Source, streamed, with_row_values
from straightline.families import Family
from straightline.regression.optimum import Optimum
from tests.families.cases import EVERY, every_family, log_link_families

__all__ = ["EVERY", "NAMES", "copies", "every_family", "in_file", "log_link_families", "same_optimum", "table"]

NAMES = ("a", "b", "c")
SLOPES = np.array([[0.5, -0.4, 0.2], [-0.3, 0.1, 0.4], [0.2, 0.3, -0.5]])


def table(family: Family, rows: int = 120, seed: int = 0, weighted: bool = True, shifted: bool = True) -> Rows:
    """Return rows whose labels follow a line, with whole numbers as weights and, if the family has them, offsets."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 3)) * [1, 100, 1e-2] + [5, 1000, 0]
    slopes = SLOPES[: family.outputs] / [1, 100, 1e-2]
    predictor = 0.3 + (features - [5, 1000, 0]) @ slopes.T
    predictor = predictor if family.outputs > 1 else predictor[:, 0]
    offset = random.normal(scale=0.5, size=rows) if shifted and family.has_offset else None
    labels = family.draw(predictor if offset is None else predictor + offset, family.noises[0], 0.8, random)
    return Rows(features, labels, random.integers(1, 4, rows).astype(float) if weighted else None, offset)


def copies(rows: Rows) -> Rows:
    """Return each row as often as its weight says, without weights."""
    assert rows.weights is not None
    numbers = np.repeat(np.arange(len(rows)), rows.weights.astype(int)).astype(np.int32)
    return replace(rows.take(numbers), weights=None)


def in_file(folder: Path, rows: Rows, group: int = 16) -> Source:
    """Return the source that streams the rows from a file in groups of `group` rows."""
    names = list(NAMES[: rows.features.shape[1]])
    path = folder / "rows.parquet"
    pd.DataFrame(rows.features, columns=names).assign(y=rows.labels).to_parquet(path, row_group_size=group)
    return with_row_values(streamed(path, names, "y", 4 * group), rows.weights, rows.offset)


def same_optimum(found: Optimum, known: Optimum, tolerance: float) -> None:
    """Compare all numbers of two optima, coefficients and covariances in units of the standard errors."""
    assert found.covariance is not None
    assert known.covariance is not None
    scales = np.sqrt(np.diag(known.covariance))
    ours, theirs = (np.asarray(each.coefficients).T.ravel() / scales for each in (found, known))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    unitless: NDArray = np.outer(scales, scales)
    np.testing.assert_allclose(found.covariance / unitless, known.covariance / unitless, rtol=0, atol=tolerance)
    assert found.loss == pytest.approx(known.loss, rel=tolerance)
    assert found.degrees_of_freedom == pytest.approx(known.degrees_of_freedom, rel=tolerance)
    assert (found.dispersion is None) == (known.dispersion is None)
    if found.dispersion is not None:
        assert found.dispersion == pytest.approx(known.dispersion, rel=tolerance)
    assert (found.method, found.errors, found.messages) == (known.method, known.errors, known.messages)
