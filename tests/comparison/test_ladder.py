"""Regressions that bend, lines through the origin, and the lowest rung of a ladder of models."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import statsmodels.api as sm
import yaml
from hypothesis import given
from hypothesis import strategies as st

from straightline.comparison.ladder import ladder
from straightline.config.settings import load
from straightline.data.rows import Rows
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.families import FAMILIES
from straightline.models import terms
from straightline.regression import exact
from straightline.regression.coefficients import coefficient_table
from straightline.runtime.artifacts import read_json
from straightline.serving.archive import save_model
from straightline.stages import compare
from straightline.training.variants import train
from tests.builders import fit, folds, labels_of, regression, rows_of, training_table
from tests.conftest import ROOT
from tests.fake_project import PARAMS, write_project
from tests.training.test_upgraded import predicted

LINEAR = regression(learning_rate=0.05)
QUADRATIC = replace(LINEAR, terms="quadratic")
ORIGIN = replace(LINEAR, intercept=False)
HOW = fit(batch_size=32, epochs=300)
FOLDS = folds(k=4)


def table(family: str) -> TrainingTable:
    random = np.random.default_rng(0)
    features = random.normal(1.0, 1.0, (300, 2))
    score = features @ [1.0, 2.0] + features[:, 0] * features[:, 1] - 0.5 * features[:, 1] ** 2
    return training_table(features, labels_of(score + random.normal(size=300), family), family)


class TestQuadratic:
    def test_terms_are_named_as_they_are_computed(self) -> None:
        assert terms.names(["a", "b"]) == ["a", "b", "a^2", "a*b", "b^2"]
        np.testing.assert_array_equal(terms.values(np.array([[2.0, 5.0]])), [[2, 5, 4, 10, 25]])

    @pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
    def test_it_is_the_exact_regression_on_its_terms(self, family: str) -> None:
        of = table(family)
        trained = train(of, QUADRATIC, HOW, FOLDS, lambda *_: None)
        rows = rows_of(of)
        features, labels = rows.features, rows.labels
        design = sm.add_constant(terms.values(features))
        known = sm.OLS(labels, design) if family == "gaussian" else sm.Logit(labels, design)
        fitted = known.fit(disp=0) if family == "bernoulli" else known.fit()
        assert trained.coefficients is not None
        np.testing.assert_allclose(trained.coefficients["estimate"], fitted.params, rtol=1e-6)
        np.testing.assert_allclose(trained.coefficients["std_error"], fitted.bse, rtol=1e-5)
        np.testing.assert_allclose(predicted(trained.model, features), fitted.predict(design), rtol=1e-6)
        assert trained.weights["parameters"] == 6

    def test_its_descent_comes_near(self) -> None:
        trained = train(table("gaussian"), QUADRATIC, HOW, FOLDS, lambda *_: None)
        assert trained.certificate is not None
        assert trained.certificate.converged

    def test_what_is_shipped_is_a_plain_keras_archive(self, tmp_path: Path) -> None:
        of = table("gaussian")
        model = train(of, QUADRATIC, HOW, FOLDS, lambda *_: None).model
        save_model(model, tmp_path / "model.keras")
        features = rows_of(of).features
        loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
        np.testing.assert_array_equal(predicted(loaded, features), predicted(model, features))

    def test_too_many_columns_are_an_error(self) -> None:
        with pytest.raises(UserError, match="101 columns; expected at most 100"):
            terms.pairs(101)


class TestOrigin:
    @pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
    def test_it_is_that_of_statsmodels(self, family: str) -> None:
        rows = rows_of(table(family))
        features, labels = rows.features, rows.labels
        fitted = exact.optimum(Rows(features, labels), FAMILIES[family], ["a", "b"], intercept=False)
        known = sm.OLS(labels, features).fit() if family == "gaussian" else sm.Logit(labels, features).fit(disp=0)
        np.testing.assert_allclose(fitted.coefficients, [0, *known.params], rtol=1e-9)
        shown = coefficient_table(fitted, ["a", "b"], np.zeros(3), 0.95)
        assert shown["term"].tolist() == ["a", "b"]
        np.testing.assert_allclose(shown["std_error"], known.bse, rtol=1e-6)
        np.testing.assert_allclose(shown["p_value"], known.pvalues, rtol=1e-5)

    @pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
    def test_descent_goes_to_the_same_line_and_it_is_shipped(self, family: str) -> None:
        of = table(family)
        trained = train(of, ORIGIN, HOW, FOLDS, lambda *_: None)
        assert trained.certificate is not None
        assert trained.coefficients is not None
        assert trained.certificate.converged
        assert trained.certificate.digits > 1.5
        features = rows_of(of).features
        at_zero = predicted(trained.model, np.zeros((1, 2)))[0]
        assert at_zero == (0.0 if family == "gaussian" else 0.5)
        assert trained.weights["parameters"] == 2
        line = features @ trained.coefficients["estimate"].to_numpy()
        line = line if family == "gaussian" else 1 / (1 + np.exp(-line))
        np.testing.assert_allclose(predicted(trained.model, features), line, rtol=1e-9)

    def test_a_constant_column_is_its_own_intercept(self) -> None:
        rows = rows_of(table("gaussian"))
        features, labels = rows.features, rows.labels
        with_ones = np.column_stack([np.full(len(labels), 2.0), features])
        fitted = exact.optimum(Rows(with_ones, labels), FAMILIES["gaussian"], ["two", "a", "b"], intercept=False)
        usual = exact.optimum(Rows(features, labels), FAMILIES["gaussian"], ["a", "b"])
        np.testing.assert_allclose(fitted.coefficients[2:], usual.coefficients[1:], rtol=1e-9)
        assert fitted.coefficients[1] * 2 == pytest.approx(usual.coefficients[0])
        assert fitted.messages == []


class TestLadder:
    def rungs(self, **losses: float) -> dict[str, np.ndarray]:
        wobble = 1 + 0.01 * np.linspace(-1, 1, 10)
        return {name: loss * wobble for name, loss in losses.items()}

    def test_the_lowest_rung_within_the_margin_is_named(self) -> None:
        found = ladder(self.rungs(line=2.0, curve=1.02, net=1.0, large=1.1), 10, 0.05, 0.95)
        assert (found.rung, found.lowest_possible, found.best) == ("curve", "curve", "net")
        assert [one.standing for one in found.rungs.values()] == ["beyond", "within", "within", "beyond"]
        assert found.advice.startswith("Ladder: curve is enough")

    def test_what_the_rows_cannot_tell_is_said(self) -> None:
        rungs = self.rungs(line=1.0, net=0.95) | {"line": 1.0 + 0.5 * np.linspace(-1, 1, 10)}
        found = ladder(rungs, 10, 0.05, 0.95)
        assert (found.rung, found.lowest_possible) == ("net", "line")
        assert "line may be enough too, but these rows are not enough to decide that" in found.advice

    @given(
        losses=st.lists(st.floats(0.1, 10), min_size=2, max_size=5, unique_by=lambda loss: round(loss, 2)),
        margin=st.floats(0, 0.5),
        scale=st.floats(0.01, 100),
    )
    def test_properties(self, losses: list[float], margin: float, scale: float) -> None:
        wobble = 1 + 0.1 * np.linspace(-1, 1, 10) ** 3
        rungs = {
            f"rung{number}": loss * (wobble if number % 2 else 1.0) * np.ones(10) for number, loss in enumerate(losses)
        }
        found = ladder(rungs, 10, margin, 0.95)
        names = list(rungs)
        assert names.index(found.lowest_possible) <= names.index(found.rung) <= names.index(found.best)
        scaled = ladder({name: scale * values for name, values in rungs.items()}, 10, margin, 0.95)
        assert [one.standing for one in scaled.rungs.values()] == [one.standing for one in found.rungs.values()]

    def test_the_verdict_has_it_and_says_which_model_is_unknown(self, tmp_path: Path) -> None:
        write_project(tmp_path)
        for names, key in ((["regression", "neural"], "neural"), (["regression", "larger"], None)):
            values = PARAMS | {"verdict": PARAMS["verdict"] | {"ladder": names}}
            (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
            if key is None:
                with pytest.raises(UserError, match=r"verdict.ladder: expected only models among .*, got larger"):
                    compare.run(tmp_path)
            else:
                compare.run(tmp_path)
                assert read_json(tmp_path / "verdicts/color.json")["ladder"]["rung"] == key

    def test_hydra_composes_it(self, tmp_path: Path) -> None:
        from dvc.utils.hydra import compose_and_dump

        compose_and_dump(
            tmp_path / "params.yaml", str(ROOT / "conf"), None, "config", str(tmp_path), ["+ladder=default"]
        )
        config = load(tmp_path / "params.yaml")
        assert config.verdict.ladder == ["regression", "quadratic", "neural", "large"]
        assert set(config.models) == set(config.verdict.ladder)
        assert config.models["quadratic"] == replace(config.models["regression"], terms="quadratic")
        assert config.models["large"].hidden == [64, 64]
