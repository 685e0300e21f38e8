"""Tables of known truth, and how often the verdict errs on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import special
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.calibration import simulation, truths
from straightline.calibration.scenarios import Scenario
from straightline.calibration.truths import Truth
from straightline.commands import calibrate
from straightline.comparison.significance import FoldLosses
from straightline.comparison.verdict import Finding
from straightline.config.settings import Fit, parse
from straightline.data.rows import Rows
from straightline.errors import UserError
from straightline.families import FAMILIES
from straightline.models import Averaged, Choices, Neural
from straightline.regression import exact
from straightline.training import fit
from straightline.training.plan import descent_settings
from straightline.training.predictors import network_predictors, stacked_predictions
from straightline.training.variants import fold_replicas, train
from tests.builders import folds, regression, rules, small

LINEAR, NOISE, CURVED = Truth("linear", True, 0.0), Truth("noise", False, 0.0), Truth("4 margins", True, 0.2)
FOLDS = folds(repeats=2, seeds=2)
slow = pytest.mark.slow


@pytest.fixture
def network(params: dict) -> tuple[Neural, Fit]:
    config = parse(small(params, models__neural__hidden=[4, 3]))
    settings = config.models["neural"]
    assert isinstance(settings, Neural)
    return settings, config.fit


@pytest.mark.parametrize("columns", [1, 3])
def test_a_curve_is_what_no_line_follows(columns: int) -> None:
    features = np.random.default_rng(0).normal(2.0, 3.0, (200, columns))
    bend = truths.curve(features)
    design = np.column_stack([np.ones(200), features])
    np.testing.assert_allclose(design.T @ bend, 0, atol=1e-9)
    assert bend.std() == pytest.approx(1)


def test_no_curve_goes_through_columns_of_two_values() -> None:
    with pytest.raises(UserError, match="three values or more"):
        truths.curve(np.array([[0.0], [1.0]] * 10))


def test_the_curve_costs_the_best_line_the_gain_of_its_squared_error() -> None:
    features = np.random.default_rng(1).normal(size=(300, 2))
    world = truths.like(
        features, features @ [1.0, 2.0] + np.random.default_rng(2).normal(size=300), FAMILIES["gaussian"]
    )
    swing = truths.amplitude(world, CURVED, np.random.default_rng(0))
    truth = world.coefficients[0] + features @ world.coefficients[1:] + swing * truths.curve(features)
    best = exact.optimum(Rows(features, truth), FAMILIES["gaussian"], ["a", "b"])
    noise = world.noise_scale**2
    assert 1 - noise / (noise + best.loss) == pytest.approx(CURVED.gain, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "gaussian"])
def test_the_curve_costs_the_best_line_the_gain_of_its_expected_loss(name: str) -> None:
    family = FAMILIES[name]
    world = truths.generated(family, 200_000, 2)
    swing = truths.amplitude(world, CURVED, np.random.default_rng(0))
    features, labels = truths.table(world, CURVED, family.noises[0], swing, np.random.default_rng(1))
    known, bend = world.line(features), swing * world.curve(features)
    known = known + bend if known.ndim == 1 else known + np.column_stack([bend, np.zeros(len(bend))])
    best = exact.optimum(Rows(features, labels), family, ["a", "b"])
    assert 1 - family.predictor_losses(known, labels).mean() / best.loss == pytest.approx(CURVED.gain, abs=0.01)


@pytest.mark.parametrize(
    ("name", "share"),
    [("gaussian", 0.5), ("gamma", 0.46), ("poisson", 0.62), ("bernoulli", 0.13), ("multinomial", 0.15)],
)
def test_the_line_saves_a_share_of_the_loss_that_knows_no_column(name: str, share: float) -> None:
    family = FAMILIES[name]
    world = truths.generated(family, 100_000, 4)
    features, labels = truths.table(world, LINEAR, family.noises[0], 0.0, np.random.default_rng(0))
    mean = np.tile(family.baseline(labels), (100_000, 1)) if family.outputs > 1 else np.full(1, family.baseline(labels))
    loss = family.predictor_losses(world.line(features), labels).mean()
    assert 1 - loss / family.mean_loss(labels, mean) == pytest.approx(share, abs=0.02)


def test_the_log_odds_of_three_classes_are_independent() -> None:
    world = truths.generated(FAMILIES["multinomial"], 10, 4)
    slopes = world.coefficients[1:]
    np.testing.assert_allclose(slopes.T @ slopes, np.eye(2), atol=1e-12)


def test_a_bounded_curve_is_what_no_line_follows_and_has_no_tails() -> None:
    features = np.random.default_rng(0).normal(size=(100_000, 2))
    bend = truths.curve(features, is_bounded=True)
    design = np.column_stack([np.ones(100_000), features])
    np.testing.assert_allclose(design.T @ bend / 100_000, 0, atol=1e-9)
    assert bend.std() == pytest.approx(1)
    assert np.abs(bend).max() < 3.5 < np.abs(truths.curve(features)).max()


@pytest.mark.parametrize(("noise", "fourth"), [("normal", 3.0), ("heavy", 6.0)])
def test_noise_has_the_variance_of_the_line_and_the_tails_of_its_name(noise: str, fourth: float) -> None:
    world = truths.generated(FAMILIES["gaussian"], 200_000, 3)
    features, labels = truths.table(world, LINEAR, noise, 0.0, np.random.default_rng(0))
    residual = labels - features @ world.coefficients[1:]
    assert residual.var() == pytest.approx(1, abs=0.1)
    assert (features @ world.coefficients[1:]).var() == pytest.approx(1, abs=0.02)
    kurtosis = np.mean(residual**4) / residual.var() ** 2
    assert kurtosis == pytest.approx(fourth, abs=0.1) if noise == "normal" else kurtosis > fourth


@pytest.mark.parametrize("name", FAMILIES)
def test_a_world_like_a_table_has_its_columns_line_level_and_noise(name: str) -> None:
    random, family = np.random.default_rng(3), FAMILIES[name]
    features = random.normal(size=(5000, 2))
    slopes = [[0.5, -0.5], [-0.5, 0.0]][: family.outputs]
    predictor = np.squeeze(features @ np.transpose(slopes) + 0.5)
    labels = family.draw(predictor, family.noises[0], 0.7, random)
    world = truths.like(features, labels, family)
    best = exact.optimum(Rows(features, labels), family, ["a", "b"])
    np.testing.assert_array_equal(world.coefficients, best.coefficients)
    noise, drawn = (truths.table(world, truth, family.noises[0], 0.0, random) for truth in (NOISE, LINEAR))
    np.testing.assert_array_equal(drawn[0], features)
    np.testing.assert_allclose(family.baseline(noise[1]), family.baseline(labels), atol=0.05)
    again = exact.optimum(Rows(*drawn), family, ["a", "b"])
    np.testing.assert_allclose(again.coefficients, world.coefficients, atol=0.15)
    if family.has_dispersion:
        assert world.noise_scale == pytest.approx(0.7, rel=0.05)
        assert again.loss == pytest.approx(best.loss, rel=0.1)


@slow
@pytest.mark.parametrize("family", FAMILIES)
def test_stacked_tables_end_as_the_train_stage_does(network: tuple[Neural, Fit], params: dict, family: str) -> None:
    """The losses of three tables at once are those of each by itself in the pipeline's own training."""
    settings, how = network
    world = truths.generated(FAMILIES[family], 60, 2)
    drawn = simulation.tables(Scenario(world, FAMILIES[family].noises[0], CURVED), [4, 5, 6], FOLDS, seed=1)
    found = [simulation.outcomes(part, settings, regression(l2=None), how, FOLDS) for part in (drawn[:2], drawn[2:])]
    found = [one for part in found for one in part]
    baseline = parse(params).models["regression"]
    for (table, _), outcome in zip(drawn, found, strict=True):
        trained = [train(table, one, how, FOLDS, lambda *_: None).folds for one in (baseline, settings)]
        means = [folds.groupby(["repeat", "fold"])["loss"].mean() for folds in trained]
        np.testing.assert_allclose(outcome.comparison.baseline, means[0], rtol=1e-9)
        np.testing.assert_allclose(outcome.comparison.challenger, means[1], rtol=1e-4)
        np.testing.assert_allclose(outcome.losses.without_columns, trained[0]["mean_loss"])


