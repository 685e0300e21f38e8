"""Compare models from the simplest to the largest: which model (rung) is enough?"""

from collections.abc import Mapping

from numpy.typing import NDArray

from straightline.comparison.significance import Comparison
from straightline.comparison.verdict import Ladder, Rung


def ladder(
    rungs: Mapping[str, NDArray], folds: int, margin: float, confidence: float, ratio: float | None = None
) -> Ladder:
    """Return the ladder with the lowest of `rungs` that is within `margin` of the best.

    `rungs` holds the mean losses of each fold, `(J,)`, by model. The best rung has the smallest mean loss. With
    D = (1-margin) L_rung - L_best, another rung is `within` the margin if P(D < 0) is at least `confidence`, `beyond`
    it if P(D > 0) is at least `confidence`, and otherwise `undecided`. `folds` and `ratio` are defined in `Comparison`.
    """
    best = min(rungs, key=lambda name: float(rungs[name].mean()))
    standings = {
        name: _rung(Comparison(losses, rungs[best], folds, ratio), margin, confidence, name == best)
        for name, losses in rungs.items()
    }
    rung = next(name for name, standing in standings.items() if standing.standing == "within")
    lowest = next(name for name, standing in standings.items() if standing.standing != "beyond")
    return Ladder(rung, lowest, best, standings, _advice(rung, lowest, best, margin))


def _rung(to_best: Comparison, margin: float, confidence: float, is_best: bool) -> Rung:
    loss = float(to_best.baseline.mean())
    if is_best:
        return Rung(loss, 0.0, 0.0, "within")
    beyond = to_best.test(to_best.differences(margin)[0]).probability_positive()
    if beyond >= confidence:
        return Rung(loss, to_best.gain, beyond, "beyond")
    return Rung(loss, to_best.gain, beyond, "within" if 1 - beyond >= confidence else "undecided")


def _advice(rung: str, lowest: str, best: str, margin: float) -> str:
    percent = f"{100 * margin:.3g} %"
    if rung == best:
        sentence = (
            f"{rung} has the smallest loss, and no simpler model is shown to be within your margin of {percent} of it"
        )
    else:
        sentence = f"{rung} is enough: its loss is within your margin of {percent} of the best, {best}"
    if lowest == rung:
        return f"Ladder: {sentence}."
    return f"Ladder: {sentence}; {lowest} may be enough too, but these rows are not enough to decide that."
