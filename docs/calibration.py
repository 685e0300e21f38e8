"""Write docs/calibration.md from the table of `straightline calibrate --out docs/calibration`.

Run as `python docs/calibration.py > docs/calibration.md` in the project's folder.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

TABLE = Path("docs/calibration/calibration.csv")
FEW_ROWS = 100
AVERAGED = Path("docs/calibration/averaged/calibration.csv")
NEITHER = Path("docs/calibration/neither/calibration.csv")
GROWING = Path("docs/calibration/growing/calibration.csv")
FAMILIES = Path("docs/calibration/families/calibration.csv")

TEMPLATE = """# How often the verdict errs

Made by `python docs/calibration.py > docs/calibration.md` from [the table](calibration/calibration.csv) that
`straightline calibrate --out docs/calibration` wrote. Three sections have a table of their own, and are about the averaged
networks of `--effort`; all others are about one network and the plain regression (`effort=single`,
`models.regression.l2=0`, ten repeats for small tables). Every row is one scenario: the whole procedure on new tables
whose truth is known, with {folds} folds, the default repeats and seeds for tables of this size, real 16-16 networks with
early stopping, exact regressions, a margin of {margin:.0%} and a confidence of {confidence:.0%}. The tables have {columns} columns. {fits:,} networks were trained for these rows. A scenario
has as many tables as two cores could afford (`--simulations`); scenarios that count false answers have the most.

![Share of tables on which the verdict says that the network is better](calibration/calibration.png)

## Where no network can be better