@pytest.mark.parametrize(
    "family",
    ["gaussian", "multinomial", pytest.param("poisson", marks=slow), pytest.param("gamma", marks=slow)],
)
def test_averaged_networks_of_many_tables_end_as_the_train_stage_does(network: tuple[Neural, Fit], family: str) -> None:
    settings = Averaged(
        kind="averaged",
        hidden=[3],
        activation="relu",
        learning_rate=None,
        l2=0.001,
        choices=Choices(hidden=[[3]], learning_rate=[0.003, 0.03], l2=[0.0]),
        members=2,
        line=None,
    )
    _, how = network
    world = truths.generated(FAMILIES[family], 60, 2)
    drawn = simulation.tables(Scenario(world, FAMILIES[family].noises[0], CURVED), [4, 5, 6], FOLDS, seed=1)
    found = simulation.outcomes(drawn, settings, regression(l2=None), how, FOLDS)
    for (table, _), outcome in zip(drawn, found, strict=True):
        known = train(table, settings, how, FOLDS, lambda *_: None).folds
        np.testing.assert_allclose(outcome.comparison.challenger, known["loss"], rtol=1e-4)


def test_a_table_does_not_depend_on_which_others_are_drawn() -> None:
    world = truths.generated(FAMILIES["bernoulli"], 40, 2)
    (alone,) = simulation.tables(Scenario(world, "coin", LINEAR), [7], FOLDS, seed=1)
    *_, last = simulation.tables(Scenario(world, "coin", LINEAR), [5, 6, 7], FOLDS, seed=1)
    np.testing.assert_array_equal(alone[0].labels, last[0].labels)
    for one, other in zip(alone[1], last[1], strict=True):
        np.testing.assert_array_equal(one.test, other.test)
    (other,) = simulation.tables(Scenario(world, "coin", LINEAR), [7], FOLDS, seed=2)
    assert (alone[0].labels != other[0].labels).any()


