"""Every mistake in a config is one line that names the key; composing gives what DVC's own dump gives."""

import copy
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from straightline.config.settings import load, parse
from straightline.errors import UserError
from straightline.models import Averaged
from straightline.stages import compose
from tests.conftest import ROOT


def changed(params: dict, key: str, value: object) -> dict:
    values = copy.deepcopy(params)
    *parents, last = key.split(".")
    place = values
    for parent in parents:
        place = place[parent]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return values


def test_the_committed_settings_are_valid_and_what_conf_composes_to(params: dict) -> None:
    assert set(parse(params).models) == {"regression", "neural"}
    compose.check(ROOT)


def test_an_averaged_network_composes_with_all_that_is_null_to_be_chosen() -> None:
    values = yaml.safe_load(compose.render(ROOT / "conf", ["data=diabetes", "models.neural.l2=0.1"]))
    settings = parse(values).models["neural"]
    assert isinstance(settings, Averaged)
    assert (settings.hidden, settings.learning_rate, settings.l2, settings.line) == (None, None, 0.1, None)


@pytest.mark.parametrize(
    ("effort", "candidates", "wide", "repeats"), [("quick", 1, 0, 1), ("standard", 6, 0, 3), ("thorough", 60, 20, 10)]
)
def test_an_effort_says_how_much_a_network_has_to_choose_from(
    effort: str, candidates: int, wide: int, repeats: int
) -> None:
    config = parse(yaml.safe_load(compose.render(ROOT / "conf", [f"effort={effort}"])))
    settings = config.models["neural"]
    assert isinstance(settings, Averaged)
    assert settings.candidates(999) == candidates
    assert settings.candidates(1000) == candidates + wide
    assert (config.folds.repeats, config.folds.max_repeats) == (None, repeats)
    overruled = parse(yaml.safe_load(compose.render(ROOT / "conf", [f"effort={effort}", "folds.repeats=7"])))
    assert overruled.folds.repeats == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [("members", 1), ("line", 1.5), ("learning_rate", 0), ("hidden", []), ("dropout", 0.1), ("choices.l2", [-1])],
)
def test_a_wrong_setting_of_an_averaged_network_is_named(key: str, value: object) -> None:
    values = yaml.safe_load(compose.render(ROOT / "conf", ["effort=standard"]))
    with pytest.raises(UserError, match=rf"models\.neural\.{key}"):
        parse(changed(values, f"models.neural.{key}", value))


@pytest.mark.parametrize(
    ("key", "value", "named", "came"),
    [
        ("models.neural.hidden", [-1], "models.neural.hidden[0]", "-1"),
        ("models.neural.hidden", [], "models.neural.hidden", "[]"),
        ("models.neural.kind", "forest", "models.neural.kind", "forest"),
        ("models.neural.activation", "rleu", "models.neural.activation", "rleu"),
        ("models.neural.hiden", [8], "models.neural.hiden", "not a setting"),
        ("models.neural.learning_rate", 0, "models.neural.learning_rate", "0"),
        ("models.neural.l2", float("nan"), "models.neural.l2", "nan"),
        ("models.regression.finish", "almost", "models.regression.finish", "almost"),
        ("models.neural", None, "models.neural", "None"),
        ("fit.epochs", "many", "fit.epochs", "many"),
        ("fit.epochs", 1.5, "fit.epochs", "1.5"),
        ("fit.batch_size", True, "fit.batch_size", "True"),
        ("fit.optimizer", "magic", "fit.optimizer", "magic"),
        ("fit.momentum", 0.9, "fit.momentum", "0 with optimizer adam"),
        ("fit.validation", 1.0, "fit.validation", "1.0"),
        ("folds.k", 1, "folds.k", "1"),
        ("data.rows", KeyError, "data.rows", "missing"),
        ("data.held_out", -0.1, "data.held_out", "-0.1"),
        ("data.source", "web", "data.source", "web"),
        ("targets.color.family", "ternary", "targets.color.family", "ternary"),
        ("targets.color", {"column": "a", "family": "auto", "offset": "b", "exposure": "b"}, "color.exposure", "'b'"),
        ("verdict.margin", 1, "verdict.margin", "1"),
        ("verdit", {}, "verdit", "not a setting"),
        ("targets", {}, "targets", "at least 1"),
        ("models.neural.x", {"_target_": "os.system"}, "models.neural.x has _target_", "os.system"),
        ("_target_", "os.system", "_target_", "os.system"),
    ],
)
def test_a_mistake_is_one_line_with_key_and_value(params: dict, key: str, value: object, named: str, came: str) -> None:
    with pytest.raises(UserError) as error:
        parse(changed(params, key, value))
    message = str(error.value)
    assert named in message
    assert came in message
    assert "\n" not in message


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_yaml_is_settings_or_a_clear_error(value: object) -> None:
    with pytest.raises(UserError):
        parse(value if isinstance(value, dict) else {"data": value})


