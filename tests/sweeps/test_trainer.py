"""The losses of many configs in few stacks against single trainings by the pipeline's own function."""

import numpy as np
import pytest

from straightline.config.settings import parse
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.sweeps.trainer import Trainer
from straightline.training.program import program
from straightline.training.variants import fold_replicas, train
from tests import builders
from tests.builders import quick, rows_of
from tests.drawn import drawn_table
from tests.sweeps.cases import QUICK, curved, space_of


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_configs_of_a_stack_are_each_trained_as_the_pipeline_trains_it(family: str) -> None:
    table = curved(family) if family in ("gaussian", "bernoulli") else drawn_table(family)
    of = space_of(
        "models.neural.learning_rate=0.003,0.03", "models.neural.l2=0,0.01", "models.neural.hidden=[4],[3,3]",
        "fit.seed=0,7", "fit.epochs=6", "fit.dtype=float64",
    )  # fmt: skip
    configs = [of.config(point) for point in of.points()]
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=2)
    scored = trainer.scored(configs)
    assert len(scored) == len(configs) == 16
    for config, found in list(zip(configs, scored, strict=True))[::3]:  # with each pair of values
        alone = train(table, config.models["neural"], config.fit, builders.folds(seeds=2), lambda *_: None).folds
        assert found.losses is not None
        np.testing.assert_allclose(found.losses, alone.groupby("fold")["loss"].mean(), rtol=1e-9)
        assert (found.epochs, found.steps) == (alone["epochs"].sum(), alone["steps"].sum())


@pytest.mark.parametrize("family", ["multinomial", "poisson"])
def test_configs_of_weighted_rows_with_offsets_are_trained_as_in_the_pipeline(family: str) -> None:
    table = drawn_table(family, weighted=True, exposed=True)
    of = space_of("models.neural.learning_rate=0.003,0.03", *quick(hidden=4, epochs=4, k=3), "fit.dtype=float64")
    configs = [of.config(point) for point in of.points()]
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=1)
    together = trainer.scored(configs)
    for config, found in zip(configs, together, strict=True):
        (by_itself,) = trainer.scored([config])
        np.testing.assert_allclose(found.losses, by_itself.losses, rtol=1e-12)
        known = train(table, config.models["neural"], config.fit, builders.folds(), lambda *_: None).folds
        np.testing.assert_allclose(found.losses, known["loss"], rtol=1e-9)


def test_batches_of_other_numbers_run_what_is_compiled() -> None:
    table, of = curved(), space_of("fit.seed=range(0,10)", *QUICK)
    configs = [of.config(point) for point in of.points()]
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=1)
    compiled = program.cache_info().misses
    found = [trainer.scored(configs[:count]) for count in (8, 9, 10)]
    assert program.cache_info().misses == compiled + 1
    for one, two, three in zip(*found, strict=False):
        np.testing.assert_array_equal([one.losses, two.losses], [three.losses] * 2)


def test_upgraded_configs_start_from_their_folds_regressions() -> None:
    table = curved()
    of = space_of(
        "models.neural.learning_rate=10,1e-9",
        "models.neural.from_regression=true",
        *quick(hidden=4, epochs=1, k=3),
    )
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=1)
    config, rows, line = parse(of.base), rows_of(table), []
    for part in table.split.folds(120, 3, 1, 0):
        (replica,) = fold_replicas(table, part, 1, config.fit)
        optimum = exact.optimum(rows.take(replica.train), table.family, table.names)
        line.append(np.mean((optimum.predict(rows.features[part.test]) - rows.labels[part.test]) ** 2))
    for found in trainer.scored([of.config(point) for point in of.points()]):
        assert found.losses is not None
        np.testing.assert_allclose(found.losses, line, rtol=1e-3)


@pytest.mark.parametrize(
    "family",
    ["gaussian", *(pytest.param(name, marks=pytest.mark.slow) for name in ("multinomial", "poisson", "gamma"))],
)
def test_a_config_of_an_averaged_network_is_trained_as_in_the_pipeline(family: str) -> None:
    of = space_of(
        "models.neural.l2=0.001,0.01", "effort=standard", "models.neural.learning_rate=0.01", *quick(hidden=4, k=3)[2:]
    )
    table = curved() if family == "gaussian" else drawn_table(family, weighted=True, exposed=True)
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=1)
    for point, found in zip(of.points(), trainer.scored([of.config(point) for point in of.points()]), strict=True):
        config = of.config(point)
        known = train(table, config.models["neural"], config.fit, builders.folds(), lambda *_: None).folds
        np.testing.assert_allclose(found.losses, known["loss"], rtol=1e-6)
        assert (found.epochs, found.steps) == (known["epochs"].sum(), known["steps"].sum())


def test_a_config_that_diverges_is_a_failed_trial() -> None:
    of = space_of(
        "models.neural.learning_rate=0.001,10", "fit=sgd", "fit.momentum=0.99", "models.neural.hidden=[64,64,64]"
    )
    table = curved()
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=1)
    good, bad = trainer.scored([of.config(point) for point in of.points()])
    assert good.losses is not None
    assert bad.losses is None
    assert bad.reason is not None
    assert "not finite" in bad.reason