def test_a_class_that_is_always_too_rare_is_an_error() -> None:
    rare = replace(truths.generated(FAMILIES["bernoulli"], 30, 2), level=-9.0)
    with pytest.raises(UserError, match="in 1,000 simulated tables of 30 rows the rarest class had too few rows"):
        simulation.tables(Scenario(rare, "coin", NOISE), [0], FOLDS, seed=0)


def test_a_table_with_too_few_of_a_class_is_drawn_again() -> None:
    world = replace(truths.generated(FAMILIES["bernoulli"], 20, 1), level=-2.5)
    for table, parts in simulation.tables(Scenario(world, "coin", NOISE), range(20), FOLDS, seed=0):
        assert table.labels.sum() >= FOLDS.k
        assert len(parts) == 6


def test_a_table_with_too_few_of_one_of_three_classes_is_drawn_again() -> None:
    world = replace(truths.generated(FAMILIES["multinomial"], 40, 1), level=np.array([0.0, -2.0]))
    for table, parts in simulation.tables(Scenario(world, "choice", NOISE), range(20), FOLDS, seed=0):
        assert np.bincount(table.labels.astype(int), minlength=3).min() >= FOLDS.k
        assert len(parts) == 6


def test_stacked_predictions_are_those_one_by_one(network: tuple[Neural, Fit], monkeypatch: pytest.MonkeyPatch) -> None:
    settings, how = network
    scenario = Scenario(truths.generated(FAMILIES["gaussian"], 50, 3), "normal", LINEAR)
    ((table, parts),) = simulation.tables(scenario, [0], FOLDS, 0)
    replicas = [one for part in parts for one in fold_replicas(table, part, 1, how)]
    model = settings.build(3, 1, "linear")
    fitted = fit.fit(model, table.source, replicas, descent_settings(table, settings, how))
    features = table.source.read(table.source.groups).features
    tested = [features[: 3 + number] for number in range(len(fitted))]
    for stacked in (2, 4, 256):
        monkeypatch.setattr("straightline.training.predictors.STACKED", stacked)
        together = stacked_predictions(model, fitted, tested, table.family)
        for found, predict, rows in zip(together, network_predictors(model, fitted, table.family), tested, strict=True):
            np.testing.assert_allclose(found, predict(rows), rtol=1e-5, atol=1e-6)


