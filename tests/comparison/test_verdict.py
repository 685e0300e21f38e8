"""The verdict against its formula, its five findings by construction, and its symmetries."""

import math
from dataclasses import replace

import numpy as np
import pytest
from baycomp.single import CorrelatedTTest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from straightline.comparison.advice import advice_on_columns, rows_needed
from straightline.comparison.findings import Decision, compare, decide
from straightline.comparison.significance import Comparison, FoldLosses, corrected_t_test, loss_interval
from straightline.comparison.verdict import Finding, TestSummary

NOISE = np.random.default_rng(0).normal(size=100)
NOISE -= NOISE.mean()


def comparison(gain: float, noise: float = 0.01) -> Comparison:
    return Comparison(np.ones(100), 1 - gain + noise * NOISE, 10)


def decided(challengers: dict[str, np.ndarray], without_columns: float, rows: int = 1000) -> Decision:
    """Return the decision where the losses of the regression are 1, and those without columns do not vary."""
    ones = np.ones(len(next(iter(challengers.values()))))
    models = {"regression": ones, **challengers}
    return decide(FoldLosses(models, "regression", without_columns * ones, 10), 0.05, 0.95, rows)


def network(gain: float, noise: float = 0.01) -> np.ndarray:
    return comparison(gain, noise).challenger


def losses(count: int = 10) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.floats(0.1, 10), min_size=count, max_size=count).map(np.array)


def test_the_test_is_the_corrected_one() -> None:
    values = 0.02 + 0.1 * NOISE
    found = corrected_t_test(values, 1 / 9)
    error = np.std(values, ddof=1) * math.sqrt(1 / 100 + 1 / 9)
    assert found.std_error == pytest.approx(error, rel=1e-12)
    assert found.probability_positive() == pytest.approx(stats.t(99, values.mean(), error).sf(0), rel=1e-12)


@given(st.integers(2, 10), st.integers(1, 5), st.floats(0, 0.3), st.integers(0, 999))
def test_probabilities_are_those_of_baycomp(folds: int, repeats: int, margin: float, seed: int) -> None:
    regression, neural = np.random.default_rng(seed).normal(1, 0.1, size=(2, folds * repeats))
    probabilities = compare(Comparison(regression, neural, folds), margin, 0.95).probabilities
    for name, better, worse in (("challenger_better", neural, regression), ("baseline_better", regression, neural)):
        _, known = CorrelatedTTest.probs(better, (1 - margin) * worse, runs=repeats)
        assert getattr(probabilities, name) == pytest.approx(known, rel=1e-12, abs=1e-12)


@given(st.integers(2, 50), st.floats(0.01, 1), st.floats(0.6, 0.99), st.integers(0, 999))
def test_a_losss_interval_ends_where_the_test_says_so(count: int, ratio: float, confidence: float, seed: int) -> None:
    losses = np.random.default_rng(seed).random(count)
    low, high = loss_interval(losses, ratio, confidence)
    assert corrected_t_test(losses - low, ratio).probability_positive() == pytest.approx(confidence)
    assert corrected_t_test(losses - high, ratio).probability_positive() == pytest.approx(1 - confidence)


def test_without_spread_the_sign_decides() -> None:
    for value, probability in ((0.1, 1.0), (0.0, 0.5), (-0.1, 0.0)):
        assert corrected_t_test(np.full(10, value), 1 / 9).probability_positive() == probability


@pytest.mark.parametrize(
    ("gain", "noise", "finding"),
    [
        (0.3, 0.01, "challenger_better"),
        (-0.3, 0.01, "baseline_better"),
        (0.0, 0.01, "practically_equivalent"),
        (-0.05, 0.02, "baseline_enough"),
        (0.05, 0.5, "undecided"),
    ],
)
def test_each_finding_is_reached(gain: float, noise: float, finding: str) -> None:
    assert compare(comparison(gain, noise), 0.05, 0.95).finding == finding


