"""Derive the verdict on a target from the fold losses of all its models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.comparison.advice import trees_advice
from straightline.comparison.evidence import fold_means, ledger, spread
from straightline.comparison.findings import Decision, compare, decide
from straightline.comparison.ladder import ladder
from straightline.comparison.significance import Comparison, FoldLosses, loss_interval, test_ratio
from straightline.comparison.verdict import SCHEMA, Finding, Ladder, Reference, Verdict
from straightline.data.schema import Schema
from straightline.errors import UserError
from straightline.families import FAMILIES


@dataclass(frozen=True)
class Rules:
    """The settings of a verdict: `k` folds, the margin, the confidence, and the models of a ladder, or None."""

    k: int
    margin: float
    confidence: float
    ladder: Sequence[str] | None = None


def judge(
    schema: Schema,
    target: str,
    baseline: str,
    folds: Mapping[str, pd.DataFrame],
    configs: Mapping[str, int],
    rules: Rules,
    reference: pd.DataFrame | None = None,
) -> Verdict:
    """Return the verdict on `target`. `folds` holds the table folds.csv of each model, by name.

    `configs` is the number of configs from which each model was selected. `reference` is the table of a model that is
    shown for orientation (`trees.tree_folds`), or None. Raises UserError if the ladder names an unknown model.
    """
    family, rows = FAMILIES[schema.targets[target].family], schema.rows.train
    means = {name: fold_means(table).to_numpy() for name, table in folds.items()}
    ratio = mean_test_ratio(folds[baseline]) if schema.split.by == "time" or schema.is_large else None
    without_columns = fold_means(folds[baseline], "mean_loss").to_numpy()
    shown = None if reference is None else _reference(reference, [*means.values(), without_columns], rules, ratio)
    # Only networks on tables of more than 250,000 rows have these columns: they learn from growing samples.
    looks = max(int(table["looks"].max()) if "looks" in table else 1 for table in folds.values())
    learning = [name for name, table in folds.items() if "is_flat" in table and not table["is_flat"].all()]
    losses = FoldLosses(means, baseline, without_columns, rules.k, ratio, looks, learning)
    decision = decide(losses, rules.margin, rules.confidence, rows)
    first = {name: values[: 0 if reference is None else len(reference)] for name, values in means.items()}
    return Verdict(
        schema=SCHEMA,
        target=target,
        family=family.name,
        loss=family.loss,
        baseline=baseline,
        margin=rules.margin,
        confidence=rules.confidence,
        losses={name: float(np.mean(losses)) for name, losses in means.items()},
        loss_intervals={
            name: loss_interval(losses, test_ratio(rules.k, ratio), rules.confidence) for name, losses in means.items()
        },
        mean_loss=float(without_columns.mean()),
        rows=rows,
        split=schema.split,
        folds=rules.k,
        repeats=int(folds[baseline]["repeat"].nunique()),
        seeds=max(int(table["seed"].nunique()) for table in folds.values()),
        fits={name: len(table) for name, table in folds.items()},
        ledger={name: ledger(table, configs[name]) for name, table in folds.items()},
        spread={name: spread(table) for name, table in folds.items()},
        methods={
            name: {str(key): int(count) for key, count in table["method"].value_counts().items()}
            for name, table in folds.items()
        },
        ladder=_ladder(rules, means, ratio),
        looks=looks,
        fold_losses={name: losses.tolist() for name, losses in means.items()},
        reference=shown,
        skills=dict(decision.skills),
        **decided(decision)
        | {"advice": f"{decision.advice}{trees_advice(shown, first, decision.answer == 'neither')}"},
    )


def decided(decision: Decision) -> dict[str, Any]:
    """Return the fields of a verdict that come from a decision."""
    best = decision.best
    return {
        "answer": decision.answer,
        "challenger": decision.challenger,
        "finding": best.finding,
        "relative_gain": best.relative_gain,
        "relative_gain_interval": best.relative_gain_interval,
        "probabilities": best.probabilities,
        "challengers": dict(decision.challengers),
        "advice": decision.advice,
    }


def _reference(table: pd.DataFrame, means: Sequence[NDArray], rules: Rules, ratio: float | None) -> Reference:
    losses = table["loss"].to_numpy()
    others = [Comparison(model_losses[: len(losses)], losses, rules.k, ratio) for model_losses in means]
    findings = [compare(comparison, rules.margin, rules.confidence).finding for comparison in others]
    return Reference(
        model=str(table["model"].iloc[0]),
        loss=float(losses.mean()),
        loss_interval=loss_interval(losses, test_ratio(rules.k, ratio), rules.confidence),
        better_than_all=all(finding is Finding.challenger_better for finding in findings),
    )


def mean_test_ratio(folds: pd.DataFrame) -> float:
    """Return the number of test rows per training row, averaged over the folds.

    Folds differ in it if rows are ordered, since later folds have more training rows.
    """
    return float((folds["rows"] / folds["train_rows"]).mean())


def _ladder(rules: Rules, means: Mapping[str, Any], ratio: float | None) -> Ladder | None:
    if rules.ladder is None:
        return None
    if unknown := sorted({*rules.ladder} - {*means}):
        raise UserError(
            f"params.yaml: verdict.ladder: expected only models among {', '.join(means)}, got {', '.join(unknown)}"
        )
    rungs = {name: means[name] for name in rules.ladder}
    return ladder(rungs, rules.k, rules.margin, rules.confidence, ratio)
