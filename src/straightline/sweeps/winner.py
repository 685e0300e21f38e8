"""What the winner of a sweep is worth (sweeps/<name>.json)."""

from dataclasses import dataclass

from straightline.comparison.verdict import Answer, Bounds, Challenger, Finding, Ledger
from straightline.runtime.contracts import Contract


@dataclass(frozen=True)
class Winner(Contract):
    """The verdict on the best of `selected_from` configs, on folds that none was chosen on (their seed: `folds_seed`).

    `words` says so in a sentence without its end. `held_out` are the losses by model on rows that nothing was trained
    or chosen on; it is empty where there are none. All else is as in a `Verdict`.
    """

    selected_from: int
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
