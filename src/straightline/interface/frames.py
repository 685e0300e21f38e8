"""Tables of any library: pandas, polars, pyarrow and NumPy, by way of narwhals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import narwhals as nw
import numpy as np
import pandas as pd

from straightline.errors import UserError

Library = Literal["pandas", "polars", "pyarrow"]


def as_pandas(data: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a table as a DataFrame with a fresh index and text names.

    `data` is a DataFrame of pandas or polars, a Table of pyarrow, anything else that narwhals knows as an eager frame,
    or an array `(rows, columns)`, whose columns are called `names`, or x0, x1, and so on. Raises UserError for anything
    else.
    """
    if isinstance(data, np.ndarray):
        if data.ndim != 2:
            raise UserError(f"expected a table or an array (rows, columns), got an array of shape {data.shape}")
        columns = list(names) if names is not None else [f"x{number}" for number in range(data.shape[1])]
        if len(columns) != data.shape[1]:
            raise UserError(f"expected {data.shape[1]} names of columns, got {len(columns)}")
        return pd.DataFrame(data, columns=columns)
    try:
        frame = nw.from_native(data, eager_only=True).to_pandas()
    except TypeError:
        raise UserError(
            f"expected a table of pandas, polars or pyarrow, or a NumPy array, got {type(data).__name__}"
        ) from None
    return frame.reset_index(drop=True).set_axis(list(map(str, frame.columns)), axis=1)


def as_series(values: Any, name: str = "target") -> pd.Series:
    """Return a column `(rows,)` of any library as a Series. It keeps its name, or is called `name`."""
    if isinstance(values, pd.Series):
        series = values
    elif isinstance(values, np.ndarray | list | tuple):
        array = np.asarray(values)
        if array.ndim != 1:
            raise UserError(f"expected a target (rows,), got an array of shape {array.shape}")
        series = pd.Series(array)
    else:
        try:
            series = nw.from_native(values, series_only=True).to_pandas()
        except TypeError:
            raise UserError(f"expected a column, a list or an array as target, got {type(values).__name__}") from None
    return series.reset_index(drop=True).rename(name if series.name is None else str(series.name))


def like(frame: pd.DataFrame, library: Library) -> Any:
    """Return `frame` as a table of the library `pandas`, `polars` or `pyarrow`."""
    if library == "pandas":
        return frame
    columns = {str(name): column.array for name, column in frame.items()}
    return nw.from_dict({name: values.tolist() for name, values in columns.items()}, backend=library).to_native()


def library_of(data: Any) -> Library:
    """Return the library of a table, `pandas` for arrays and for libraries that tables cannot be given back in."""
    try:
        name = str(nw.from_native(data, eager_only=True).implementation)
    except TypeError:
        return "pandas"
    return "polars" if name == "polars" else "pyarrow" if name == "pyarrow" else "pandas"
