"""The coefficients of a regression as statisticians know them: a text, HTML, LaTeX and a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from straightline.interface.displays import Display, drawn
from straightline.interface.frames import Library
from straightline.results.files import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {
    "estimate": "estimate",
    "std_error": "std error",
    "statistic": "statistic",
    "p_value": "p value",
    "ci_low": "2.5 %",
    "ci_high": "97.5 %",
}


class Summary:
    """A table of coefficients with notes: `print` shows it as text, a notebook as HTML, `as_latex` gives LaTeX."""

    def __init__(self, table: pd.DataFrame, title: str, notes: list[str]) -> None:
        self._table, self._title, self._notes = table, title, notes

    def _shown(self) -> pd.DataFrame:
        keys = [name for name in ("class", "term") if name in self._table]
        return self._table[[*keys, *NAMES]].rename(columns=NAMES)

    def as_text(self) -> str:
        """Return the summary as plain text."""
        table = self._shown().to_string(index=False, float_format=lambda value: f"{value:.5g}", na_rep="-")
        return "\n".join([self._title, table, *self._notes])

    def as_html(self) -> str:
        """Return the summary as a fragment of HTML."""
        import html

        table = self._shown().to_html(index=False, border=0, na_rep="–", float_format=lambda value: f"{value:.5g}")
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self._notes)
        return f"<p><strong>{html.escape(self._title)}</strong></p>{table}{notes}"

    def as_latex(self) -> str:
        """Return the table as LaTeX, for the package booktabs."""
        styler = self._shown().style.hide(axis="index").format(precision=4, na_rep="--", escape="latex")
        return str(styler.to_latex(hrules=True, caption=self._title))

    def __str__(self) -> str:
        return self.as_text()

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return self.as_html()


class Coefficients(Display):
    """The coefficients of the straight line. `summary()` has all, `frame()` the table coefficients.csv."""

    def __init__(self, results: Results, target: str, model: str, library: Library) -> None:
        super().__init__(library)
        self._results, self._target = results, target
        self._variant = results.variants[target, model]

    def _table(self) -> pd.DataFrame:
        table = self._variant.coefficients
        assert table is not None
        return table

    def summary(self) -> Summary:
        """Return the table of coefficients with its notes."""
        family, schema = self._results.family_of(self._target), self._results.schema.targets[self._target]
        certificate = self._variant.certificate
        notes = [f"An estimate is the change in {family.coefficient_unit(schema)} if its term rises by 1."]
        if certificate is not None:
            notes.append(f"Standard errors: {certificate.standard_errors}. Rows: {certificate.rows:,}.")
            notes += [f"Note: {message}." for message in certificate.messages]
        return Summary(self._table(), f"{schema.column}: {self._variant.model}", notes)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the effects of a standard deviation of each term with their intervals, and return the Axes."""
        from straightline.report.figures import standardized
        from straightline.report.pictures.comparison import coefficients

        table = self._table()
        slopes = table[(table["term"] != "Intercept") & table["estimate"].notna()]
        return drawn(coefficients(standardized(slopes), "effect of a standard deviation"), ax)

    def __repr__(self) -> str:
        return self.summary().as_text()

    def _repr_html_(self) -> str:
        return self.summary().as_html()
