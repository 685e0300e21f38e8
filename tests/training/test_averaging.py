"""The averaged network: its choice, its members and its share of the line, against fits made one by one."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from straightline.data.folds import Fold
from straightline.data.source import streamed
from straightline.errors import UserError
from straightline.models import Averaged, Choices
from straightline.regression import ridge
from straightline.serving.archive import load_model, save_model
from straightline.training import averaging, choice_sample, fit, members, plan
from straightline.training.averaged_variant import shipped_average
from straightline.training.averaging import SHARES, STANDARD_ERRORS, Average, average, averaged_predictors
from straightline.training.batches import Replica, seed_of
from straightline.training.candidates import best_candidates
from straightline.training.lines import WORTH, chosen_lines, fitted_lines
from straightline.training.plan import member_settings
from straightline.training.predictors import network_predictors
from straightline.training.variants import train
from tests import builders
from tests.builders import rows_of, training_table
from tests.training.cases import table as case

PENALTIES = [0.0, 1e-4, 1e-3, 1e-2]
CHOICES = Choices(hidden=[[2], [4]], learning_rate=[0.001, 0.003, 0.01], l2=PENALTIES)
FIT = builders.fit(epochs=8, batch_size=16)


def averaged(**changes: object) -> Averaged:
    defaults = {"hidden": [4], "learning_rate": None, "l2": None, "members": 3, "line": None, "activation": "tanh"}
    defaults |= {"choices": CHOICES}
    return Averaged(**{"kind": "averaged"} | defaults | changes)  # type: ignore[arg-type]


def table(family: str = "gaussian"):
    rows = case(family)
    return training_table(rows.features, rows.labels, family)


def fold_of(rows: range, number: int = 0) -> Fold:
    numbers = np.arange(90, dtype=np.int32)
    return Fold(0, number, numbers[rows.start : rows.stop], np.setdiff1d(numbers, numbers[rows.start : rows.stop]))


def averages(settings: Averaged, family: str = "gaussian", folds: tuple[Fold, ...] = ()) -> list[Average]:
    return average(table(family), folds or (fold_of(range(70)),), settings, FIT, lambda *now: None)


@pytest.mark.parametrize("family", ["gaussian", pytest.param("bernoulli", marks=pytest.mark.slow)])
def test_it_is_what_single_fits_choose(family: str) -> None:
    settings, rows, fold = averaged(learning_rate=0.03), table(family), fold_of(range(70))
    (stacked,) = averages(settings, family, (fold,))
    seed = seed_of([0, 1, 0, 70])
    parts = rows.split.parts(fold.train, 3, seed)
    values, family_of = rows_of(rows), rows.family

    network = settings.member([4], 0.03, 0.0)
    model, descent = network.build(3, 1, "linear", "float64"), member_settings(rows, network, FIT, 90)

    def member(number: int, penalty: float) -> fit.Fitted:
        replica = Replica(*parts[number], seed_of([seed, number]), l2=penalty)
        return fit.fit(model, rows.source, [replica], descent)[0]

    tried = {penalty: [member(number, penalty) for number in range(3)] for penalty in PENALTIES}
    rungs = (1, 2, 8)  # of eight epochs; of four candidates two and then one stay
    alive = list(PENALTIES)
    for epochs, staying in zip(rungs, (2, 1, 1), strict=True):
        pooled = {
            penalty: sum(
                len(part) * min(each.monitored[:epochs]) for each, (_, part) in zip(tried[penalty], parts, strict=True)
            )
            for penalty in alive
        }
        alive = sorted(alive, key=pooled.__getitem__)[:staying]
    assert stacked.network.l2 == alive[0]
    for ours, known in zip(stacked.members, tried[alive[0]], strict=True):
        np.testing.assert_allclose(ours.monitored, known.monitored, rtol=1e-9)

    networks = network_predictors(model, tried[alive[0]], family_of)
    trains = [np.sort(kept) for kept, _ in parts]
    part_paths = ridge.paths(rows.source, trains, family_of)
    part_losses = ridge.part_losses(rows.source, [part for _, part in parts], part_paths, family_of).sum(axis=0)
    part_losses[0] *= 1 - WORTH
    best = int(part_losses.argmin())
    lines = [path[best] for path in part_paths]
    losses = [
        np.concatenate(
            [
                family_of.row_losses(
                    values.labels[part],
                    share * family_of.inverse_link(line.predict(values.features[part]))
                    + (1 - share) * network(values.features[part]),
                )
                for network, line, (_, part) in zip(networks, lines, parts, strict=True)
            ]
        )
        for share in SHARES
    ]
    lowest = min(losses, key=np.mean)
    permitted = [
        share
        for share, found in zip(SHARES, losses, strict=True)
        if (found - lowest).mean() <= STANDARD_ERRORS * (found - lowest).std() / np.sqrt(len(found))
    ]
    assert stacked.share == max(permitted)
    (line,) = fitted_lines(rows, [fold.train], [ridge.PENALTIES[best] if best else 0.0])
    assert stacked.line.penalty == line.penalty
    known_predictions = stacked.share * family_of.inverse_link(line.predict(values.features)) + (
        1 - stacked.share
    ) * np.mean([network(values.features) for network in networks], axis=0)
    (predict,) = averaged_predictors(rows, [stacked])
    np.testing.assert_allclose(predict(values.features), known_predictions, rtol=1e-8)


def test_a_fold_does_not_depend_on_the_folds_beside_it() -> None:
    folds = (fold_of(range(70)), fold_of(range(20, 90), 1))
    settings = averaged()
    together = averages(settings, folds=folds)
    for fold, ours in zip(folds, together, strict=True):
        (alone,) = averages(settings, folds=(fold,))
        assert (alone.network, alone.share) == (ours.network, ours.share)
        for one, other in zip(alone.members, ours.members, strict=True):
            np.testing.assert_array_equal(one.monitored, other.monitored)


@pytest.mark.parametrize("power", [-250, 400])
def test_the_share_of_the_line_does_not_depend_on_the_units(power: int) -> None:
    """The squares of losses in such units are infinite, or 0."""
    features = np.random.default_rng(0).normal(size=(90, 2))
    labels = features[:, 0] + 0.2 * features[:, 1] ** 2 + 0.3 * np.cos(50 * features[:, 0])
    settings, fit_settings = averaged(hidden=[16], l2=0.0, learning_rate=0.01), replace(FIT, epochs=20)
    (known,), (found,) = (
        average(training_table(features, values), (fold_of(range(70)),), settings, fit_settings, lambda *now: None)
        for values in (labels, labels * 2.0**power)
    )
    assert found.share == known.share
    assert 0 < known.share < 1


def test_test_rows_are_not_looked_at() -> None:
    rows, fold = table(), fold_of(range(70))
    (before,) = averages(averaged(), folds=(fold,))
    labels = rows.labels.copy()
    labels[fold.test] = 1e6
    changed = training_table(rows_of(rows).features, labels)
    (after,) = average(changed, (fold,), averaged(), FIT, lambda *now: None)
    assert (before.network, before.share) == (after.network, after.share)
    for one, other in zip(before.members, after.members, strict=True):
        np.testing.assert_allclose(one.monitored, other.monitored, rtol=1e-6)


def test_all_of_the_line_is_a_regression_and_none_of_it_the_networks() -> None:
    rows, fold = table(), fold_of(range(70))
    (line, networks) = (averages(averaged(l2=0.0, learning_rate=0.01, line=share))[0] for share in (1.0, 0.0))
    known = next(
        each for each in ridge.paths(rows.source, [fold.train], rows.family)[0] if each.penalty == line.line.penalty
    )
    features = rows_of(rows).features
    (predict,) = averaged_predictors(rows, [line])
    np.testing.assert_allclose(predict(features), known.predict(features), rtol=1e-9)
    np.testing.assert_allclose(shipped_average(rows, line)(features)[:, 0], known.predict(features), rtol=1e-9)
    assert [layer.name for layer in shipped_average(rows, networks).layers if "line" in layer.name] == []


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let 40 rows be the most to choose on, and two the members of 60 rows or more."""
    for module in (plan, averaging, choice_sample, members):
        monkeypatch.setattr(module, "CHOICE_ROWS", 40)
    monkeypatch.setattr(members, "FEW_MEMBERS_ROWS", 60)
    return 40


