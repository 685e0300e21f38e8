"""A variant from its settings: what is computed in, and what a divergence leads to."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from straightline.config.settings import parse
from straightline.data.source import held
from straightline.errors import UserError
from straightline.training import fit
from straightline.training.fitted import divergences
from straightline.training.variants import train
from tests.builders import descent, neural, training_table
from tests.training.cases import replicas, table


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_on_request_reaches_the_saved_network(params: dict, dtype: str) -> None:
    config = parse(params)
    how, folds = replace(config.fit, dtype=dtype, epochs=3), replace(config.folds, k=2, repeats=1, seeds=1)
    rows = table()
    trained = train(training_table(rows.features, rows.labels), config.models["neural"], how, folds, lambda *now: None)
    dense = [layer for layer in trained.model.layers if isinstance(layer, keras.layers.Dense)]
    assert {layer.compute_dtype for layer in dense} == {dtype}
    assert np.isfinite(trained.folds["loss"]).all()


def test_an_early_divergence_is_an_error_and_a_later_one_is_said() -> None:
    rows = table()
    wild = [replace(replica, learning_rate=rate) for replica, rate in zip(replicas(2), (1e300, 1e-3), strict=True)]
    how = descent(optimizer="sgd")
    fitted = fit.fit(neural().build(3, 1, "linear", "float64"), held(rows), wild, how)
    with pytest.raises(UserError, match=r"1 of 2 fits .*first in fold 7; set a smaller learning_rate"):
        divergences([("fold 7", fitted[0]), ("fold 8", fitted[1])])
    later = replace(fitted[1], diverged=4)
    assert "fold 8: the loss is not finite at epoch 4, so the weights of epoch" in divergences([("fold 8", later)])[0]
    assert divergences([("fold 8", fitted[1])]) == []