def outcome(regression: float, neural: float, wobble: float = 0.0, baseline: float = 9.0) -> simulation.Outcome:
    folds = 1 + wobble * np.linspace(-1, 1, 10)
    models = {"regression": np.full(10, regression), "network": neural * folds}
    return simulation.Outcome(FoldLosses(models, "regression", np.full(10, baseline), 10))


def test_findings_are_counted() -> None:
    found = [
        outcome(1.0, 0.5),
        outcome(1.0, 0.9),
        outcome(1.0, 2.0),
        outcome(1.0, 1.0),
        outcome(1.0, 0.95, wobble=0.5),
        outcome(1.0, 0.5, baseline=0.4),
    ]
    counts = simulation.findings(found, rules(), 0.05, 100)
    assert counts == dict.fromkeys(map(str, Finding), 0) | {
        "challenger_better": 2,
        "baseline_better": 1,
        "practically_equivalent": 1,
        "undecided": 2,
        "neither": 1,
    }
    assert simulation.findings(found, rules(), 0.2, 100)["challenger_better"] == 1


def test_at_the_edge_the_mean_difference_is_nothing() -> None:
    found = [outcome(1.0, 0.5), outcome(3.0, 2.0), outcome(2.0, 2.2)]
    margin = simulation.mean_gain(found)
    differences = [(1 - margin) * one.comparison.baseline.mean() - one.comparison.challenger.mean() for one in found]
    assert sum(differences) == pytest.approx(0)


def test_the_edge_is_told_where_there_is_a_curve_to_find() -> None:
    found = [outcome(1.0, 0.7), outcome(1.0, 0.8), outcome(1.0, 0.9)]
    told = simulation.summary(found, rules(), 100, CURVED)
    assert (told["challenger_better"], told["edge_challenger_better"], told["edge_rate"]) == (
        3,
        1,
        pytest.approx(1 / 3),
    )
    assert simulation.summary(found, rules(), 100, LINEAR)["edge_rate"] is None
    worse = [outcome(1.0, 1.2)]
    assert simulation.summary(worse, rules(), 100, CURVED)["edge_rate"] is None


def test_the_interval_of_a_rate_is_that_of_clopper_and_pearson() -> None:
    low, high = simulation.rate_interval(0, 100)
    assert (low, high) == (0, pytest.approx(1 - 0.025 ** (1 / 100)))
    low, high = simulation.rate_interval(38, 1000)
    assert special.betainc(38, 963, low) == pytest.approx(0.025)
    assert special.betainc(39, 962, high) == pytest.approx(0.975)


def run(root: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, object]:
    monkeypatch.chdir(root)
    result = CliRunner().invoke(app, ["calibrate", *arguments])
    return result.exit_code, result.output, result.exception


SMALL = ["--rows", "30", "--rows", "40", "--columns", "2", "--simulations", "3"]
SMALL += ["--truth", "linear", "--truth", "4", "--family", "gaussian"]


