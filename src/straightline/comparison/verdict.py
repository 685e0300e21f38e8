"""The verdict on a target: the answer and its evidence (verdicts/<target>.json)."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from straightline.data.schema import Division
from straightline.families import FAMILIES
from straightline.runtime.artifacts import read_json
from straightline.runtime.contracts import Contract

SCHEMA = 2
Answer = Literal["yes", "no", "undecided", "neither"]
Bounds = tuple[float | None, float | None]


class Finding(StrEnum):
    """The result of the comparison with a challenger, in the order in which `finding` checks them."""

    challenger_better = "challenger_better"
    baseline_better = "baseline_better"
    practically_equivalent = "practically_equivalent"
    baseline_enough = "baseline_enough"
    undecided = "undecided"

    @property
    def answer(self) -> Answer:
        """Whether a straight line is enough, according to this finding alone."""
        if self is Finding.challenger_better:
            return "no"
        return "undecided" if self is Finding.undecided else "yes"

    def explained(self, challenger: str, baseline: str) -> str:
        """Return what this finding means for the models of these names."""
        return {
            Finding.challenger_better: f"{challenger} is better by more than the margin",
            Finding.baseline_better: f"{baseline} is better by more than the margin",
            Finding.practically_equivalent: "the difference is smaller than the margin in both directions",
            Finding.baseline_enough: f"{challenger} is not better by the margin",
            Finding.undecided: "the folds do not decide it",
        }[self]


@dataclass(frozen=True)
class Probabilities:
    """The probabilities that the challenger, and that the baseline, is better by more than the margin."""

    challenger_better: float
    baseline_better: float


@dataclass(frozen=True)
class TestSummary:
    """The test of the difference (1-margin) L_baseline - L_challenger, and whether its folds can be repeated."""

    __test__ = False  # Otherwise pytest would collect this class.

    mean: float
    std_error: float
    degrees_of_freedom: int
    folds: int
    repeatable: bool


@dataclass(frozen=True)
class Challenger:
    """The comparison of one challenger with the baseline.

    `relative_gain` is the share of the baseline's loss that the challenger saves. If the challenger has `failed`, its
    loss is larger than that of the prediction that uses no column. It then failed to train and is no evidence.
    """

    finding: Finding
    loss: float
    relative_gain: float
    relative_gain_interval: Bounds
    probabilities: Probabilities
    test: TestSummary
    failed: bool


@dataclass(frozen=True)
class Skill:
    """The comparison of a model with the prediction that uses no column.

    `gain` is the share of the loss of that prediction that the model saves, and `probability` the probability that it
    saves more than the margin. For squared errors, `gain` is the cross-validated R2.
    """

    finding: Finding
    gain: float
    gain_interval: Bounds
    probability: float
    test: TestSummary

    @property
    def predicts(self) -> bool:
        """Whether the model surely saves something, and more than the margin as far as the rows can tell."""
        low = self.gain_interval[0]
        saves_something = low is not None and low > 0
        return self.finding is Finding.challenger_better or (self.finding is Finding.undecided and saves_something)


@dataclass(frozen=True)
class Ledger:
    """The training effort of a model: the configs it was selected from, and fits, epochs and steps of its folds.

    An averaged network chooses among `candidates` in each fold.
    """

    configs: int
    fits: int
    epochs: int
    steps: int
    candidates: int = 1


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a model's losses between folds, and between seeds within a fold.

    `seed_share` is the share of the variance of a fold's mean loss that more seeds would remove. With one seed,
    `seed_share` and `between_seeds` are None.
    """

    between_folds: float
    between_seeds: float | None
    seed_share: float | None


@dataclass(frozen=True)
class Rung:
    """A model of the ladder: its mean loss, and its comparison with the best rung.

    `gain_of_best` is the share of this loss that the best rung saves. `probability_beyond` is the probability that
    this rung is worse than the best rung by more than the margin.
    """

    loss: float
    gain_of_best: float
    probability_beyond: float
    standing: Literal["within", "beyond", "undecided"]


@dataclass(frozen=True)
class Ladder:
    """The comparison of models from the simplest to the largest.

    `rung` is the lowest rung within the margin of the `best`. `lowest_possible` is the lowest rung that is not beyond
    the margin.
    """

    rung: str
    lowest_possible: str
    best: str
    rungs: dict[str, Rung]
    advice: str


@dataclass(frozen=True)
class Reference:
    """A model that is shown for orientation only, in the first repeat of the folds.

    `better_than_all` says whether it is better by more than the margin than the baseline, every challenger, and the
    prediction that uses no column.
    """

    model: str
    loss: float
    loss_interval: tuple[float, float]
    better_than_all: bool


@dataclass(frozen=True)
class Verdict(Contract):
    """Whether a straight line is enough to predict `target`, or whether no model predicts it (`neither`).

    The answer rests on `challenger`, to which `finding`, `relative_gain`, its interval and `probabilities` belong.
    Losses, their intervals, fits, ledgers, spreads and methods are by model. `fold_losses` are the losses of a model by
    repeat and fold, averaged over seeds. `mean_loss` is the loss of the prediction that uses no column. `rows` is the
    number of training rows, `folds` is k (models of large tables are fitted in some of the folds), and `fits` is the
    number of fits in all folds. `skills` compare each model with the prediction that uses no column. `looks` is the
    number of growing samples that networks could learn from.
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
    reference: Reference | None = None
    skills: dict[str, Skill] = field(default_factory=dict)
    looks: Annotated[int, Field(exclude_if=lambda looks: looks == 1)] = 1

    @property
    def chances(self) -> int:
        """The number of chances to call a challenger better, which share the error rate."""
        return len(self.challengers) * self.looks

    @property
    def fitted_folds(self) -> int:
        """The number of folds, in all repeats, that models were fitted in."""
        return len(self.fold_losses[self.baseline])

    @property
    def counted_folds(self) -> str:
        """The number of repeats and folds, or of folds that models were fitted in, in words."""
        all_folds = self.repeats * self.folds
        if self.fitted_folds < all_folds:
            return f"{self.fitted_folds} of {all_folds} folds"
        return f"{self.repeats} × {self.folds} folds"

    @property
    def most_skilled(self) -> str:
        """The name of the model that saves the most of the loss of the prediction that uses no column."""
        return max(self.skills, key=lambda model: self.skills[model].gain)

    @property
    def reason(self) -> str:
        """The finding behind the answer in words."""
        return self.reason_against(FAMILIES[self.family].baseline_name)

    def reason_against(self, without_columns: str) -> str:
        """Return the `reason`, with these words for the prediction that uses no column."""
        if self.answer == "neither":
            return f"no model is shown to be better than {without_columns} by the margin"
        return self.finding.explained(self.challenger, self.baseline)

    @property
    def advised(self) -> str:
        """The model to use: the challenger if it is clearly better, else the baseline."""
        return self.challenger if self.answer == "no" else self.baseline


def read_verdict(root: Path, target: str) -> Verdict:
    """Return the verdict on `target` below `root`. Raises UserError if its content is not a valid verdict."""
    path = root / f"verdicts/{target}.json"
    return Verdict.from_json(read_json(path), str(path))