The truth is a straight line in normally distributed columns (half of the target's variance, or log odds of that size),
or does not depend on the columns at all. Here “network better” is an error.

{null}

{verdict}

## Where a network could be better

A curve (a square and a product of two columns, orthogonal to every straight line) makes the loss of the best possible
predictor lower than that of the best line, by the number of margins in the column “truth”. The mean gain is the part of
it that a network reaches with so few rows. At the edge, the margin is set to this mean gain. Then the network is
neither better nor worse than the margin, and “network better” would be wrong as often as right without the test. If
fold losses are normally distributed, about 5 % are expected; 6.6 % were taken as the acceptable limit.

{power}

## Averaged networks, and ridge where it is better

The default network is chosen in each fold and averaged (effort standard), or averaged without a choice (quick). The
regression may be a ridge regression in each fold. These rows come from
[another table](calibration/averaged/calibration.csv), with ten folds, once (quick) or three times (standard). Many
columns and few rows are where shrinkage alone could win; “network better” is an error where the truth is linear or
noise.

{averaged}

Of the {averaged_null:,} tables without a curve {averaged_errors} gave a wrong answer, {averaged_rate:.1f} in 1,000; the
95 % interval of this rate ends at {averaged_high:.1%}. Under a straight line, effort standard says that the line is
equal or enough in {enough_few:.0%} of the tables with 100 rows, and in {enough_many:.0%} of those with more. With 100
rows more tables stay undecided than above: an averaged network is hardly worse than the line, so that only a narrow
interval can say that the line is enough.

## How often the answer is “neither”

The tables above count what is found about the network and the regression. The answer is “neither” if,
compared with the prediction that uses no column, none of them surely saves something, or what it saves is surely less
than the margin. That is right where the truth is noise. Where it is a
straight line (as above), it means that so few rows do not show it. These rows come from
[a third table](calibration/neither/calibration.csv), with effort quick.

{neither}

## Classes, counts and amounts

Targets of three classes, counts and positive amounts, with {family_columns} columns and effort quick. These rows come from
[a fourth table](calibration/families/calibration.csv). As above the line has the variance 1, as a linear predictor: log
odds, or the logarithm of the mean. It saves 15 % of the loss of the class shares (two classes: 13 %), and of the deviance
of the mean 62 % for counts and 46 % for amounts (numbers: 50 %). Counts have a Poisson distribution, amounts a gamma
distribution whose standard deviation is the mean. A curve of classes changes the log odds of the second class. That of
counts and amounts is bounded, since the mean of the exponential of a normal variable's square may be infinite.

{families}

Of the {family_null:,} tables without a curve {family_errors} gave a wrong answer; the 95 % interval of this rate ends at {family_high:.1%}.
A curve of {family_gain:.0%} of the line's loss was found in {found_multinomial:,} of {curves_multinomial:,} tables of classes, in {found_poisson:,} of {curves_poisson:,} of counts,
and in {found_gamma:,} of {curves_gamma:,} of amounts. Where it was not, nothing is sure about the network and the regression. “Neither” is
wrong where the truth has a line: that happened in {neither_wrong:,} of {neither_tables:,} tables, {neither_counts:,} of them counts. A single large
count, such as 50 where the next one is 15, makes the loss of its fold so different from the others that it is not sure
that the line saves anything. So few tables tell a rate only roughly.

## Networks that learn from growing samples

In a table of more than 250,000 rows a network learns from samples that grow ([large tables](how-to/large-tables.md)).
The same rule was tried on tables of 16,000 rows and 8 columns, with samples of 1,000, 4,000 and all rows:

```sh
straightline calibrate --rows 16000 --columns 8 --family gaussian --family bernoulli --noise normal --truth linear \\
    --truth 1.5 --simulations 40 --effort quick --growing 1000 --out docs/calibration/growing
```

Of {grown_null:,} tables with a straight line, {grown_errors:,} were called for a network, and {grown_enough:,} for the line. Of {grown_curved:,} tables with a curve
that is worth one and a half margins, {grown_found:,} were called for the network and {grown_missed:,} for the line; {grown_undecided:,} were undecided. Networks
learned from {grown_rows:,.0f} of these rows on average. Models were fitted in five of the ten folds, as in large tables
(`folds.large`). These have sixteen times as many rows and more, so that their intervals are a quarter as wide or less.

## What it means

- Under a straight line or noise a false “network better” is far rarer than the 5 % that the confidence allows. The
  reason is that a network is not as good as the regression there, but worse: it has more to learn.
- Small tables get “undecided” and “enough” even if there is a large curve. The power of the test is limited: a network
  trained on 100 rows does not find a curve that 1,000 rows would show.
- The error rate is that of the whole *procedure* on tables of this size. The test sees only one table, and the training
  rows of its folds overlap. The correction for that (Nadeau and Bengio 2003) is a rule of thumb, and this page checks
  it.
- Heavy tails are a limit: then a few rows decide the squared error of a fold, and the differences are not normally
  distributed.
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


def _enough(table: pd.DataFrame | pd.Series) -> float:
    return float(np.sum(table["practically_equivalent"] + table["baseline_enough"]) / np.sum(table["simulations"]))


def _averaged(table: pd.DataFrame) -> str:
    rows = [
        [
            str(row["effort"]),
            str(row["family"]),
            str(row["truth"]),
            f"{row['rows']:,} x {row['columns']}",
            f"{row['simulations']:,}",
            f"{row['mean_gain']:.1%}",
            "" if pd.isna(row["share_of_gain"]) else f"{row['share_of_gain']:.0%}",
            _rate(row),
            f"{row['baseline_better'] / row['simulations']:.1%}",
            f"{(row['practically_equivalent'] + row['baseline_enough']) / row['simulations']:.1%}",
        ]
        for _, row in table.iterrows()
    ]
    header = ["effort", "target", "truth", "rows x columns", "tables", "mean gain", "of the truth's gain"]
    return _markdown([*header, "network better", "regression better", "equal or enough"], rows)


def _neither(table: pd.DataFrame) -> str:
    rows = [[*_place(row), f"{row['neither']:,} of {row['simulations']:,}"] for _, row in table.iterrows()]
    return _markdown(["target", "noise", "truth", "rows", "tables", "answer “neither”"], rows)


def _families(table: pd.DataFrame) -> str:
    rows = [
        [
            str(row["family"]),
            str(row["truth"]),
            f"{row['rows']:,}",
            f"{row['simulations']:,}",
            f"{row['mean_gain']:.1%}",
            "" if pd.isna(row["share_of_gain"]) else f"{row['share_of_gain']:.0%}",
            _rate(row),
            f"{row['baseline_better'] / row['simulations']:.1%}",
            f"{_enough(row):.1%}",
            f"{row['neither']:,} of {row['simulations']:,}",
        ]
        for _, row in table.iterrows()
    ]
    header = ["target", "truth", "rows", "tables", "mean gain", "of the truth's gain", "network better"]
    return _markdown([*header, "regression better", "equal or enough", "answer “neither”"], rows)


def _of_growing(table: pd.DataFrame) -> dict[str, object]:
    """Return what the section on growing samples says of its table."""
    null, curved = table[table["gain"] == 0], table[table["gain"] > 0]
    enough = ["practically_equivalent", "baseline_enough", "baseline_better"]
    return {
        "grown_null": int(null["simulations"].sum()),
        "grown_errors": int(null["challenger_better"].sum()),
        "grown_enough": int(null[enough].to_numpy().sum()),
        "grown_curved": int(curved["simulations"].sum()),
        "grown_found": int(curved["challenger_better"].sum()),
        "grown_missed": int(curved[enough].to_numpy().sum()),
        "grown_undecided": int(curved["undecided"].sum()),
        "grown_rows": float(curved["learned_rows"].mean()),
    }


def _of_families(table: pd.DataFrame) -> dict[str, object]:
    """Return what the section on classes, counts and amounts says of its table."""
    null, curved = table[table["gain"] == 0], table[table["gain"] > 0]
    errors, tables = null[["challenger_better", "simulations"]].sum().astype(int)
    by_family = curved.groupby("family")[["challenger_better", "simulations"]].sum()
    counts = {f"found_{family}": row["challenger_better"] for family, row in by_family.iterrows()}
    counts |= {f"curves_{family}": row["simulations"] for family, row in by_family.iterrows()}
    with_line = table[table["truth"] != "noise"]
    return counts | {
        "families": _families(table),
        "family_columns": table["columns"].iloc[0],
        "family_null": tables,
        "family_errors": errors,
        "family_high": stats.binomtest(errors, tables).proportion_ci(method="exact").high,
        "family_gain": curved["gain"].iloc[0],
        "neither_wrong": with_line["neither"].sum(),
        "neither_tables": with_line["simulations"].sum(),
        "neither_counts": with_line.loc[with_line["family"] == "poisson", "neither"].sum(),
    }


def main() -> None:
    """Print the page."""
    table = pd.read_csv(TABLE).rename(columns={"rate_low": "low", "rate_high": "high"})
    table = table.sort_values(["family", "noise", "rows", "gain", "truth"], ascending=[False, False, True, True, True])
    null, power = table[table["gain"] == 0], table[table["gain"] > 0]
    averaged = pd.read_csv(AVERAGED).rename(columns={"rate_low": "low", "rate_high": "high"})
    averaged = averaged.sort_values(["gain", "effort", "family", "rows", "columns", "truth"])
    errors, tables = averaged.loc[averaged["gain"] == 0, ["challenger_better", "simulations"]].sum().astype(int)
    families = pd.read_csv(FAMILIES).rename(columns={"rate_low": "low", "rate_high": "high"})
    families = families.sort_values(["gain", "truth", "family", "rows"])
    under_line = averaged[(averaged["effort"] == "standard") & (averaged["truth"] == "linear")]
    place = ["target", "noise", "truth", "rows", "tables"]
    per_thousand = 1000 * null["challenger_better"].sum() / null["simulations"].sum()
    worst = (1000 * null["challenger_better"] / null["simulations"]).max()
    print(
        TEMPLATE.format(
            averaged=_averaged(averaged),
            neither=_neither(pd.read_csv(NEITHER).sort_values(["truth", "family", "rows"])),
            **_of_families(families),
            **_of_growing(pd.read_csv(GROWING)),
            averaged_null=tables,
            averaged_errors=errors,
            averaged_rate=1000 * errors / tables,
            averaged_high=stats.binomtest(errors, tables).proportion_ci(method="exact").high,
            enough_few=_enough(under_line[under_line["rows"] == FEW_ROWS]),
            enough_many=_enough(under_line[under_line["rows"] > FEW_ROWS]),
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
                f"Of these {null['simulations'].sum():,} tables {null['challenger_better'].sum()} gave a wrong answer, "
                f"{per_thousand:.1f} in 1,000, and {worst:.1f} in 1,000 in the worst row; 38 are allowed. The 95 % intervals "
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