def test_many_rows_choose_on_a_sample_and_train_few_members_on_all(large: int) -> None:
    rows, fold, settings = table(), fold_of(range(70)), averaged(members=None)
    (found,) = averages(settings, folds=(fold,))
    seed = seed_of([0, 1, 0, 70])
    sample = rows.split.sample(fold.train, large / 70, seed)
    assert len(sample) == large
    assert np.isin(sample, fold.train).all()

    # The choice is that of a table with the rows of the sample alone.
    divided = rows.split.parts(sample, 5, seed)
    values = rows_of(rows).take(sample)
    alone = training_table(values.features, values.labels)
    places = [(np.searchsorted(sample, train), np.searchsorted(sample, part)) for train, part in divided]
    (known,) = best_candidates(alone, [places], [seed], settings, FIT, lambda *now: None, large)
    assert replace(found.network, l2=0.0) == replace(known.networks[0], l2=0.0)
    assert found.network.l2 == pytest.approx(known.networks[0].l2 * large / 70, rel=1e-12)

    # The members are single fits with these settings on all rows but those of the last parts.
    parts = rows.split.parts(fold.train, 5, seed)[-2:]
    model = found.network.build(3, 1, "linear", "float64")
    descent = member_settings(rows, found.network, FIT, 90)
    for number, (member, part) in enumerate(zip(found.members, parts, strict=True)):
        (single,) = fit.fit(model, rows.source, [Replica(*part, seed_of([seed, number]))], descent)
        np.testing.assert_allclose(member.monitored, single.monitored, rtol=1e-9)
    assert found.networks == 12 * 5 + 2

    # As that of the network, the penalty of the line weighs as much against the sum of the losses as in the sample.
    ((penalty,), _) = chosen_lines(alone, [places])
    assert found.line.penalty == pytest.approx(penalty * large / 70, rel=1e-12)


