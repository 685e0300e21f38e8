"""The table of simulated scenarios, which later calls of `straightline calibrate` continue."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

SCENARIO = ["family", "rows", "columns", "noise", "truth", "seed", "settings"]


def known(table: pd.DataFrame, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row of `table` with the scenario of `key`, or None if it has too few simulations.

    More simulations will do, because their first tables are the same.
    """
    if not set(key) <= set(table.columns):
        return None
    scenario = [name for name in key if name != "simulations"]
    same = table[(table[scenario] == pd.Series(key)[scenario]).all(axis=1)]
    enough = same[same["simulations"] >= key["simulations"]]
    return None if enough.empty else dict(enough.iloc[0])


def merged(table: pd.DataFrame, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return `table` with new `rows`. Of rows with the same scenario, the one with the most simulations stays."""
    both = pd.concat([pd.DataFrame(rows), table], ignore_index=True)
    most = both.groupby(SCENARIO, dropna=False)["simulations"].transform("max")
    return both[both["simulations"] == most].drop_duplicates(SCENARIO, ignore_index=True)
