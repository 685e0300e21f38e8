"""A network that is chosen on its training rows: several members, averaged, and a share of the straight line."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from straightline.models.neural import Activation, Neural, Width

WIDE, WIDE_ROWS = 64, 1_000  # Layers with more units than WIDE are candidates from so many rows on.
STRICT = ConfigDict(extra="forbid", strict=True)
Hidden = Annotated[list[Width], Field(min_length=1)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
Penalty = Annotated[float, Field(ge=0, le=1000)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Choices:
    """The values that an averaged network chooses from: a candidate for each combination."""

    hidden: list[Hidden] = Field(min_length=1)
    learning_rate: list[LearningRate] = Field(min_length=1)
    l2: list[Penalty] = Field(min_length=1)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Averaged:
    """Settings of an averaged network (`training/averaging.py`). A setting that is None is chosen on the training rows.

    `hidden`, `learning_rate` and `l2` are those of `Neural`, and all members share them; those that are None are chosen
    among `choices`. There are `members` members, each trained without another part of the rows; if it is None,
    there are five, or two for a table with many rows. `line` is the share of the straight line in the prediction.
    `selected_from` is the number of configs from which a sweep selected this one.
    """

    kind: Literal["averaged"]
    hidden: Hidden | None
    activation: Activation
    learning_rate: LearningRate | None
    l2: Penalty | None
    choices: Choices
    members: int | None = Field(ge=2, le=100)
    line: float | None = Field(ge=0, le=1)
    selected_from: int = Field(default=1, ge=1)

    def hidden_layers(self, rows: int) -> list[list[int]]:
        """Return the hidden layers to choose from: no wide ones, if there are others, with few `rows`."""
        if self.hidden is not None:
            return [self.hidden]
        narrow = [hidden for hidden in self.choices.hidden if max(hidden) <= WIDE]
        return narrow if narrow and rows < WIDE_ROWS else self.choices.hidden

    def candidates(self, rows: int) -> int:
        """Return the number of networks to choose from with so many `rows`."""
        return len(self.hidden_layers(rows)) * len(self.pairs())

    def pairs(self) -> list[tuple[float, float]]:
        """Return the learning rates and penalties of the candidates with the same hidden layers."""
        rates = self.choices.learning_rate if self.learning_rate is None else [self.learning_rate]
        penalties = self.choices.l2 if self.l2 is None else [self.l2]
        return list(product(rates, penalties))

    def member(self, hidden: list[int], learning_rate: float, l2: float) -> Neural:
        """Return the settings of a member. Its learning rate falls to 0 as a cosine."""
        return Neural(
            kind="neural",
            hidden=hidden,
            activation=self.activation,
            learning_rate=learning_rate,
            schedule="cosine",
            l2=l2,
            dropout=0.0,
            from_regression=False,
        )