@given(losses(), losses(), st.floats(0, 0.5), st.floats(0.6, 0.99))
def test_swapping_the_models_swaps_the_findings(
    one: np.ndarray, other: np.ndarray, margin: float, level: float
) -> None:
    first = compare(Comparison(one, other, 10), margin, level)
    second = compare(Comparison(other, one, 10), margin, level)
    assert first.probabilities.challenger_better == pytest.approx(second.probabilities.baseline_better, abs=1e-12)
    better, worse, equivalent = Finding.challenger_better, Finding.baseline_better, Finding.practically_equivalent
    swapped = {better: worse, worse: better, equivalent: equivalent}
    if first.finding in swapped:
        assert second.finding == swapped[first.finding]


@given(losses(), losses(), st.floats(0.01, 100))
def test_the_unit_of_the_loss_does_not_matter(one: np.ndarray, other: np.ndarray, unit: float) -> None:
    plain = compare(Comparison(one, other, 10), 0.05, 0.95)
    scaled = compare(Comparison(one * unit, other * unit, 10), 0.05, 0.95)
    assert plain.probabilities.challenger_better == pytest.approx(scaled.probabilities.challenger_better, abs=1e-9)
    assert plain.relative_gain == pytest.approx(scaled.relative_gain, abs=1e-9)


@given(losses(), losses(), st.floats(0, 0.5))
def test_the_interval_inverts_the_test(one: np.ndarray, other: np.ndarray, margin: float) -> None:
    found = compare(Comparison(one, other, 10), margin, 0.95)
    low, high = found.relative_gain_interval
    if low is not None and abs(low - margin) > 1e-9:
        assert (low >= margin) == (found.finding == "challenger_better")
    if low is not None and high is not None:
        assert low <= found.relative_gain <= high


@pytest.mark.parametrize("neural", [0.7, 0.9, 0.99999999, 1.0, 1.3])
def test_the_interval_of_losses_that_do_not_vary_is_their_gain(neural: float) -> None:
    found = compare(Comparison(np.ones(10), np.full(10, neural), 10), 0.05, 0.95)
    assert found.relative_gain_interval == pytest.approx((1 - neural, 1 - neural), abs=1e-9)


def test_challengers_share_the_error_rate_and_all_must_fall() -> None:
    one = decided({"neural": network(0.3)}, 2.0)
    assert (one.answer, one.challenger) == ("no", "neural")
    both = decided({"weak": network(0.0), "strong": network(0.3)}, 2.0)
    assert (both.answer, both.challenger) == ("no", "strong")
    none = decided({"weak": network(0.0), "worse": network(-0.3)}, 2.0)
    assert (none.answer, none.challenger) == ("yes", "weak")
    mixed = decided({"weak": network(0.0), "noisy": network(0.06, 0.5)}, 2.0)
    assert (mixed.answer, mixed.challenger) == ("undecided", "noisy")
    assert "rows like them" in mixed.advice


def test_a_network_that_failed_is_no_evidence() -> None:
    found = decided({"neural": network(-0.9)}, 1.5)
    assert found.answer == "undecided"
    assert "failed to train" in found.advice


def test_of_several_networks_one_that_failed_does_not_undo_the_answer() -> None:
    found = decided({"neural": network(-0.02), "large": network(-0.9)}, 1.5)
    assert (found.answer, found.challenger) == ("yes", "neural")
    assert "large failed to train" in found.advice


def test_where_no_model_beats_the_mean_the_answer_is_neither() -> None:
    """The network would be the better one, but even it saves less than the margin."""
    for without_columns in (0.71, 0.73):
        found = decided({"neural": network(0.3)}, without_columns)
        assert found.answer == "neither"
        assert found.best.finding == "challenger_better"
    assert decided({"neural": network(0.3)}, 0.75).answer == "no"
    assert decided({"neural": network(0.0)}, 1.06).answer == "yes"


def test_a_model_that_surely_saves_something_and_perhaps_the_margin_predicts() -> None:
    """Its gain of 6 % has an interval from 1 % to 11 %."""
    found = decided({"neural": network(0.06, 0.09)}, 1.0)
    low, high = found.skills["neural"].gain_interval
    assert low is not None
    assert high is not None
    assert 0 < low < 0.05 < high
    assert found.answer == "undecided"
    assert decided({"neural": network(0.03, 0.03)}, 1.0).answer == "neither"


