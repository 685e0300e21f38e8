"""A network that is chosen on its training rows: several members, averaged, and a share of the straight line."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from straightline.models.neural import Activation, Neural, Width


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Averaged:
    """Settings of an averaged network (`training/averaging.py`). A setting that is None is chosen on the training rows.

    `hidden`, `learning_rate` and `l2` are those of `Neural`, and all members share them. There are `members` members,
    five if it is None, each trained without another part of the rows. `line` is the share of the straight line in the
    prediction.
    """

    kind: Literal["averaged"]
    hidden: list[Width] | None = Field(min_length=1)
    activation: Activation
    learning_rate: float | None = Field(gt=0, le=10)
    l2: float | None = Field(ge=0, le=1000)
    members: int | None = Field(ge=2, le=100)
    line: float | None = Field(ge=0, le=1)

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
