"""What varies in a sweep: Hydra's overrides against Hydra's own sweeper and Optuna's distributions."""

import optuna
import pytest
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from straightline.config.settings import parse
from straightline.errors import UserError
from straightline.stages import compose
from straightline.sweeps import ranking, search
from tests.conftest import ROOT
from tests.sweeps.cases import space_of


class TestSpace:
    OVERRIDES = ("models.neural.hidden=[8],[16,16]", "models.neural.l2=choice(0,1e-4)", "fit.seed=range(0,6,2)")

    def test_points_are_those_of_hydras_own_sweeper(self) -> None:
        of = space_of(*self.OVERRIDES, "folds.k=4")
        (known,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(list(self.OVERRIDES)), None)
        assert [ranking.overrides(of, point) for point in of.points()] == known
        assert of.size == len(known) == 12
        for point, words in zip(of.points(), known, strict=True):
            composed = yaml.safe_load(compose.render(ROOT / "conf", ["folds.k=4", *words]))
            assert of.config(point) == parse(composed)

    def test_intervals_become_optunas(self) -> None:
        of = space_of("models.neural.learning_rate=tag(log,interval(1e-4,1e-1))", "fit.batch_size=int(interval(8,64))")
        assert of.size is None
        assert [search.distribution(one) for one in of.dimensions] == [
            optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
            optuna.distributions.IntDistribution(8, 64),
        ]
        point = {"models.neural.learning_rate": 0.02, "fit.batch_size": 9}
        assert of.config(point).fit.batch_size == 9

    @pytest.mark.parametrize(
        ("overrides", "told"),
        [
            (("fit.seed=1",), "nothing varies"),
            (("models.neural.hiden=[8],[16]",), "models.neural.hiden is not a setting; nearest: models.neural.hidden"),
            (("fit=adam,sgd",), "fit stands for many settings; vary one of them, such as fit.optimizer"),
            (("model@models.neural=single,large",), "choose a model or group with one value"),
            (("fit.seed=range(3,3)",), "fit.seed=range(3,3): is empty"),
            (("models.neural.learning_rate=interval(1,1)",), "expected an interval from a smaller to a larger number"),
            (("models.neural.learning_rate=tag(log,interval(0,1))",), "expected an interval above 0"),
            (("fit.seed=1,2", "fit.seed=3,4"), "fit.seed is given twice"),
            (("fit.seed=range(1,",), "not a valid Hydra override"),
            (("folds.k=2,3",), "folds.k cannot vary"),
            (("models.regression.learning_rate=0.1,0.2",), "regression is a regression"),
            (("+models.neural.more=1,2",), "choose a model or group with one value"),
            (("fit.seed=1,2", "fit.epochs=many"), "fit.epochs: expected"),
            (("fit.seed=1,2", "+model@models.wide=single"), "expected one network to vary, got neural, wide"),
        ],
    )
    def test_what_cannot_be_swept_is_said(self, overrides: tuple[str, ...], told: str) -> None:
        with pytest.raises(UserError) as caught:
            space_of(*overrides)
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)
