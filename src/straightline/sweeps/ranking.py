"""The results of a sweep as rows: one for each config, ranked by loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from straightline.sweeps.space import Point, Space


def row(space: Space, trial: int, point: Mapping[str, Any], outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a config: the number of its trial, its point and its outcome."""
    return {"trial": trial, **{dimension.key: point[dimension.key] for dimension in space.dimensions}, **outcome}


def point(space: Space, row: Mapping[str, Any]) -> Point:
    """Return the point in a row."""
    return {dimension.key: row[dimension.key] for dimension in space.dimensions}


def ranked(space: Space, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows with a rank: the lowest loss first, equal losses by trial, failed configs last."""
    keys = [dimension.key for dimension in space.dimensions]
    columns = ["trial", *keys, "loss", "between_folds", "epochs", "steps", "reason"]
    table = pd.DataFrame(rows, columns=columns).sort_values(["loss", "trial"], ignore_index=True)
    return table.assign(rank=table.index + 1)[["rank", *columns]]


def overrides(space: Space, point: Mapping[str, Any]) -> list[str]:
    """Return the settings of `point` as Hydra overrides, `key=value`."""
    return [f"{dimension.key}={point[dimension.key]}" for dimension in space.dimensions]
