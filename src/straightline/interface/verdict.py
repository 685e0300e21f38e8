"""The test for anybody's fold losses: is a model better than another by more than the margin?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from straightline.comparison.findings import Decision, compare, decide
from straightline.comparison.significance import Comparison, FoldLosses
from straightline.comparison.verdict import Challenger
from straightline.errors import UserError
from straightline.interface.gain import Gain
from straightline.results.sentences import gain_words, interval_level

FEWEST_FOLDS = 2


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether the baseline is enough, from the losses of models in the same folds.

    `answer` is "yes", "no", "undecided", or "neither" if the loss of a prediction without columns is known and no model
    is shown to be better than that. `challengers` compares each other model with the `baseline`, and `challenger` is
    the one that the answer rests on. `losses` are those of each fold by model.
    """

    answer: str
    baseline: str
    challenger: str
    challengers: Mapping[str, Challenger]
    losses: Mapping[str, NDArray]
    margin: float
    confidence: float
    folds: int

    @property
    def finding(self) -> str:
        """The result of the test behind the answer, such as "baseline_enough"."""
        return str(self.challengers[self.challenger].finding.value)

    @property
    def gain(self) -> Gain:
        """The share of the baseline's loss that the challenger saves."""
        best = self.challengers[self.challenger]
        level = interval_level(self.confidence, len(self.challengers)) / 100
        return Gain(best.relative_gain, *best.relative_gain_interval, level, self.margin)

    @property
    def probabilities(self) -> tuple[float, float]:
        """The probabilities that the challenger, and that the baseline, is better by more than the margin."""
        found = self.challengers[self.challenger].probabilities
        return found.challenger_better, found.baseline_better

    @property
    def headline(self) -> str:
        """The answer as a sentence with its numbers."""
        best = self.challengers[self.challenger]
        words = gain_words(
            best.relative_gain, best.relative_gain_interval, self.confidence, self.margin, len(self.challengers)
        )
        opening = {
            "yes": f"Yes, {self.baseline} is enough",
            "no": f"No, {self.baseline} is not enough",
            "undecided": f"Undecided whether {self.baseline} is enough",
            "neither": "No model is shown to be better than a prediction without columns",
        }[self.answer]
        return f"{opening}: {self.challenger} {words}."

    def frame(self) -> pd.DataFrame:
        """Return `model,loss,gain,low,high,finding`, a row for each model; blank for the baseline."""
        rows: list[tuple[Any, ...]] = []
        for name, values in self.losses.items():
            found = self.challengers.get(name)
            rest = (found.relative_gain, *found.relative_gain_interval, found.finding.value) if found else (None,) * 4
            rows.append((name, float(values.mean()), *rest))
        return pd.DataFrame(rows, columns=["model", "loss", "gain", "low", "high", "finding"])

    def judge(self, margin: float | None = None, confidence: float | None = None) -> Verdict:
        """Return the verdict on the same losses at another margin or confidence."""
        return _verdict(
            self.losses,
            self.baseline,
            self.folds,
            self.margin if margin is None else margin,
            self.confidence if confidence is None else confidence,
        )

    def __repr__(self) -> str:
        return f"{self.headline}\n{self.frame().to_string(index=False, na_rep='-')}"

    def _repr_html_(self) -> str:
        import html

        table = self.frame().to_html(index=False, border=0, na_rep="–", float_format=lambda value: f"{value:.5g}")
        return f"<p><strong>{html.escape(self.headline)}</strong></p>{table}"


def verdict(
    losses_a: ArrayLike,
    losses_b: ArrayLike,
    *,
    folds: int,
    margin: float = 0.05,
    confidence: float = 0.95,
    names: Sequence[str] = ("a", "b"),
) -> Verdict:
    """Test whether model a is enough, or whether b is better by more than the margin.

    `losses_a` and `losses_b` `(J,)` are mean losses on the same held-out folds of a k-fold cross-validation, which may
    be repeated: J is a multiple of `folds`, which is k. Losses are 0 or more, such as squared errors, cross-entropies
    or deviances. `margin` is the share of a's loss below which a difference does not matter, and `confidence` the
    probability that a finding needs. The test is the corrected t test (Nadeau and Bengio 2003, "Inference for the
    generalization error", section 3), since folds share training rows.

    Raises UserError for losses of different lengths, missing or negative ones, and for values out of range.

    Examples
    --------
    >>> import straightline as sl
    >>> ridge, boosted = [4.1, 3.9, 4.4, 4.0, 4.2], [3.0, 2.9, 3.3, 3.1, 2.8]
    >>> sl.verdict(ridge, boosted, folds=5, names=("ridge", "boosted")).answer
    'no'
    """
    pair = {str(name): np.asarray(values, np.float64) for name, values in zip(names, (losses_a, losses_b), strict=True)}
    if len(pair) < 2:
        raise UserError(f"verdict: expected two different names, got {names[0]!r} twice")
    return _verdict(pair, str(names[0]), folds, margin, confidence)


def verdict_of(
    losses: Mapping[str, NDArray],
    without_columns: NDArray,
    baseline: str,
    folds: int,
    margin: float,
    confidence: float,
    rows: int,
    ratio: float | None,
) -> tuple[Verdict, Decision]:
    """Return the verdict on several models, and the decision behind it.

    `without_columns` `(J,)` are the losses of the prediction that uses no column, `ratio` is that of `Comparison`.
    """
    _require(losses, folds, margin, confidence)
    decision = decide(FoldLosses(losses, baseline, without_columns, folds, ratio), margin, confidence, rows)
    found = Verdict(
        decision.answer, baseline, decision.challenger, decision.challengers, losses, margin, confidence, folds
    )
    return found, decision


def _verdict(losses: Mapping[str, NDArray], baseline: str, folds: int, margin: float, confidence: float) -> Verdict:
    _require(losses, folds, margin, confidence)
    others = {name: Comparison(losses[baseline], values, folds) for name, values in losses.items() if name != baseline}
    challengers = {name: compare(each, margin, confidence, len(others)) for name, each in others.items()}
    answers = {each.finding.answer for each in challengers.values()}
    answer = "no" if "no" in answers else "undecided" if "undecided" in answers else "yes"
    agreeing = [name for name, each in challengers.items() if each.finding.answer == answer]
    best = min(agreeing, key=lambda name: challengers[name].loss)
    return Verdict(answer, baseline, best, challengers, losses, margin, confidence, folds)


def _require(losses: Mapping[str, NDArray], folds: int, margin: float, confidence: float) -> None:
    if not 0 <= margin < 1:
        raise UserError(f"margin: expected a share from 0 to below 1, got {margin}")
    if not 0.5 < confidence < 1:
        raise UserError(f"confidence: expected a probability above 0.5 and below 1, got {confidence}")
    if folds < FEWEST_FOLDS:
        raise UserError(f"folds: expected the k of k-fold cross-validation, at least {FEWEST_FOLDS}, got {folds}")
    lengths = {name: values.shape for name, values in losses.items()}
    first, *others = lengths.values()
    if len(first) != 1 or any(shape != first for shape in others):
        shown = ", ".join(f"{name} {shape}" for name, shape in lengths.items())
        raise UserError(f"expected one loss for each fold, as many for each model, got {shown}")
    if first[0] < FEWEST_FOLDS or first[0] % folds:
        raise UserError(f"expected the losses of all {folds} folds, once or several times, got {first[0]} losses")
    for name, values in losses.items():
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            at = int(bad.argmax())
            raise UserError(f"{name}: expected losses of 0 or more, got {values[at]} in fold {at}; is it a score?")