@pytest.fixture
def settings_only(tmp_path: Path, params: dict) -> Path:
    values = small(params, folds__repeats=1, folds__seeds=1, fit__epochs=3)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def test_the_command_writes_a_table_and_a_picture_and_goes_on_where_it_was(
    settings_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output, _ = run(settings_only, *SMALL, "--noise", "normal", monkeypatch=monkeypatch)
    assert code == 0, output
    folder = settings_only / "calibration"
    table = pd.read_csv(folder / "calibration.csv")
    assert table["truth"].tolist() == ["linear", "4 margins"] * 2
    assert table["rows"].tolist() == [30, 30, 40, 40]
    assert (table[list(Finding)].sum(axis=1) == 3).all()
    assert "of 6" in output
    assert (folder / "calibration.png").read_bytes().startswith(b"\x89PNG")

    simulated = []
    outcome = table.loc[0, next(iter(Finding)) :].to_dict()
    monkeypatch.setattr(calibrate, "_simulated", lambda *args: simulated.append(args[3].noise) or outcome)
    assert run(settings_only, *SMALL, monkeypatch=monkeypatch)[0] == 0
    assert simulated == ["heavy"] * 4
    again = pd.read_csv(folder / "calibration.csv")
    pd.testing.assert_frame_equal(again[again["noise"] == "normal"].reset_index(drop=True), table)

    # Fewer tables are among the known ones; more take the place of fewer.
    assert run(settings_only, *SMALL, "--simulations", "2", monkeypatch=monkeypatch)[0] == 0
    assert len(simulated) == 4
    assert run(settings_only, *SMALL, "--simulations", "5", "--noise", "normal", monkeypatch=monkeypatch)[0] == 0
    assert len(simulated) == 8
    more = pd.read_csv(folder / "calibration.csv")
    assert more.groupby("noise")["simulations"].unique().map(list).to_dict() == {"normal": [5], "heavy": [3]}


@pytest.mark.parametrize(
    ("target", "family", "noise", "options"),
    [
        ("sold", "bernoulli", "coin", ()),
        pytest.param("kind", "multinomial", "choice", (), marks=slow),
        pytest.param("visits", "poisson", "counts", ("--family", "poisson"), marks=slow),
        pytest.param("price", "gamma", "gamma", ("--family", "gamma"), marks=slow),
    ],
)
def test_the_command_takes_a_table_of_the_users(
    settings_only: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    family: str,
    noise: str,
    options: tuple[str, ...],
) -> None:
    random = np.random.default_rng(0)
    mine = pd.DataFrame(random.normal(size=(40, 2)), columns=["size", "age"])
    targets = {
        "sold": np.where(random.random(40) < 0.5, "yes", "no"),
        "kind": np.array(["house", "flat", "shed"])[np.arange(40) % 3],
        "visits": random.poisson(2.0, 40),
        "price": random.gamma(2.0, size=40),
    }
    mine[target] = targets[target]
    mine.to_csv(settings_only / "my.csv", index=False)
    options = ("--like", "my.csv", "--target", target, "--simulations", "2", "--truth", "noise", *options)
    code, output, _ = run(settings_only, *options, monkeypatch=monkeypatch)
    assert code == 0, output
    table = pd.read_csv(settings_only / "calibration/calibration.csv")
    assert table.loc[0, ["family", "rows", "columns", "noise", "truth"]].tolist() == [family, 40, 2, noise, "noise"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--truth", "curved"), "--truth: expected noise, linear or a number of margins, got 'curved'"),
        (("--truth", "20"), "20 margins of 0.05 are a gain of 1"),
        (("--model", "regression"), "--model: expected a network of params.yaml (neural), got 'regression'"),
        (("--like", "my.csv"), "--like: add --target, the column to predict"),
        (
            ("--like", "my.csv", "--target", "y", "--family", "gamma", "--family", "poisson"),
            "--like: expected one --family, that of the target, got gamma, poisson",
        ),
        (("--rows", "12"), "12 training rows are too few for 10 folds"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_written(
    settings_only: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], told: str
) -> None:
    values = yaml.safe_load((settings_only / "params.yaml").read_text())
    values["folds"]["k"] = 10
    (settings_only / "params.yaml").write_text(yaml.safe_dump(values))
    code, _, error = run(settings_only, "--simulations", "2", *options, monkeypatch=monkeypatch)
    assert code == 1
    assert isinstance(error, UserError)
    assert told in str(error)
    assert not (settings_only / "calibration").exists()
