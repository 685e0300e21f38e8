"""The article's simulated table with a known truth, and its best linear and logistic models.

Each person is partnered (relationship -0.5) or single (+0.5); children and age are uniform on [-0.5, 0.5].
"""

import numpy as np
import pandas as pd

FEATURES = ("relationship", "children", "age")


def generate(rows: int, seed: int, partnered_children: float) -> pd.DataFrame:
    """Return `rows` people with the features and the targets `num_balloons` (number) and `color` (0 green, 1 red).

    `partnered_children` is the coefficient of children for partnered people. The value 0.1 fits the article's results;
    its text prints 1.0.
    """
    random = np.random.default_rng(seed)
    single = random.integers(0, 2, rows).astype(bool)
    children, age = random.uniform(-0.5, 0.5, (2, rows))
    num_balloons = np.where(single, 0.8 * children + 0.5 * age, partnered_children * children - 0.2 * age)
    score = np.where(single, 0.5 * children + 0.5 * age, 0.8 * children + 0.2 * age)
    return pd.DataFrame(
        {
            "relationship": np.where(single, 0.5, -0.5),
            "children": children,
            "age": age,
            "num_balloons": num_balloons,
            "color": (score > 0).astype(np.int64),
        }
    )


def exact_linear(partnered_children: float) -> dict[str, float]:
    """Return the weights of the best linear model of `num_balloons` over the whole population.

    The features are independent with mean 0, so each weight is the mean of its coefficient over the two groups.
    """
    return {"Intercept": 0.0, "relationship": 0.0, "children": (0.8 + partnered_children) / 2, "age": 0.15}


def exact_linear_loss(partnered_children: float) -> float:
    """Return the mean squared error of the best linear model.

    It is the sum, over children and age, of the squared half difference between the coefficients of the two groups,
    times the variance 1/12 of the feature.
    """
    return (((0.8 - partnered_children) / 2) ** 2 + 0.35**2) / 12


def exact_logistic() -> dict[str, float]:
    """Return the weights of the best logistic model of `color`, by Gauss-Legendre quadrature (docs/article.md)."""
    return {"Intercept": 0.0, "relationship": 0.0, "children": 16.5255039984904, "age": 10.3709383678326}


def exact_logistic_loss() -> float:
    """Return the binary cross-entropy of the best logistic model."""
    return 0.19583808160096
