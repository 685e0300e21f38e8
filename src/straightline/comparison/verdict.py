"""The verdict on a target: its answer, and all that it rests on (verdicts/<target>.json)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from straightline.data.schema import Division
from straightline.runtime.contracts import Contract

SCHEMA = 2
Answer = Literal["yes", "no", "undecided"]
Bounds = tuple[float | None, float | None]


class Finding(StrEnum):
    """What the folds say of a challenger, in the order in which `finding` tries it."""

    challenger_better = "challenger_better"
    baseline_better = "baseline_better"
    practically_equivalent = "practically_equivalent"
    baseline_enough = "baseline_enough"
    undecided = "undecided"

    @property
    def answer(self) -> Answer:
        """Whether a straight line is enough, by this finding alone."""
        if self is Finding.challenger_better:
            return "no"
        return "undecided" if self is Finding.undecided else "yes"


@dataclass(frozen=True)
class Probabilities:
    """The probabilities that the challenger, and that the baseline, is better by more than the margin."""

    challenger_better: float
    baseline_better: float


@dataclass(frozen=True)
class TestSummary:
    """The test of the difference (1-margin) L_baseline - L_challenger, and whether its folds can be repeated."""

    __test__ = False  # or pytest would collect it

    mean: float
    std_error: float
    degrees_of_freedom: int
    folds: int
    repeatable: bool


@dataclass(frozen=True)
class Challenger:
    """What the folds say of one challenger.

    `relative_gain` is the share of the baseline's loss that it saves. `failed` says that it does worse than the
    prediction that knows no column, so that it failed to train and is no evidence.
    """

    finding: Finding
    loss: float
    relative_gain: float
    relative_gain_interval: Bounds
    probabilities: Probabilities
    test: TestSummary
    failed: bool


@dataclass(frozen=True)
class Ledger:
    """What a model was given: configs to be selected from, and the fits, epochs and gradient steps of its folds."""

    configs: int
    fits: int
    epochs: int
    steps: int


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a model's losses `between_folds`, and `between_seeds` of a fold.

    `seed_share` is the share of the variance of a fold's mean loss that more seeds would take away. With one seed it
    and `between_seeds` are None.
    """

    between_folds: float
    between_seeds: float | None
    seed_share: float | None


@dataclass(frozen=True)
class Rung:
    """A model of the ladder: its mean loss, and how it stands to the best rung."""

    loss: float
    gain_of_best: float
    probability_beyond: float
    standing: Literal["within", "beyond", "undecided"]


@dataclass(frozen=True)
class Ladder:
    """`rung` is the lowest that is within the margin of the `best`, `lowest_possible` the lowest that is not beyond."""

    rung: str
    lowest_possible: str
    best: str
    rungs: dict[str, Rung]
    advice: str


@dataclass(frozen=True)
class Verdict(Contract):
    """Whether a straight line is enough to predict `target`.

    `challenger` is the one that the answer rests on; `finding`, `relative_gain`, its interval and `probabilities` are
    those of it. Losses, their intervals, fits, ledgers, spreads and methods are by model; `fold_losses` are a model's
    mean losses over its seeds, by repeat and fold. `mean_loss` is the loss of the prediction that knows no column.
    `rows` counts training rows, `folds` are k, and `fits` counts the fits of all folds.
    """

    schema: int
    target: str
    family: str
    loss: str
    answer: Answer
    finding: Finding
    baseline: str
    challenger: str
    margin: float
    confidence: float
    losses: dict[str, float]
    loss_intervals: dict[str, tuple[float, float]]
    mean_loss: float
    relative_gain: float
    relative_gain_interval: Bounds
    probabilities: Probabilities
    rows: int
    split: Division
    folds: int
    repeats: int
    seeds: int
    fits: dict[str, int]
    ledger: dict[str, Ledger]
    spread: dict[str, Spread]
    methods: dict[str, dict[str, int]]
    challengers: dict[str, Challenger]
    advice: str
    ladder: Ladder | None
    fold_losses: dict[str, list[float]]
