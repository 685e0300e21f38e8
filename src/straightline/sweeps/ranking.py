"""What a sweep found: its progress, its configs ranked, and the winner's verdict in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from straightline.sweeps.space import Point, Space


def row(of: Space, trial: int, point: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a config: its number, its point and what it came to."""
    return {"trial": trial, **{one.key: point[one.key] for one in of.dimensions}, **found}


def point(of: Space, row: Mapping[str, Any]) -> Point:
    """Return the point that a row tells of."""
    return {one.key: row[one.key] for one in of.dimensions}


def ranked(of: Space, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows, the best first, those that failed last; equal losses as they were tried."""
    columns = ["trial", *(one.key for one in of.dimensions), "loss", "between_folds", "epochs", "steps", "reason"]
    table = pd.DataFrame(rows, columns=columns).sort_values(["loss", "trial"], ignore_index=True)
    return table.assign(rank=table.index + 1)[["rank", *columns]]


def settings(of: Space, point: Mapping[str, Any]) -> list[str]:
    """Return what `point` sets, in Hydra's words."""
    return [f"{one.key}={point[one.key]}" for one in of.dimensions]
