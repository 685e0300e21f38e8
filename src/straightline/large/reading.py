"""Columns of a large table that are read one at a time, in the order of the rows that are used."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.check import Check
from straightline.config.sources import Table
from straightline.data.notation import Notation
from straightline.data.understanding import understood_column
from straightline.large.columns import ColumnFile


@dataclass
class Reading:
    """Columns that are read one at a time, in the order of the rows that are used, and what was seen in them."""

    settings: Table
    decimal: str
    file: ColumnFile
    order: NDArray[np.int64] | None = None
    notations: dict[str, Notation] = field(default_factory=dict)
    checks: dict[str, list[Check]] = field(default_factory=dict)

    def column(self, name: str, as_written: bool = False) -> pd.Series:
        """Return a column, with numbers and dates in place of text unless it shall stay `as_written`."""
        values = self.file.series(name)
        settings = self.settings
        if not as_written and name not in settings.categorical:
            values, way, found = understood_column(values, name, self.decimal, settings.dayfirst, settings.missing)
            self.checks[name] = found
            self.notations |= {} if way is None else {name: way}
        return values if self.order is None else values.iloc[self.order]