def test_a_penalty_that_is_set_is_kept_with_many_rows(large: int) -> None:
    (found,) = averages(averaged(members=None, l2=0.001))
    assert found.network.l2 == 0.001


@pytest.mark.slow
def test_many_rows_in_a_file_choose_as_those_in_memory(large: int, tmp_path: Path) -> None:
    rows, fold = table("bernoulli"), fold_of(range(70))
    values = rows_of(rows)
    frame = pd.DataFrame(values.features, columns=list(rows.names)).assign(y=values.labels)
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=20)
    source = streamed(tmp_path / "rows.parquet", list(rows.names), "y", 40)
    ours, known = (
        average(each, (fold,), averaged(members=None), FIT, lambda *now: None)[0]
        for each in (replace(rows, source=source), rows)
    )
    assert (ours.network, ours.line.penalty) == (known.network, known.line.penalty)
    np.testing.assert_allclose(ours.line.coefficients, known.line.coefficients, rtol=1e-7)
    for one, other in zip(ours.members, known.members, strict=True):
        assert one.best_loss == pytest.approx(other.best_loss, rel=0.3)


def test_every_candidate_that_diverges_is_an_error() -> None:
    settings = averaged(learning_rate=10.0, l2=1000.0, activation="relu")
    descent = replace(FIT, optimizer="sgd", dtype="float32")
    with pytest.raises(UserError, match="the loss is not finite in all networks of repeat 0, fold 0; set a smaller"):
        average(table(), (fold_of(range(70)),), settings, descent, lambda *now: None)


@pytest.mark.parametrize(("family", "dtype"), [("gaussian", "float64"), ("bernoulli", "float32")])
def test_the_saved_model_predicts_what_was_scored(tmp_path: Path, family: str, dtype: str) -> None:
    rows = table(family)
    (chosen,) = average(rows, (fold_of(range(70)),), averaged(line=0.3), replace(FIT, dtype=dtype), lambda *now: None)
    digest = save_model(shipped_average(rows, chosen), tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", digest)
    (predict,) = averaged_predictors(rows, [chosen])
    features = rows_of(rows).features
    np.testing.assert_allclose(loaded(features)[:, 0], predict(features), rtol=1e-5, atol=1e-6)
    kinds = {type(layer) for layer in loaded.layers}
    assert kinds <= {
        keras.layers.InputLayer,
        keras.Sequential,
        keras.layers.Average,
        keras.layers.Rescaling,
        keras.layers.Dense,
        keras.layers.Add,
    }


def test_training_records_what_was_chosen_and_all_its_effort() -> None:
    trained = train(table(), averaged(members=2), FIT, builders.folds(k=3), lambda *now: None)
    folds = trained.folds
    assert set(folds["hidden"]) == {"4"}
    assert set(folds["learning_rate"]) <= {0.001, 0.003, 0.01}
    assert folds["candidates"].tolist() == [12, 12, 12]
    assert folds["networks"].tolist() == [24, 24, 24]  # 3 rates, 4 penalties, 2 members
    assert (folds["epochs"] < 24 * 8).all()  # since poor candidates were dropped
    assert folds["line"].between(0, 1).all()
    names = [layer["name"] for layer in trained.weights["layers"]]
    assert {"member_1/hidden_1", "member_1/output", "member_2/output"} <= set(names) or names == ["line"]
    assert len(trained.history) == 8
