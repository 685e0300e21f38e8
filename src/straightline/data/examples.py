"""Real tables that come inside scikit-learn, for a first look without a file or a network."""

import pandas as pd

FUNCTIONS = {"diabetes": "load_diabetes", "breast_cancer": "load_breast_cancer"}


def load(name: str) -> pd.DataFrame:
    """Return the table `name` in its own units, its target in the column `target`."""
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    return pd.DataFrame(getattr(datasets, FUNCTIONS[name])(as_frame=True, **options).frame)