@pytest.mark.parametrize(
    ("gain", "noise", "told"),
    [
        (-0.1, 0.01, "These columns say nothing that these models can use: find other columns."),
        (0.03, 0.01, "neural saves 3.0 %, which is less than your margin of 5 %"),
        (-0.5, 0.01, "neural failed to train (it does worse than predicting without columns): try a smaller"),
        (0.0, 0.5, "These 1,000 rows cannot tell a weak signal from none: find other columns, or more rows."),
        (0.2, 1.0, "cannot tell a weak signal from none: about 14,000 rows like them would show a gain of 20.0 %"),
    ],
)
def test_neither_says_whether_a_weak_signal_may_be_there(gain: float, noise: float, told: str) -> None:
    found = decided({"neural": network(gain, noise)}, 1.0)
    assert found.answer == "neither"
    assert told in found.advice


def test_the_rows_that_would_show_a_gain_are_those_of_the_best_models_test() -> None:
    skills = decided({"neural": network(0.2, 1.0)}, 1.0).skills
    needed = rows_needed(skills["neural"].test, 0.95, 1000)
    assert f"about {needed:,} rows" in advice_on_columns(skills, 0.05, 0.95, 1000)


@given(losses(), losses())
def test_no_bound_of_a_gain_is_above_the_whole_loss(one: np.ndarray, other: np.ndarray) -> None:
    bounds = Comparison(one, other, 10).gain_interval(0.999)
    assert all(bound is None or bound <= 1 for bound in bounds)


@given(losses(), losses(), losses(), st.floats(0.01, 100))
def test_neither_depends_on_the_models_and_not_on_the_unit(
    one: np.ndarray, other: np.ndarray, without: np.ndarray, unit: float
) -> None:
    def answer(scale: float, **models: np.ndarray) -> str:
        scaled = {name: scale * losses for name, losses in models.items()}
        return decide(FoldLosses(scaled, "first", scale * without, 10), 0.05, 0.95, 1000).answer

    answers = [answer(1.0, first=one, second=other), answer(1.0, second=other, first=one)]
    assert answers[0] == answers[1] == answer(unit, first=one, second=other)
    found = [compare(Comparison(without, losses, 10), 0.05, 0.95) for losses in (one, other)]
    lows = [0.0 if each.relative_gain_interval[0] is None else each.relative_gain_interval[0] for each in found]
    below = {Finding.practically_equivalent, Finding.baseline_enough, Finding.baseline_better}
    assert (answers[0] == "neither") == all(
        each.finding in below or (each.finding is Finding.undecided and low <= 0)
        for each, low in zip(found, lows, strict=True)
    )


def test_more_repeats_are_advised_where_they_would_decide() -> None:
    """Of one repeat's ten folds the mean is 1.8 standard errors, of ten repeats' alike 2.4."""
    spread = np.linspace(-1, 1, 10)
    once = 0.95 - 0.02 * (spread / spread.std(ddof=1) + 1.8 * math.sqrt(1 / 10 + 1 / 9))
    few = decided({"neural": once}, 2.0)
    assert few.best.finding == "undecided"
    assert "set folds.repeats to 10" in few.advice
    many = decided({"neural": np.tile(once, 10)}, 2.0)
    assert many.best.finding == "challenger_better"


def test_a_gain_just_below_all_is_not_rounded_to_all() -> None:
    found = decided({"neural": 2e-6 + 1e-9 * NOISE}, 2.0)
    assert "by 99.9998 %" in found.advice


def test_rows_needed_follow_the_square_of_the_noise() -> None:
    test = TestSummary(mean=0.01, std_error=0.02, degrees_of_freedom=9, folds=10, repeatable=True)
    exact = 1000 * (stats.t.ppf(0.95, 9) * 2) ** 2
    assert exact <= rows_needed(test, 0.95, 1000) <= exact * 1.1
    assert rows_needed(replace(test, mean=0.0), 0.95, 1000) is None
