"""From the simplest model to the largest: which rung is enough?"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from straightline.comparison.verdict import Comparison, differences


def ladder(
    rungs: Mapping[str, NDArray], folds: int, margin: float, confidence: float, ratio: float | None = None
) -> dict[str, Any]:
    """Return the lowest of `rungs` that is within `margin` of the best, by fold-mean losses `(J,)` of each.

    The best rung is that of the least mean loss. With D = (1-margin) L_rung - L_best (`verdict`), another is `within`
    the margin where P(D < 0) is at least `confidence`, `beyond` it where P(D > 0) is, else `undecided`. `rung` is the
    lowest that is within it, `lowest_possible` the lowest that is not beyond it. `folds` and `ratio` are those of a
    `Comparison`.
    """
    best = min(rungs, key=lambda name: float(rungs[name].mean()))
    standings = {
        name: _standing(Comparison(losses, rungs[best], folds, ratio), margin, confidence, name == best)
        for name, losses in rungs.items()
    }
    rung = next(name for name, one in standings.items() if one["standing"] == "within")
    lowest = next(name for name, one in standings.items() if one["standing"] != "beyond")
    return {
        "rung": rung,
        "lowest_possible": lowest,
        "best": best,
        "rungs": standings,
        "advice": _advice(rung, lowest, best, margin),
    }


def _standing(against: Comparison, margin: float, confidence: float, is_best: bool) -> dict[str, Any]:
    rung, best = float(against.regression.mean()), float(against.neural.mean())
    if is_best:
        return {"loss": rung, "gain_of_best": 0.0, "probability_beyond": 0.0, "standing": "within"}
    beyond = against.test(differences(against, margin)[0]).probability_positive()
    standing = "beyond" if beyond >= confidence else "within" if 1 - beyond >= confidence else "undecided"
    gain = 1 - best / rung if rung > 0 else 0.0
    return {"loss": rung, "gain_of_best": gain, "probability_beyond": beyond, "standing": standing}


def _advice(rung: str, lowest: str, best: str, margin: float) -> str:
    percent = f"{100 * margin:.3g} %"
    if rung == best:
        words = f"{rung} has the least loss, and no simpler one is shown to be within your margin of {percent} of it"
    else:
        words = f"{rung} is enough: its loss is within your margin of {percent} of the best, {best}"
    return f"Ladder: {words}." if lowest == rung else f"Ladder: {words}; {lowest} may be, which these rows cannot tell."