@pytest.mark.parametrize("content", [b"", b"- 1", b"a: [", b"\xff\xfe\x00"])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"params\.yaml"):
        load(path)
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    "override", [[], ["data=balloons_as_printed"], ["data=table", "data.path=a.csv", "data.target=b"]]
)
def test_rendering_equals_dvcs_own(tmp_path: Path, override: list[str]) -> None:
    from dvc.utils.hydra import compose_and_dump

    compose_and_dump(tmp_path / "params.yaml", str(ROOT / "conf"), None, "config", str(tmp_path), override)
    assert parse(__import__("yaml").safe_load((tmp_path / "params.yaml").read_text()))
    if not override:
        assert (tmp_path / "params.yaml").read_text() == compose.render(ROOT / "conf")


class TestCompose:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        shutil.copytree(ROOT / "conf", tmp_path / "conf")
        compose.run(tmp_path)
        return tmp_path

    def test_an_edit_is_written_and_told(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = root / "conf/verdict/default.yaml"
        path.write_text(path.read_text().replace("margin: 0.05", "margin: 0.1"))
        with pytest.raises(UserError, match="not up to date with conf"):
            compose.check(root)
        compose.run(root)
        assert "verdict.margin: 0.05 -> 0.1" in capsys.readouterr().out
        compose.check(root)

    def test_nothing_is_written_where_the_config_is_invalid(self, root: Path) -> None:
        before = (root / "params.yaml").read_text()
        path = root / "conf/model/single.yaml"
        path.write_text(path.read_text().replace("[16, 16]", "[-1]"))
        with pytest.raises(UserError, match=r"hidden\[0\]"):
            compose.run(root)
        assert (root / "params.yaml").read_text() == before

    def test_a_new_variant_asks_for_a_second_run_and_old_folders_go(self, root: Path) -> None:
        gone, kept = root / "runs/color/wide", root / "runs/color/neural"
        gone.mkdir(parents=True)
        kept.mkdir(parents=True)
        config = root / "conf/config.yaml"
        config.write_text(config.read_text() + "  - model@models.deep: single\n")
        with pytest.raises(UserError, match="run dvc repro again"):
            compose.run(root)
        assert not gone.exists()
        assert kept.exists()
        compose.run(root)

    def test_an_experiments_values_survive(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = root / "params.yaml"
        path.write_text(path.read_text().replace("margin: 0.05", "margin: 0.2"))
        monkeypatch.setenv("DVC_EXP_NAME", "trial")
        compose.run(root)
        assert load(path).verdict.margin == 0.2

    @pytest.mark.parametrize("broken", ["defaults: [model: absent]", "a: ${b}", "a: [", "data: ???\n"])
    def test_what_hydra_cannot_compose_is_one_line(self, root: Path, broken: str) -> None:
        (root / "conf/config.yaml").write_text(broken)
        with pytest.raises(UserError, match="conf") as error:
            compose.run(root)
        assert "\n" not in str(error.value)
