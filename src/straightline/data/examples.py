"""Example tables with real data, of scikit-learn or in a file of this package. They need no network."""

from pathlib import Path

import pandas as pd

TABLES = Path(__file__).parent / "tables"  # Made by examples/build.py, which names their sources.


def load(name: str) -> pd.DataFrame:
    """Return the table `name` in its original units.

    The target of a table of scikit-learn is the column `target`, of iris `species`, in words.
    """
    path = TABLES / f"{name}.csv"
    return pd.read_csv(path) if path.exists() else _of_scikit_learn(name)


def _of_scikit_learn(name: str) -> pd.DataFrame:
    from sklearn import datasets

    if name == "diabetes":
        return pd.DataFrame(datasets.load_diabetes(as_frame=True, scaled=False).frame)
    loaded = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = pd.DataFrame(loaded.frame)
    if name == "iris":
        species = [str(loaded.target_names[number]) for number in frame.pop("target")]
        return frame.assign(species=species)
    return frame
