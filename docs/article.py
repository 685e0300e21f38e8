"""Write docs/article.md: the results that the article prints, beside those that `make` wrote in this folder.

Run as `python docs/article.py > docs/article.md` in the project's folder, after `make` with the default config.
"""

import math
from pathlib import Path

from straightline.data import balloons
from straightline.results.files import Results, load_results

# The figures that the article prints: validation losses of the last epoch, and weights of the Dense layer.
ARTICLE_LOSSES = {
    ("num_balloons", "regression"): 0.0207,
    ("num_balloons", "neural"): 1.1776e-04,
    ("color", "regression"): 0.1969,
    ("color", "neural"): 0.0098,
}
ARTICLE_WEIGHTS = {
    "num_balloons": {"relationship": -0.00324172, "children": 0.43457505, "age": 0.1423042, "Intercept": 0.00032589},
    "color": {"relationship": 0.02176554, "children": 14.170614, "age": 8.668548, "Intercept": 0.02175274},
}

TEMPLATE = """# The results of the article and ours

Made by `python docs/article.py > docs/article.md` after `make` with the default config ({rows:,} training rows,
{held:,} held out).

## Losses

Mean squared error for the number of balloons, binary cross-entropy for their colour. The losses of the article are
those of its validation rows at the last epoch that it prints. Ours are those of held-out rows that no training has
seen, with their standard errors.

| target | model | article | ours, held out | best possible |
|---|---|---|---|---|
{losses}

## Weights of the regressions

“Gradient descent” are the weights that Adam reached, as in the article. “Exact” is the optimum on the same training
rows, which is saved as the model. “Population” is the best straight line over all people that the generator could make.

| target | term | article | gradient descent | exact | std error | population |
|---|---|---|---|---|---|---|
{weights}

The ratio of the two large weights of the logistic regression: {article_ratio:.4f} in the article, {ratio:.4f} by
descent, {exact_ratio:.4f} in the population. The article stopped after four epochs, before its weights had converged:
they still grow then, and their ratio is nearly right long before their size is.

## The coefficient that the article prints

For people with a partner (relationship -0.5) the article prints

    number_of_balloons = 1. * children - .2 * age

Its own results contradict that. The weight of children in the best line over both groups is the mean of the two
coefficients, because the groups are equally frequent and the columns are independent with mean 0. With 1.0 that would
be (1.0 + 0.8) / 2 = 0.9, with a mean squared error of 53/4800 = {printed:.5f}. The article's fit has the weight 0.4346
and the loss 0.0205 to 0.0207. With 0.1 it is (0.1 + 0.8) / 2 = 0.45 and 49/2400 = {evident:.5f}; and 0.45 is also what
the article itself writes for "(1.0 + 0.8) / 2". So the article must have used .1, and `data=balloons` uses it too.
`data=balloons_as_printed` uses 1.0 (`dvc exp run -S data=balloons_as_printed`).

The mean squared error of the best line is the mean over the groups of the squared differences between the coefficients
of the group and those of the line, times the variance 1/12 of a uniform column: ((.8 - c) / 2)^2 / 12 + .35^2 / 12 for
the coefficient c. The logistic optimum has no closed form; it is computed by Gauss-Legendre quadrature.
"""


def main() -> None:
    """Print the page."""
    results = load_results(Path("."))
    descent = {row.term: row.trained for row in _coefficients(results, "color").itertuples()}
    article, exact = ARTICLE_WEIGHTS["color"], balloons.exact_logistic()
    print(
        TEMPLATE.format(
            rows=results.schema.rows.train,
            held=results.schema.rows.test,
            losses="\n".join(_losses(results)),
            weights="\n".join(_weights(results)),
            article_ratio=article["children"] / article["age"],
            ratio=descent["children"] / descent["age"],
            exact_ratio=exact["children"] / exact["age"],
            printed=balloons.exact_linear_loss(1.0),
            evident=balloons.exact_linear_loss(0.1),
        ),
        end="",
    )


def _losses(results: Results) -> list[str]:
    import pandas as pd

    best = {("num_balloons", "regression"): f"{balloons.exact_linear_loss(0.1):.5f}"}
    best |= {("color", "regression"): f"{balloons.exact_logistic_loss():.5f}"}
    lines = []
    for key, printed in ARTICLE_LOSSES.items():
        table = pd.read_parquet(results.variants[key].predictions)
        losses = results.family_of(key[0]).row_losses(table["truth"], table["prediction"])
        error = losses.std() / math.sqrt(len(losses))
        lines.append(
            f"| {key[0]} | {key[1]} | {printed:.4g} | {losses.mean():.4g} ± {error:.1g} | {best.get(key, '0')} |"
        )
    return lines


def _weights(results: Results) -> list[str]:
    lines = []
    for target, population in (("num_balloons", balloons.exact_linear(0.1)), ("color", balloons.exact_logistic())):
        for row in _coefficients(results, target).itertuples():
            printed = ARTICLE_WEIGHTS[target][row.term]
            lines.append(
                f"| {target} | {row.term} | {printed:.4f} | {row.trained:.4f} | {row.estimate:.4f} | "
                f"{row.std_error:.4f} | {population[row.term]:.4f} |"
            )
    return lines


def _coefficients(results: Results, target: str):  # type: ignore[no-untyped-def]
    return results.variants[target, "regression"].coefficients


if __name__ == "__main__":
    main()
