"""How many rows a network learns from: samples that grow until the answer can be given.

A network that is better than the line on a sample is at least as good on more rows, so that the answer "no" may come
early. Each look at a sample is a chance to err, so that the error rate is divided by the number of looks that the table
allows (Bonferroni). The answer "yes" needs a learning curve that is flat, or all rows: a network that still learns from
more rows may overtake the line.

If the loss falls like a power of the number of rows, each factor of rows brings a fixed share of the fall before. With
the power 1/4, which is slow, and a factor of 4, all falls to come sum to 2.4 times the last one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from numpy.typing import NDArray

from straightline.comparison.significance import Comparison
from straightline.config.settings import Growth

MOST_ROWS = 25_600_000  # Row numbers of larger samples, in every fold, would take more than a gigabyte.
ENOUGH = 0.7  # A sample with more than this share of all rows is replaced by all rows.

Reason = Literal["all rows", "flat", "better", "most rows"]


@dataclass(frozen=True, eq=False)
class Look:
    """Losses on the same rows of a sample: of networks that learned from its other folds, and of lines, each `(k,)`.

    `earlier` are the losses of the networks of the sample before, or None for the first one. `rows` is the number of
    rows of the sample.
    """

    rows: int
    network: NDArray
    line: NDArray
    earlier: NDArray | None

    @property
    def fall(self) -> float | None:
        """The share of the loss of the networks before that these networks save."""
        return None if self.earlier is None else float(1 - self.network.mean() / self.earlier.mean())


@dataclass(frozen=True)
class Grown:
    """The looks at growing samples, and why the last one was the last. `planned` is the number of possible looks."""

    looks: Sequence[Look]
    planned: int
    reason: Reason

    @property
    def is_flat(self) -> bool:
        """Whether more rows would change little, so that the answer may be that the line is enough."""
        return self.reason in ("flat", "all rows")


def sizes(rows: int, growth: Growth) -> list[int]:
    """Return the numbers of rows of the samples, the last one as many as there are, or as memory holds."""
    found = []
    size = growth.first
    while size < min(ENOUGH * rows, MOST_ROWS):
        found.append(size)
        size *= growth.factor
    return [*found, min(rows, MOST_ROWS)]


def reason_to_end(looks: Sequence[Look], planned: Sequence[int], rows: int, growth: Growth, k: int) -> Reason | None:
    """Return why no larger sample is needed after the last of `looks`, or None if one is.

    `planned` are the sizes of all samples, `rows` is the number of rows of the table, and `k` that of the folds.
    """
    last = looks[-1]
    if len(looks) == len(planned):
        return "all rows" if planned[-1] >= rows else "most rows"
    low, _ = Comparison(last.line, last.network, k).gain_interval(1 - (1 - growth.confidence) / len(planned))
    if low is not None and low > growth.clear_gain:
        return "better"
    if last.earlier is not None:
        _, high = Comparison(last.earlier, last.network, k).gain_interval(growth.confidence)
        if high is not None and high <= growth.flat:
            return "flat"
    return None
