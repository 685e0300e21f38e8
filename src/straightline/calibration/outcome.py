"""The result of a simulated table."""

from dataclasses import dataclass

from straightline.comparison.significance import Comparison, FoldLosses


@dataclass(frozen=True)
class Outcome:
    """The fold losses of both models and those of predicting the mean, and how many rows the network learned from.

    `rows` is None if it learned from all.
    """

    losses: FoldLosses
    rows: int | None = None

    @property
    def comparison(self) -> Comparison:
        """The comparison of the network with the regression."""
        return self.losses.comparisons()["network"]
