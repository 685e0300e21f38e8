"""`straightline.verdict`: the test for fold losses of any origin, against its formula and the pipeline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import straightline as sl
from straightline.comparison.findings import compare
from straightline.comparison.significance import Comparison

LOSSES = np.random.default_rng(0).uniform(1, 2, (2, 20))


def test_the_probability_is_that_of_nadeau_and_bengio() -> None:
    first, second = LOSSES
    found = sl.verdict(first, second, folds=10, margin=0.1)
    differences = 0.9 * first - second
    error = differences.std(ddof=1) * np.sqrt(1 / 20 + 1 / 9)
    assert found.probabilities[0] == pytest.approx(stats.t.cdf(differences.mean() / error, 19), rel=1e-12)


@given(margin=st.floats(0, 0.5), confidence=st.floats(0.6, 0.99), seed=st.integers(0, 99))
def test_it_is_the_finding_of_the_pipeline(margin: float, confidence: float, seed: int) -> None:
    first, second = np.random.default_rng(seed).uniform(0.5, 2, (2, 10))
    found = sl.verdict(first, second, folds=10, margin=margin, confidence=confidence)
    known = compare(Comparison(first, second, 10), margin, confidence)
    assert (found.finding, found.answer) == (known.finding.value, known.finding.answer)
    assert found.gain[:3] == (known.relative_gain, *known.relative_gain_interval)
    assert found.gain.margin == margin
    again = sl.verdict(first, second, folds=10).judge(margin, confidence)
    assert again.headline == found.headline


def test_names_are_in_the_words_and_in_the_frame() -> None:
    found = sl.verdict(LOSSES[0] + 2, LOSSES[0], folds=10, names=("ridge", "boosted"))
    assert found.headline.startswith("No, ridge is not enough: boosted lowers the loss by")
    assert found.frame()["model"].tolist() == ["ridge", "boosted"]
    assert "ridge" in found._repr_html_()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"losses_b": [1.0, 2.0]}, r"expected one loss for each fold, as many for each model, got a \(20,\), b \(2,\)"),
        ({"folds": 1}, "folds: expected the k"),
        ({"folds": 7}, "expected the losses of all 7 folds, once or several times, got 20 losses"),
        ({"margin": 1.5}, "margin: expected a share"),
        ({"confidence": 0.5}, "confidence: expected a probability"),
        ({"losses_b": [-0.3] * 20}, r"b: expected losses of 0 or more, got -0.3 in fold 0; is it a score\?"),
        ({"names": ("a", "a")}, "two different names"),
    ],
)
def test_losses_that_cannot_be_judged_are_one_line(change: dict[str, object], message: str) -> None:
    given_losses = {"losses_a": LOSSES[0], "losses_b": LOSSES[1], "folds": 10} | change
    with pytest.raises(sl.UserError, match=message):
        sl.verdict(given_losses.pop("losses_a"), given_losses.pop("losses_b"), **given_losses)  # type: ignore[arg-type]
