"""Example tables of scikit-learn with real data. They need neither a file nor a network."""

import pandas as pd

FUNCTIONS = {"diabetes": "load_diabetes", "breast_cancer": "load_breast_cancer"}


def load(name: str) -> pd.DataFrame:
    """Return the table `name` in its original units. Its target is the column `target`."""
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    return pd.DataFrame(getattr(datasets, FUNCTIONS[name])(as_frame=True, **options).frame)
