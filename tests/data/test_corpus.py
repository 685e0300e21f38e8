"""The files in tests/tables, as people have them: what is understood, what is told, and for some what is answered."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from straightline.commands import run
from straightline.config.table_options import TableOptions
from straightline.data.schema import Feature, read_schema
from straightline.errors import UserError
from straightline.runtime.artifacts import read_json
from straightline.stages import data
from tests.builders import quick, user_table
from tests.conftest import ROOT

TABLES = ROOT / "tests/tables"
CASES = yaml.safe_load((TABLES / "expected.yaml").read_text(encoding="utf-8"))
RUN = (*quick(epochs=40, k=3), "models.neural.learning_rate=0.1", "fit.batch_size=16")


def named(case: dict[str, Any]) -> str:
    return "-".join([case["file"], *case.get("settings", ())])


def kind(feature: Feature) -> str:
    return "truth" if feature.truth else feature.kind


def test_each_file_has_a_case_and_is_small() -> None:
    files = {path.name for path in TABLES.iterdir()} - {"expected.yaml"}
    assert files == {case["file"] for case in CASES}
    assert max(path.stat().st_size for path in TABLES.iterdir()) < 2**14


@pytest.mark.parametrize("case", CASES, ids=named)
def test_what_is_understood(
    case: dict[str, Any], tmp_path: Path, params: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    path, target = TABLES / case["file"], case.get("target", "price")
    table = user_table(str(path), target) | case.get("settings", {})
    targets = {"target": {"column": target, "family": "auto"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"data": table, "targets": targets}))
    if "error" in case:
        with pytest.raises(UserError) as caught:
            data.run(tmp_path)
        assert str(caught.value).startswith(f"{path}: ")
        assert case["error"] in str(caught.value)
        assert "\n" not in str(caught.value)
        assert [left.name for left in tmp_path.iterdir()] == ["params.yaml"]
        return
    data.run(tmp_path)
    assert case.get("read", "") in capsys.readouterr().out
    schema = read_schema(tmp_path)
    expected = {name: word for name, word in case["columns"].items() if word != "left out"}
    assert {feature.name: kind(feature) for feature in schema.encoding} == expected
    assert schema.warnings == case.get("notes", [])
    assert schema.rows.train + schema.rows.test == case.get("rows", 40)
    assert schema.targets["target"].family == case.get("family", "gaussian")


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if "error" not in case], ids=named)
@pytest.mark.usefixtures("without_pictures")
def test_what_is_answered(case: dict[str, Any], tmp_path: Path) -> None:
    """The tables are far too small for most answers; what counts is that each gets the same from one small network."""
    options = TableOptions(
        TABLES / case["file"], [case.get("target", "price")], data=case.get("settings", {}), overrides=RUN
    )
    run.run(options, tmp_path / "out", replaces=False, track=False)
    (path,) = (tmp_path / "out/verdicts").iterdir()
    assert read_json(path)["answer"] == case["answer"]
