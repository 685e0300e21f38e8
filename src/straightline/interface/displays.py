"""Parts of a comparison that show themselves: as text, as a frame, and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from straightline.check import Check
from straightline.interface.frames import Library, like
from straightline.results.files import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Display:
    """A table with a text and an HTML form. Subclasses define `_table`."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def _table(self) -> pd.DataFrame:
        raise NotImplementedError

    def frame(self) -> Any:
        """Return the table as a frame of the caller's library."""
        return like(self._table(), self._library)

    def __repr__(self) -> str:
        return self._table().to_string(index=False)

    def _repr_html_(self) -> str:
        return self._table().to_html(index=False, border=0, na_rep="")


class Losses(Display):
    """The losses of all models: `model,repeat,fold,loss` for each fold (`frame`), and a picture of the differences."""

    def __init__(self, results: Results, target: str, library: Library) -> None:
        super().__init__(library)
        self._results, self._target = results, target

    def _table(self) -> pd.DataFrame:
        parts = [
            variant.fold_losses.rename("loss").reset_index().assign(model=variant.model)
            for variant in self._results.variants_of(self._target)
        ]
        return pd.concat(parts)[["model", "repeat", "fold", "loss"]].reset_index(drop=True)

    def means(self) -> Any:
        """Return `model,loss,low,high,held_out`: the mean loss of the folds with its interval, and that of new rows."""
        verdict = self._results.verdicts[self._target]
        rows = [
            (variant.model, verdict.losses[variant.model], *verdict.loss_intervals[variant.model], held_out)
            for variant in self._results.variants_of(self._target)
            for held_out in [variant.metrics.get("loss")]
        ]
        return like(pd.DataFrame(rows, columns=["model", "loss", "low", "high", "held_out"]), self._library)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the differences in each fold, with the margin, and return the Axes."""
        from straightline.report.figures import answer_panel

        return drawn(answer_panel(self._results, self._target), ax)

    def __repr__(self) -> str:
        return pd.DataFrame(self.means()).to_string(index=False) if self._library == "pandas" else repr(self.means())

    def _repr_html_(self) -> str:
        return Losses(self._results, self._target, "pandas").means().to_html(index=False, border=0, na_rep="")


class Checks(Display):
    """What was seen in the table: `code,column,message,advice`, with a row for each column that a check concerns."""

    def __init__(self, checks: Sequence[Check], library: Library) -> None:
        super().__init__(library)
        self._checks = list(checks)

    def __len__(self) -> int:
        return len(self._checks)

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def _table(self) -> pd.DataFrame:
        rows = [
            (check.code, column, check.message, check.advice)
            for check in self._checks
            for column in check.columns or ("",)
        ]
        return pd.DataFrame(rows, columns=["code", "column", "message", "advice"])

    def __repr__(self) -> str:
        return "\n".join(map(str, self._checks)) if self._checks else "nothing is odd about the table"


def drawn(panel: Any, ax: Axes | None) -> Axes:
    """Return `ax`, or new Axes, with the panel drawn into it."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
    panel(ax)
    return ax
