"""The verdict on the winner of a sweep (sweeps/<name>.json)."""

from dataclasses import dataclass

from straightline.comparison.verdict import Answer, Bounds, Challenger, Finding, Ledger
from straightline.runtime.contracts import Contract


@dataclass(frozen=True)
class Winner(Contract):
    """The verdict on the best of `selected_from` configs, on fresh folds of the same rows.

    `folds_seed` is the seed of these folds. `optimism` is what the selection flatters the winner by, and what its loss
    in `losses` is raised by (`optimism.py`). `words` states the selection in a sentence without a full stop. `held_out`
    holds the losses by model on rows that were used neither for training nor for selection; it is empty if there are no
    held-out rows. All other fields are as in a `Verdict`.
    """

    selected_from: int
    optimism: float
    words: str
    baseline: str
    folds_seed: int
    margin: float
    confidence: float
    losses: dict[str, float]
    answer: Answer
    challenger: str
    finding: Finding
    relative_gain: float
    relative_gain_interval: Bounds
    challengers: dict[str, Challenger]
    advice: str
    ledger: dict[str, Ledger]
    held_out: dict[str, float]
