"""Write docs/calibration.md: what `straightline calibrate --out docs/calibration` found, from its table.

Run as `python docs/calibration.py > docs/calibration.md` in the project's folder.
"""

from pathlib import Path

import pandas as pd

TABLE = Path("docs/calibration/calibration.csv")

TEMPLATE = """# How often the verdict errs

Made by `python docs/calibration.py > docs/calibration.md` from [the table](calibration/calibration.csv) that
`straightline calibrate --out docs/calibration` wrote. Every row is the whole procedure on new tables whose truth is
known: {folds} folds, the repeats and seeds that their size gets by default, real 16-16 networks with early stopping,
exact regressions, a margin of {margin:.0%} and a confidence of {confidence:.0%}. Tables have {columns} columns. There are
{fits:,} networks behind this page; a scenario has as many tables as two cores could afford (`--simulations`), most
where false answers are counted.

![Share of tables on which the verdict says that the network is better](calibration/calibration.png)

## Where no network can be better

The truth is a straight line through normal columns (half of the target's variance, or log odds of that size), or does
not depend on them at all. «Network better» is an error.

{null}

{verdict}

## Where a network could be better

A curve (a square and a product of two columns, orthogonal to every straight line) makes the best possible predictor's
loss that many margins lower than the best line's. What a network of so few rows reaches of it is the mean gain. At the edge
the margin is set to that mean gain: then the network is neither better nor worse by it, and «network better» is wrong
as often as right; about 5 % are expected where fold losses are normal, and 6.6 % were held to be the most that is fair.

{power}

## What it means

- A false «network better» under a straight line or noise is far rarer than the 5 % that the confidence allows, since there
  a network is not as good as the regression but worse: it has more to learn.
- «Undecided» and «enough» are what small tables get, even where a large curve is there: the power is what it is, and a
  network of 100 rows does not find what 1,000 rows would show.
- The test holds its error rate about the *procedure* on tables of this size. It knows of one table only, and fold losses
  overlap; the correction for that (Nadeau and Bengio 2003) is a rule of thumb, which this page is the check of.
- Heavy tails are a limit: a few rows then decide a fold's squared error, and the differences are not normal.
"""


def _rate(row: pd.Series, prefix: str = "") -> str:
    rate, low, high = (row[f"{prefix}{key}"] for key in ("rate", "low", "high"))
    return "" if pd.isna(rate) else f"{rate:.1%} ({low:.1%} to {high:.1%})"


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _place(row: pd.Series) -> list[str]:
    noise = "" if row["noise"] == "coin" else row["noise"]
    return [str(row["family"]), noise, str(row["truth"]), f"{row['rows']:,}", f"{row['simulations']:,}"]


def main() -> None:
    """Print the page."""
    table = pd.read_csv(TABLE).rename(columns={"rate_low": "low", "rate_high": "high"})
    table = table.sort_values(["family", "noise", "rows", "gain", "truth"], ascending=[False, False, True, True, True])
    null, power = table[table["gain"] == 0], table[table["gain"] > 0]
    place = ["target", "noise", "truth", "rows", "tables"]
    per_thousand = 1000 * null["challenger_better"].sum() / null["simulations"].sum()
    worst = (1000 * null["challenger_better"] / null["simulations"]).max()
    print(
        TEMPLATE.format(
            folds=table["folds"].iloc[0],
            margin=table["margin"].iloc[0],
            confidence=table["confidence"].iloc[0],
            columns=table["columns"].iloc[0],
            fits=int((table["simulations"] * table["folds"] * table["repeats"] * table["seeds"]).sum()),
            null=_markdown(
                [*place, "network better", "regression better", "equal or enough", "undecided"],
                [
                    [
                        *_place(row),
                        _rate(row),
                        f"{row['baseline_better'] / row['simulations']:.1%}",
                        f"{(row['practically_equivalent'] + row['baseline_enough']) / row['simulations']:.1%}",
                        f"{row['undecided'] / row['simulations']:.1%}",
                    ]
                    for _, row in null.iterrows()
                ],
            ),
            verdict=(
                f"Of these {null['simulations'].sum():,} tables {null['challenger_better'].sum()} are errors, "
                f"{per_thousand:.1f} in 1,000, in the worst row {worst:.1f}; 38 are allowed. The intervals (95 %) "
                f"of all rows end at or below {null['high'].max():.1%}."
            ),
            power=_markdown(
                [*place, "mean gain", "network better", "at the edge"],
                [
                    [
                        *_place(row),
                        f"{row['mean_gain']:.1%}",
                        _rate(row),
                        _rate(row, "edge_"),
                    ]
                    for _, row in power.iterrows()
                ],
            ),
        ),
        end="",
    )


if __name__ == "__main__":
    main()
