"""The tables that DVC plots draw: one long table for each plot, with the rows of all targets and models."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd

from straightline.comparison.sampling import evenly
from straightline.report.held_out import confusion
from straightline.results.files import Results, Variant

SAMPLE = 1000  # rows in the scatter plot of a variant
NAMES = ["target", "model", "variant"]


def tables(results: Results) -> dict[str, pd.DataFrame]:
    """Return the tables by file name. A table without rows has only its header."""
    return {
        "losses.csv": loss_table(results),
        "folds.csv": fold_table(results),
        "predictions.csv": prediction_table(results),
        "coefficients.csv": coefficient_table(results),
        "confusion.csv": confusion_table(results),
    }


def loss_table(results: Results) -> pd.DataFrame:
    """Return the loss curves of all variants; `shown` is `val_loss` if it is known, else `loss`."""
    return _long(results, ["epoch", "loss", "val_loss", "shown"], lambda variant: variant.curve)


def fold_table(results: Results) -> pd.DataFrame:
    """Return the gain of each model over the verdict's baseline in each fold, as a share of the baseline's mean loss.

    The gain is blank if the mean loss of the baseline is zero.
    """

    def gains(variant: Variant) -> pd.DataFrame | None:
        baseline = results.variants[variant.target, results.verdicts[variant.target].baseline]
        if variant is baseline:
            return None
        baseline_losses, losses = baseline.fold_losses, variant.fold_losses
        return ((baseline_losses - losses) / (baseline_losses.mean() or np.nan)).reset_index(name="gain")

    return _long(results, ["repeat", "fold", "gain"], gains)


def prediction_table(results: Results) -> pd.DataFrame:
    """Return truth, prediction and residual (truth minus prediction) in an even sample of the held-out rows.

    Only numeric targets have rows.
    """

    def sample(variant: Variant) -> pd.DataFrame | None:
        if not _is_pictured(results, variant, "truth"):
            return None
        rows = variant.held_out
        table = pd.DataFrame({"truth": rows.truth, "prediction": rows.prediction}).iloc[evenly(len(rows), SAMPLE)]
        return table.assign(residual=table["truth"] - table["prediction"])

    return _long(results, ["truth", "prediction", "residual"], sample)


def coefficient_table(results: Results) -> pd.DataFrame:
    """Return the coefficients of all regressions with their 95 % intervals; an unknown interval is blank.

    If there are several classes, the name of a term begins with its class.
    """

    def named(variant: Variant) -> pd.DataFrame | None:
        table = variant.coefficients
        if table is None or "class" not in table:
            return table
        slopes = table[table["term"] != "Intercept"]  # which the plot leaves out by its name
        return slopes.assign(term=slopes["class"] + ": " + slopes["term"])

    return _long(results, ["term", "estimate", "ci_low", "ci_high"], named)


def confusion_table(results: Results) -> pd.DataFrame:
    """Return the number of held-out rows by actual and predicted class, or with weights their sums.

    The likeliest class is predicted. Only targets with classes have rows.
    """

    def cells(variant: Variant) -> pd.DataFrame | None:
        if not _is_pictured(results, variant, "confusion"):
            return None
        names = results.schema.targets[variant.target].classes or ()
        pairs = pd.DataFrame(list(product(names, repeat=2)), columns=["actual", "predicted"])
        return pairs.assign(rows=confusion(variant.held_out, len(names)).ravel())

    return _long(results, ["actual", "predicted", "rows"], cells)


def _long(results: Results, columns: list[str], table_of: Callable[[Variant], pd.DataFrame | None]) -> pd.DataFrame:
    parts = []
    for variant in results.variants.values():
        table = table_of(variant)
        if table is not None:
            values = (variant.target, variant.model, f"{variant.target} / {variant.model}")
            parts.append(table.assign(**dict(zip(NAMES, values, strict=True))))
    columns = [*NAMES, *columns]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def _is_pictured(results: Results, variant: Variant, picture: str) -> bool:
    return picture in results.family_of(variant.target).pictures and variant.metrics["rows"] > 0
